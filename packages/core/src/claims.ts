/**
 * Accounts that one exchange at a time may have, so that nobody can race it (RFC 2289 §9, RFC 2808 §5.1).
 *
 * @module
 */

/** Where exchanges have no time limit, this is the one of claims: as long as a person may take to look up a password. */
const longestMs = 300_000;

/** Who has what, at one server. Holds nothing of exchanges that are over. */
export class Claims {
  readonly #held = new Map<string, { readonly owner: object; readonly until: number }>();
  readonly #limitMs: number;

  /** @param timeoutMs how long an exchange may take; 0 for no limit. */
  constructor(timeoutMs: number) {
    this.#limitMs = timeoutMs > 0 ? Math.min(timeoutMs, longestMs) : longestMs;
  }

  /** True when it is the owner's from now on; who lets the time pass can lose it to the next one (R-OTP-04). */
  take(key: string, owner: object): boolean {
    const now = Date.now();
    const held = this.#held.get(key);
    if (held !== undefined && held.owner !== owner && now < held.until) return false;
    this.#held.set(key, { owner, until: now + this.#limitMs });
    return true;
  }

  release(key: string, owner: object): void {
    if (this.#held.get(key)?.owner === owner) this.#held.delete(key);
  }
}
