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
import { type Completion, SASLClient, type SASLClientOptions } from "./client.js";
import { type Announcement, discover, type EhloSource } from "./discovery.js";

/** Options of the choice and the exchange (`sasl-core`), and of the wire. */
export interface AuthenticateOptions extends CoreOptions, Omit<SASLClientOptions, "layers"> {}

/** Who logged in how, and what the server said with its success. */
export interface AuthenticationResult extends CoreResult, Completion {
  /**
   * True when a security layer is in force now. The server has forgotten EHLO, and what it announced before is void
   * (R-SMTP-14): say `ehlo(wire)` before anything else, and see with `hiddenMechanisms` whether a stronger mechanism had been
   * kept from you.
   */
  readonly rediscover: boolean;
}

/**
 * Logs in over a connection after EHLO with the strongest mechanism both sides accept. Where that brings a security layer and
 * the transport can carry one, all that follows goes through it.
 *
 * @param announced the reply to the EHLO sent on this connection as it is now, after TLS began (R-SMTP-16): what `discover`
 *   gave, or anything it takes.
 * @param mechanisms with their credentials, from `sasl-smtp/mechanisms`.
 * @throws {AuthenticationFailure} the server turned the credentials down.
 * @throws {SASLFailure} everything else: on `temporary` the password stays good (R-SMTP-12); after `peer-not-verified` and
 *   `connection-lost` close the connection.
 */
export async function authenticate(
  wire: LineTransport,
  announced: Announcement | EhloSource,
  mechanisms: readonly SASLMechanism[],
  options: AuthenticateOptions = {},
): Promise<AuthenticationResult> {
  const { mechanisms: offered, maxCommandBytes } = isAnnouncement(announced) ? announced : discover(announced);
  const client = new SASLClient(wire, { maxCommandBytes, ...options, layers: true });
  const result = await coreAuthenticate(client, offered, mechanisms, {
    service: "smtp",
    ...options,
    channelBinding: options.channelBinding ?? wire.channelBinding,
  });
  protectWire(wire, result.layer);
  return { ...result, ...(client.completion as Completion), rediscover: result.layer !== undefined };
}

function isAnnouncement(value: Announcement | EhloSource): value is Announcement {
  return typeof value === "object" && "mechanisms" in value;
}
