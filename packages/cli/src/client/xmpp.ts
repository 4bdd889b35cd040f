/**
 * XMPP for `login` and `probe`.
 *
 * @module
 */
import type { Socket } from "node:net";
import { authenticate, type Discovery, discover, formatJid, normalizeLocal } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { tlsOptions } from "./connect.js";
import {
  connectRoute,
  explained,
  type Offer,
  type Progress,
  type Route,
  refuseHidden,
  type Session,
} from "./session.js";

/**
 * Opens a stream up to its features.
 *
 * @param domain the `to` of the stream: the domain of the account.
 * @param user whose features to ask for: some servers offer more to a client that says who it is.
 */
export async function openXmpp(route: Route, progress: Progress, domain: string, user?: string): Promise<Session> {
  const { signal, mode, tls, name } = route;
  const socket = await connectRoute(route, progress);
  const local = user === undefined ? undefined : normalizeLocal(user);
  const from = local === undefined ? undefined : formatJid({ local, domain });
  const stream = new SocketStream(socket, {
    domain,
    from,
    signal,
    timeoutMs: MAX_TIMEOUT_MS,
    allowUnverifiedCertificate: tls.insecure,
  });
  let features = await stream.open();
  const first = offerOf(discover(features, stream.adapter));
  progress.onOffer?.(first, mode !== "starttls");
  if (mode === "starttls") {
    progress.onStage?.("the TLS handshake after STARTTLS");
    features = await explained(
      route,
      (code) => code === "connection-lost" && !stream.secure,
      () => stream.startTLS(tlsOptions(tls, name)),
    );
    progress.onSocket?.(stream.socket as Socket);
    progress.onOffer?.(offerOf(discover(features, stream.adapter)), true);
  }
  progress.onStage?.("logging in");
  return {
    socket: stream.socket as Socket,
    before: mode === "starttls" ? first : undefined,
    offer: offerOf(discover(features, stream.adapter)),
    async authenticate(mechanisms, options, onResult) {
      const { secure } = stream;
      const result = await authenticate(stream, features, mechanisms, options);
      onResult?.(result);
      const { mechanisms: before } = offerOf(discover(features, stream.adapter));
      const after = offerOf(discover(await stream.restart(), stream.adapter)); // RFC 6120 §6.4.6: only now is the server ready
      if (result.layer) {
        refuseHidden(result, { before, after: after.mechanisms }, mechanisms, { ...options, secure });
      }
      return result;
    },
    async end() {
      stream.close();
    },
  };
}

/** The run as a whole has its limit; the stream needs none of its own. */
const MAX_TIMEOUT_MS = 2_147_483_647;

function offerOf({ mechanisms, bindingTypes, startTLS, sasl2, fast }: Discovery): Offer {
  return {
    mechanisms,
    bindingTypes,
    details: { startTls: startTLS ?? false, sasl2, fast, bindingTypesAnnounced: bindingTypes ?? null },
  };
}
