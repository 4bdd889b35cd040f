/**
 * SMTP submission for `login` and `probe`.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import { nodeLineTransport } from "sasl-lines/node";
import { type Announcement, authenticate, ehlo, greet, runCommand } from "sasl-smtp";
import {
  connectRoute,
  type Offer,
  type Progress,
  type Route,
  refuseHidden,
  type Session,
  transportOptions,
  upgradeOf,
} from "./session.js";

/** Opens a connection up to where AUTH is possible. */
export async function openSmtp(route: Route, progress: Progress): Promise<Session> {
  const socket = await connectRoute(route, progress);
  const begun = nodeLineTransport(socket, transportOptions(route));
  const clientName = addressLiteral(socket.localAddress);
  const greeting = await greet(begun, { clientName, ...upgradeOf(route, progress, offerOf) });
  const { wire, announced, announcedBefore } = greeting;
  const offer = offerOf(announced);
  progress.onOffer?.(offer, true);
  progress.onStage?.("logging in");
  return {
    socket: wire.socket,
    before: announcedBefore && offerOf(announcedBefore),
    offer,
    async authenticate(mechanisms, options, onResult) {
      const { secure } = wire;
      const result = await authenticate(wire, announced, mechanisms, options);
      onResult?.(result);
      if (result.rediscover) {
        const { mechanisms: after } = await ehlo(wire, { clientName }); // R-SMTP-14
        refuseHidden(result, { before: announced.mechanisms, after }, mechanisms, { ...options, secure });
      }
      return result;
    },
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
