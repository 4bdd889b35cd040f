/**
 * What a client keeps of an authentication for the next one with the same server: one round trip instead of two.
 * Source: RFC 2831 §2.2.
 *
 * @module
 */

/** Values of an exchange that succeeded. None of them is a secret. Texts are octet text, in the charset of the exchange. */
export interface RememberedExchange {
  readonly realm: string | undefined;
  readonly nonce: string;
  readonly cnonce: string;
  readonly utf8: boolean;
  /** How often the nonce has been used. */
  readonly count: number;
}

/**
 * Bounded and owned by the application: make one, pass it as `sessions` to `DIGEST_MD5`, and drop it when the user leaves.
 * Holds no secret; the password is asked for each time. The oldest leave first.
 *
 * Only for protocols that take an initial response, as XMPP and SMTP do, and IMAP with SASL-IR (RFC 2831 §2.2).
 */
export class DigestMd5Sessions {
  readonly #entries = new Map<string, RememberedExchange>();
  readonly #maxEntries: number;

  /** @param options `maxEntries` at least 1, default 16. */
  constructor(options: { readonly maxEntries?: number } = {}) {
    const { maxEntries = 16 } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes what is remembered: of two exchanges at the same time one alone may use it, since a count may not come twice. */
  take(id: string): RememberedExchange | undefined {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    return entry;
  }

  /** Remembers an exchange in which the server proved itself. */
  put(id: string, exchange: RememberedExchange): void {
    this.#entries.delete(id);
    this.#entries.set(id, exchange);
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value as string);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Shows how many entries there are, and none of them. */
  toJSON(): { readonly size: number } {
    return { size: this.size };
  }
}
