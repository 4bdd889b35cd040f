/**
 * What a rule on how fast peers may try has to do (R-LIM-08). RFC 4422 §6 leaves the rule itself to implementations;
 * `sasl-throttle` has one.
 *
 * @module
 */
import type { MaybePromise } from "./runtime/contract.js";
import type { ServerEvent } from "./server.js";

/**
 * Rules on how fast peers may try. `attempt` is an object of no content that is the same for the beginning and the end
 * of an attempt, and for no other one.
 */
export interface Throttle {
  /**
   * Called before a mechanism begins; it begins when this has settled. An error of the code `limit-exceeded` refuses the
   * attempt before it begins; anything else that is thrown counts for nothing.
   *
   * @param remote the peer's address as the binding knows it, with or without a port.
   */
  begin(remote: string | undefined, attempt: object): MaybePromise<void> | undefined;
  /**
   * Called once for each attempt that was not refused, however it ended, also while `begin` still waits. The peer hears of
   * a failure when this has settled; success and aborts do not wait for it. What it throws counts for nothing.
   */
  ended(event: ServerEvent, attempt: object): MaybePromise<void> | undefined;
}
