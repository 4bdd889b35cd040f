/**
 * SMTP submission for `login` and `probe`.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import { SASLFailure } from "sasl-core";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-lines/node";
import { type Announcement, authenticate, discover, greet, parseFailure, type Reply, runCommand } from "sasl-smtp";
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

/** Opens a connection up to where AUTH is possible. */
export async function openSmtp(route: Route, progress: Progress): Promise<Session> {
  const { signal, mode, tls, name } = route;
  const transportOptions = { signal, allowUnverifiedCertificate: tls.insecure };
  const socket = await connectRoute(route, progress);
  const clientName = addressLiteral(socket.localAddress);
  let wire: NodeLineTransport = nodeLineTransport(socket, transportOptions);
  let { announced } = await greet(wire, { clientName });
  const first = offerOf(announced);
  progress.onOffer?.(first, mode !== "starttls");
  if (mode === "starttls") {
    progress.onStage?.("agreeing on STARTTLS");
    await agreeOnTls(wire, announced);
    progress.onStage?.("the TLS handshake after STARTTLS");
    wire = await explained(route, isLineHandshake, () => startTlsClient(wire, tlsOptions(tls, name), transportOptions));
    progress.onSocket?.(wire.socket);
    progress.onStage?.("asking what is offered over TLS");
    announced = await sayHello(wire, clientName); // R-SMTP-16
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
        await runCommand(wire, "QUIT");
      } catch {
        // A server may close without a reply.
      } finally {
        wire.close();
      }
    },
  };
}

/** RFC 5321 §4.1.3: what a client without a name of its own calls itself. */
function addressLiteral(address: string | undefined): string {
  if (address === undefined) return "[127.0.0.1]";
  return isIPv6(address) ? `[IPv6:${address.replace(/%.*/, "")}]` : `[${address}]`;
}

/** RFC 3207 §4. */
async function agreeOnTls(wire: NodeLineTransport, announced: Announcement): Promise<void> {
  if (!announced.startTls) throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
  const reply = await runCommand(wire, "STARTTLS");
  if (reply.code === 220) return;
  throw new SASLFailure("channel-not-protected", "the server refused STARTTLS", { opaqueError: lineOf(reply) });
}

async function sayHello(wire: NodeLineTransport, clientName: string): Promise<Announcement> {
  const reply = await runCommand(wire, `EHLO ${clientName}`);
  if (reply.code !== 250) throw parseFailure(lineOf(reply), { answered: false });
  return discover(reply.lines.slice(1));
}

function lineOf({ code, enhanced, lines }: Reply): string {
  return `${code} ${enhanced ? `${enhanced} ` : ""}${lines.join(" ")}`;
}

function offerOf({ mechanisms, startTls, extensions, maxCommandBytes }: Announcement): Offer {
  const size = extensions.get("SIZE");
  return {
    mechanisms,
    details: {
      startTls,
      /** Octets; 0 stands for no fixed limit (RFC 1870 §4). */
      maxMessageBytes: size !== undefined && /^[0-9]{1,15}$/.test(size) ? Number(size) : null,
      maxCommandBytes,
      extensions: [...extensions].filter(([name]) => name !== "AUTH").map(([name, more]) => `${name} ${more}`.trim()),
    },
  };
}
