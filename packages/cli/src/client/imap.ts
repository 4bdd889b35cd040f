/**
 * IMAP for `login` and `probe`.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { type Announcement, authenticate, capabilities, greet, runCommand } from "sasl-imap";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-lines/node";
import { tlsOptions } from "./connect.js";
import {
  connectRoute,
  explained,
  isLineHandshake,
  type Offer,
  type Progress,
  type Route,
  type Session,
} from "./session.js";

export async function openImap(route: Route, progress: Progress): Promise<Session> {
  const { signal, mode, tls, name } = route;
  const transportOptions = { signal, allowUnverifiedCertificate: tls.insecure };
  const socket = await connectRoute(route, progress);
  let wire: NodeLineTransport = nodeLineTransport(socket, transportOptions);
  const greeting = await greet(wire);
  // R-IMAP-12: STARTTLS is not to be had any more, nor a login.
  if (greeting.preauthenticated) {
    throw new SASLFailure(
      "channel-not-protected",
      "the server says that the connection is logged in already (PREAUTH)",
    );
  }
  let { announced } = greeting;
  const first = offerOf(announced);
  progress.onOffer?.(first, mode !== "starttls");
  if (mode === "starttls") {
    progress.onStage?.("agreeing on STARTTLS");
    await agreeOnTls(wire, announced);
    progress.onStage?.("the TLS handshake after STARTTLS");
    wire = await explained(route, isLineHandshake, () => startTlsClient(wire, tlsOptions(tls, name), transportOptions));
    progress.onSocket?.(wire.socket);
    progress.onStage?.("asking what is offered over TLS");
    announced = await capabilities(wire); // R-IMAP-11
    progress.onOffer?.(offerOf(announced), true);
  }
  progress.onStage?.("logging in");
  return {
    socket: wire.socket,
    before: mode === "starttls" ? first : undefined,
    offer: offerOf(announced),
    authenticate: (mechanisms, options) => authenticate(wire, announced, mechanisms, options),
    async end() {
      try {
        await runCommand(wire, "LOGOUT", { onUntagged: () => {} });
      } catch {
        // A server may close right after its BYE.
      } finally {
        wire.close();
      }
    },
  };
}

/** RFC 9051 §6.2.1. */
async function agreeOnTls(wire: NodeLineTransport, announced: Announcement): Promise<void> {
  if (!announced.startTls) throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
  try {
    await runCommand(wire, "STARTTLS");
  } catch (cause) {
    const { code, opaqueError = "NO" } = cause as SASLFailure;
    if (code === "connection-lost" || code === "unexpected-message") throw cause;
    throw new SASLFailure("channel-not-protected", "the server refused STARTTLS", { cause, opaqueError });
  }
}

function offerOf({ mechanisms, capabilities: all, initialResponse, loginDisabled, startTls }: Announcement): Offer {
  return {
    mechanisms,
    details: {
      startTls,
      loginDisabled,
      saslIr: initialResponse,
      capabilities: [...all].filter((capability) => !capability.startsWith("AUTH=")),
    },
  };
}
