/**
 * The one interface both ends speak. Source: RFC 4422 §4, what a protocol profile must offer.
 *
 * A client binding implements it by writing to the wire; a server session implements it by being the other end.
 * So a client can be plugged straight into a server session with no wire between them.
 *
 * @module
 */

import type { AuthenticationFailure, SASLFailure } from "./errors.js";

/** What the other side said back. `failure` comes from `abort()` alone; every other failure is thrown. */
export type SASLReply =
  | { readonly state: "challenge"; readonly payload: Uint8Array }
  | { readonly state: "success"; readonly payload?: Uint8Array | undefined }
  | { readonly state: "failure"; readonly payload?: undefined };

/**
 * One end of a SASL exchange, seen from the other.
 *
 * An absent payload (`undefined`) and an empty one (zero bytes) are different things on every wire (RFC 4422 §5 item 2a);
 * an implementation keeps them apart in both directions. The callee may keep a payload it was given: callers do not
 * change one after handing it over. All three methods reject with a `SASLFailure` or an `AuthenticationFailure`, and
 * with nothing else. One exchange at a time; after a success or a failure the next `initiate` starts a new one.
 */
export interface SASLInterface {
  /** True when the channel has confidentiality from TLS or an equal layer. Absent counts as false. */
  readonly secure?: boolean | undefined;

  /** True when this end can put a security layer on the channel after the success (RFC 4422 §3.7). Absent counts as false. */
  readonly layers?: boolean | undefined;

  /**
   * Starts an exchange.
   *
   * @param mechanism the name as offered, 1 to 20 characters of `A-Z`, `0-9`, `-`, `_` (RFC 4422 §3.1).
   * @param payload the initial response, if there is one.
   */
  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply>;

  /** Answers the challenge that is waiting. */
  respond(payload: Uint8Array): Promise<SASLReply>;

  /** Gives the exchange up (RFC 4422 §3.5). Resolves to `{ state: "failure" }` when the other side took note. */
  abort(): Promise<SASLReply>;
}

/** How one exchange that a server binding ran came out; the reply is already on the wire. */
export type ServeOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: SASLFailure | AuthenticationFailure };
