/**
 * IMAP for `login` and `probe`.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { type Announcement, authenticate, capabilities, greet, runCommand } from "sasl-imap";
import { nodeLineTransport } from "sasl-lines/node";
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

export async function openImap(route: Route, progress: Progress): Promise<Session> {
  const socket = await connectRoute(route, progress);
  const begun = nodeLineTransport(socket, transportOptions(route));
  const greeting = await greet(begun, upgradeOf(route, progress, offerOf));
  const { wire, announced, announcedBefore, preauthenticated } = greeting;
  // R-IMAP-12: a login is not to be had any more.
  if (preauthenticated) {
    throw new SASLFailure(
      "channel-not-protected",
      "the server says that the connection is logged in already (PREAUTH)",
    );
  }
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
        const { mechanisms: after } = await capabilities(wire);
        refuseHidden(result, { before: announced.mechanisms, after }, mechanisms, { ...options, secure });
      }
      return result;
    },
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
