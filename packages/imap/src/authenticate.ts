/**
 * One call that does it all.
 *
 * @module
 */
import {
  type AuthenticateOptions as CoreOptions,
  type AuthenticationResult as CoreResult,
  authenticate as coreAuthenticate,
  type SASLMechanism,
} from "sasl-core";
import { type LineTransport, protectWire } from "sasl-lines";
import { SASLClient } from "./client.js";
import { type Announcement, type CapabilitySource, discover } from "./discovery.js";
import type { CommandOptions, Completion } from "./responses.js";

/** Options of the choice and the exchange (`sasl-core`), and of the wire. */
export interface AuthenticateOptions extends CoreOptions, CommandOptions {}

/** Who logged in how, and what the server said with its OK. */
export interface AuthenticationResult extends CoreResult, Completion {
  /**
   * True when a security layer is in force now. Everything the server announced before is void, and what it said of itself
   * with its OK is left out here, as anybody may have written it (R-IMAP-11, R-IMAP-15): ask with `capabilities(wire)`, and
   * see with `hiddenMechanisms` whether a stronger mechanism had been kept from you.
   */
  readonly rediscover: boolean;
}

/**
 * Logs in over a connection in the not-authenticated state with the strongest mechanism both sides accept. Where that brings
 * a security layer and the transport can carry one, all that follows goes through it.
 *
 * @param announced capabilities learnt on this connection as it is now, after TLS began (R-IMAP-11): what `discover` gave,
 *   or anything it takes.
 * @param mechanisms with their credentials, from `sasl-imap/mechanisms`.
 * @throws {AuthenticationFailure} the server turned the credentials down.
 * @throws {SASLFailure} everything else; after `peer-not-verified` and `connection-lost` close the connection.
 */
export async function authenticate(
  wire: LineTransport,
  announced: Announcement | CapabilitySource,
  mechanisms: readonly SASLMechanism[],
  options: AuthenticateOptions = {},
): Promise<AuthenticationResult> {
  const { mechanisms: offered, initialResponse } = isAnnouncement(announced) ? announced : discover(announced);
  const client = new SASLClient(wire, { ...options, initialResponse, layers: true });
  const result = await coreAuthenticate(client, offered, mechanisms, {
    service: "imap",
    ...options,
    channelBinding: options.channelBinding ?? wire.channelBinding,
  });
  protectWire(wire, result.layer); // R-IMAP-16
  const completion = client.completion as Completion;
  if (result.layer === undefined) return { ...result, ...completion, rediscover: false };
  return { ...result, ...completion, capabilities: undefined, rediscover: true };
}

function isAnnouncement(value: Announcement | CapabilitySource): value is Announcement {
  return typeof value === "object" && "mechanisms" in value;
}
