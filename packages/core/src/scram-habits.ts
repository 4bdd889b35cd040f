/**
 * What a server shows to users it does not know, so that nobody can tell them from those it does (R-SCRAM-25).
 *
 * @module
 */
import { type HashingScheme, makesHashes, type PasswordScheme, type ScramVerifier } from "./accounts.js";
import { sha256 } from "./digests.js";
import { encodeBase64 } from "./internal/base64.js";
import { concatBytes } from "./internal/bytes.js";
import { encodeUtf8 } from "./internal/text.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";

/** What `makeScramVerifier` and other servers make today (RFC 5802 §5.1: at least 4096). */
export const usualIterations = 10_000;

/** How stored verifiers of one hash look here: the first one seen speaks for all. */
interface Habit {
  readonly iterations: number;
  readonly saltLength: number;
}

/** Derives salts from names under a secret key, and remembers what real verifiers look like. */
export class ScramHabits {
  readonly #secret: Uint8Array;
  /** Counts that accounts have here; told by the application, or the usual one until a stored one has been seen. */
  readonly #counts: readonly number[];
  readonly #told: boolean;
  readonly #seen = new Map<string, Habit>();
  /** A one-way hash that some account here has, the first one seen. Secret. */
  #hash: MaybePromise<string | undefined>;
  #hashSeen = false;
  /** True once an account without a verifier for the asked hash had its password: then everybody pays for a derivation. */
  derives = false;

  /** @param counts `undefined` where the application does not say. */
  constructor(secret: Uint8Array, counts: number | readonly number[] | undefined) {
    if (secret.length < 16) throw new RangeError("the server's secret must have at least 16 octets");
    this.#secret = secret;
    this.#told = counts !== undefined;
    this.#counts = typeof counts === "number" ? [counts] : (counts ?? [usualIterations]);
    const sound = this.#counts.length > 0 && this.#counts.every((count) => Number.isInteger(count) && count >= 4096);
    if (!sound) throw new RangeError("scramIterations must be counts of at least 4096");
  }

  /** Takes note of a real verifier. */
  learn(verifier: ScramVerifier): void {
    if (this.#seen.has(verifier.hash)) return;
    this.#seen.set(verifier.hash, { iterations: verifier.iterations, saltLength: verifier.salt.length });
  }

  /** Takes note of a real one-way hash. */
  learnHash(hash: string): void {
    if (!this.#hashSeen) this.#hash = hash;
    this.#hashSeen = true;
  }

  /**
   * A one-way hash to try the password of a name against that has nothing stored; `undefined` when such a name is better
   * tried against a verifier. Both kinds where both have been seen, always the same one for a name.
   */
  decoyHash(schemes: readonly PasswordScheme[], name: string): MaybePromise<string | undefined> {
    if (this.#hashSeen) return this.#seen.size > 0 ? this.#hashOrNot(name) : this.#hash;
    if (this.#seen.size > 0 || this.#told) return undefined;
    this.#hash ??= this.#makeHash(schemes.find(makesHashes));
    return this.#hash;
  }

  async #hashOrNot(name: string): Promise<string | undefined> {
    const choice = await sha256.hmac(this.#secret, encodeUtf8(`kind ${name}`));
    return (choice[0] as number) < 128 ? this.#hash : undefined;
  }

  /** Made once; a fault is not kept. */
  #makeHash(scheme: HashingScheme | undefined): Promise<string> | undefined {
    if (scheme === undefined) return undefined;
    return (async () => scheme.hash(encodeBase64(this.#secret)))().catch((error) => {
      if (!this.#hashSeen) this.#hash = undefined;
      throw error;
    });
  }

  /** Salt and count for a name that has none stored: always the same ones for the same name. */
  async invent(digest: Digest, name: string): Promise<{ salt: Uint8Array; iterations: number }> {
    const seen = this.#seen.get(digest.name);
    const choice = await digest.hmac(this.#secret, encodeUtf8(`count ${name}`));
    const told = this.#counts[(choice[0] as number) % this.#counts.length] as number;
    const iterations = this.#told ? told : (seen?.iterations ?? told);
    return { salt: await this.#salt(digest, name, seen?.saltLength ?? 16), iterations };
  }

  async #salt(digest: Digest, name: string, length: number): Promise<Uint8Array> {
    let salt = await digest.hmac(this.#secret, encodeUtf8(`salt ${digest.name} ${name}`));
    // A stored salt may be longer than one digest.
    while (salt.length < length) salt = concatBytes(salt, await digest.hmac(this.#secret, salt));
    return salt.slice(0, length);
  }

  /** See `ServerContext.decoy`. */
  decoy(name: string, purpose: string): MaybePromise<Uint8Array> {
    return sha256.hmac(this.#secret, encodeUtf8(JSON.stringify(["decoy", purpose, name])));
  }

  /** Hash of the verifiers seen here, the first one; `undefined` when accounts keep passwords. */
  get usualHash(): string | undefined {
    return this.#seen.keys().next().value ?? (this.#told ? "SHA-256" : undefined);
  }
}
