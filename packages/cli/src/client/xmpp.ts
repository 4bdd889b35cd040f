/**
 * XMPP for `login` and `probe`.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Element } from "ltx";
import { downgradeProtection } from "sasl-core";
import { tlsVersion } from "sasl-core/node";
import { authenticate, discover, formatJid, normalizeLocal, type XMLAdapter } from "sasl-xmpp";
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
import { featureNames, type XmppLogin } from "./xmpp-login.js";

/**
 * Opens a stream up to its features.
 *
 * @param domain the `to` of the stream: the domain of the account.
 * @param user whose features to ask for, and with whom SASL2 begins: some servers offer more to a client that says who it
 *   is.
 * @param login what SASL2 does beside the mechanism. Left out: it is looked at, and not used.
 */
export async function openXmpp(
  route: Route,
  progress: Progress,
  domain: string,
  user?: string,
  login?: XmppLogin,
): Promise<Session> {
  const { signal, mode, tls, name } = route;
  const socket = await connectRoute(route, progress);
  const from = login?.profile === undefined ? bareJidOf(user, domain) : login.from;
  const stream = new SocketStream(socket, {
    domain,
    from,
    signal,
    timeoutMs: MAX_TIMEOUT_MS,
    allowUnverifiedCertificate: tls.insecure,
  });
  // A probe shows what SASL2 has; a login without it, or without a name to begin with, is offered what SASL1 has.
  const offerIn = (features: Element, secure = stream.secure) =>
    offerOf(
      features,
      stream.adapter,
      login === undefined || (login.profile !== undefined && secure && from !== undefined),
    );
  let features = await stream.open();
  const first = offerIn(features);
  progress.onOffer?.(first, mode !== "starttls");
  if (mode === "starttls") {
    progress.onStage?.("the TLS handshake after STARTTLS");
    features = await explained(
      route,
      (code) => code === "connection-lost" && !stream.secure,
      () => stream.startTLS(tlsOptions(tls, name)),
    );
    progress.onSocket?.(stream.socket as Socket);
    progress.onOffer?.(offerIn(features), true);
  }
  progress.onStage?.("logging in");
  return {
    socket: stream.socket as Socket,
    before: mode === "starttls" ? first : undefined,
    offer: offerIn(features),
    async authenticate(mechanisms, options, onResult) {
      const { secure } = stream;
      const result = await authenticate(stream, features, mechanisms, {
        ...options,
        sasl2: login?.profile,
        // XEP-0474, XEP-0515: where the server says what it announced, that has to be what arrived.
        downgradeProtection: downgradeProtection(),
        tlsVersion: stream.socket instanceof TLSSocket ? tlsVersion(stream.socket) : undefined,
      });
      onResult?.(result);
      const { mechanisms: before } = offerIn(features, secure);
      const after = offerIn(await stream.restart(), secure); // RFC 6120 §6.4.6: only now is the server ready
      // With SASL2 there are no lists in the features that follow (XEP-0388 §2.6.1).
      if (result.layer && result.profile === "sasl1") {
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

function bareJidOf(user: string | undefined, domain: string): string | undefined {
  const local = user === undefined ? undefined : normalizeLocal(user);
  return local === undefined ? undefined : formatJid({ local, domain });
}

/** @param sasl2 whether SASL2's list is the one that counts, where there is one. */
function offerOf(features: Element, adapter: XMLAdapter<Element>, sasl2: boolean): Offer {
  const { mechanisms, bindingTypes, startTLS, sasl2: hasSasl2, fast } = discover(features, adapter);
  const more = featureNames(features, adapter);
  return {
    mechanisms: (sasl2 ? more?.mechanisms : undefined) ?? mechanisms,
    bindingTypes,
    details: {
      startTls: startTLS ?? false,
      sasl2: hasSasl2,
      fast,
      sasl1Mechanisms: mechanisms,
      sasl2Mechanisms: more?.mechanisms ?? null,
      inlineFeatures: more?.inline ?? null,
      bindFeatures: more?.bind ?? null,
      fastMechanisms: more?.fast ?? null,
      upgrades: more?.upgrades ?? null,
      bindingTypesAnnounced: bindingTypes ?? null,
    },
  };
}
