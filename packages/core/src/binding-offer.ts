/**
 * Whether what a server announces about channel binding can be a server's own. Source: XEP-0440 §3.
 *
 * @module
 */
import { SASLFailure } from "./errors.js";

/**
 * For bindings whose servers announce types: to be asked before an exchange, with the lists of the profile in use, and not
 * with those of FAST, whose mechanisms bind without a -PLUS. Not to be asked where policy disables binding.
 *
 * - Types without a mechanism that ends in -PLUS: somebody withheld it. EXTERNAL and ANONYMOUS alone are let pass:
 *   no secret is at stake, and servers that have nothing else announce types all the same. So is no mechanism at all: there is nothing to
 *   log in with, or the types are of another profile.
 * - The other way round, where the profile wants types announced (SASL2): somebody withheld these.
 *
 * @param types what was announced; `undefined` when nothing was.
 * @param expectTypes true for SASL2; left out for the classic profile, whose servers need not announce types.
 * @throws {SASLFailure} `peer-not-verified`.
 */
export function checkBindingOffer(
  mechanisms: readonly string[],
  types: readonly string[] | undefined,
  expectTypes?: boolean,
): void {
  const plus = mechanisms.some((name) => name.endsWith("-PLUS"));
  const other = mechanisms.some((name) => name !== "EXTERNAL" && name !== "ANONYMOUS");
  if (plus ? expectTypes && !types?.length : other && types?.length) {
    throw new SASLFailure("peer-not-verified", "the binding types are not the server's own"); // R-CBT-02
  }
}
