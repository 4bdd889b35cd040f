/**
 * What a server shows to users it does not know, so that nobody can tell them from those it does (R-SCRAM-25).
 *
 * @module
 */
import type { ScramVerifier } from "./accounts.js";
import { concatBytes } from "./internal/bytes.js";
import { encodeUtf8 } from "./internal/text.js";
import type { Digest } from "./runtime/contract.js";

/** How stored verifiers of one hash look here: the first one seen speaks for all. */
interface Habit {
  readonly iterations: number;
  readonly saltLength: number;
}

/** Derives salts from names under a secret key, and remembers what real verifiers look like. */
export class ScramHabits {
  readonly #secret: Uint8Array;
  readonly #iterations: number;
  readonly #seen = new Map<string, Habit>();
  /** True once an account without a verifier for the asked hash had its password: then everybody pays for a derivation. */
  derives = false;

  constructor(secret: Uint8Array, iterations: number) {
    if (secret.length < 16) throw new RangeError("the server's secret must have at least 16 octets");
    if (!Number.isInteger(iterations) || iterations < 4096)
      throw new RangeError("scramIterations must be at least 4096");
    this.#secret = secret;
    this.#iterations = iterations;
  }

  /** Takes note of a real verifier. */
  learn(verifier: ScramVerifier): void {
    if (this.#seen.has(verifier.hash)) return;
    this.#seen.set(verifier.hash, { iterations: verifier.iterations, saltLength: verifier.salt.length });
  }

  /** Salt and count for a name that has none stored: always the same ones for the same name. */
  async invent(digest: Digest, name: string): Promise<{ salt: Uint8Array; iterations: number }> {
    const { iterations, saltLength } = this.#seen.get(digest.name) ?? { iterations: this.#iterations, saltLength: 16 };
    let salt = await digest.hmac(this.#secret, encodeUtf8(`salt ${digest.name} ${name}`));
    // A stored salt may be longer than one digest.
    while (salt.length < saltLength) salt = concatBytes(salt, await digest.hmac(this.#secret, salt));
    return { salt: salt.slice(0, saltLength), iterations };
  }

  /** Hash of the verifiers seen here, the first one; `undefined` when accounts keep passwords. */
  get usualHash(): string | undefined {
    return this.#seen.keys().next().value;
  }
}
