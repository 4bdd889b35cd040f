/**
 * Keeps derived SCRAM keys from one login to the next, so that PBKDF2 runs once for each password, salt and count.
 *
 * @module
 */
import type { HeldScramKeys, ScramKeys } from "./credentials.js";
import type { SASLErrorCode } from "./errors.js";
import { equalBytes } from "./internal/bytes.js";
import type { ClientContext } from "./mechanism.js";
import type { Digest } from "./runtime/contract.js";

/** What a mechanism asks the cache for. */
export interface ScramKeyRequest {
  readonly digest: Digest;
  readonly username: string;
  /** UTF-8 octets after preparation, wiped afterwards; `undefined` where there is none, and kept keys alone can log in. */
  readonly password: Uint8Array | undefined;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** Derives the keys, where there is a password. */
  readonly derive: (() => Promise<ScramKeys>) | undefined;
}

/**
 * What `keyCache` can be: {@link ScramKeyCache}, `browserKeyCache()` of `sasl-core/browser`, or one of your own, which keeps
 * to three rules. Keys are for exactly this server, user, hash, salt and count (R-SCRAM-28). Another password than the one
 * they were made from never logs in with them. Whether they are kept is decided when the exchange has ended (R-GEN-12): new
 * ones after success alone, which is a verified server's; older ones unless somebody {@link judged} them.
 */
export interface ScramKeyStore {
  /** @returns `undefined` when there are none, and no password to derive them from. */
  keysFor(ctx: ClientContext, request: ScramKeyRequest): Promise<ScramKeys | HeldScramKeys | undefined>;
}

/** Keys of one user at one server, and what tells the password they were made from. */
interface Entry {
  readonly keys: ScramKeys;
  readonly fingerprint: Uint8Array;
}

/**
 * Bounded and owned by the application: make one, pass it as `keyCache`, drop it or `clear()` it when the user leaves.
 * Entries appear only after the server was verified, and leave when a login with them is refused or does not verify the
 * server; a lost connection takes none away. The oldest leave first.
 */
export class ScramKeyCache implements ScramKeyStore {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  /** Key of this cache alone: a fingerprint made with it says nothing about a password elsewhere. */
  #pepper: Uint8Array | undefined;

  /** @param options `maxEntries` at least 1, default 16. */
  constructor(options: { readonly maxEntries?: number } = {}) {
    const { maxEntries = 16 } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  async keysFor(ctx: ClientContext, request: ScramKeyRequest): Promise<ScramKeys | undefined> {
    const { digest, username, password, salt, iterations } = request;
    this.#pepper ??= ctx.random(32);
    const id = JSON.stringify([ctx.host ?? null, username, digest.name]);
    const held = this.#entries.get(id);
    const fingerprint = password ? await ctx.hmac(digest, this.#pepper, password) : held?.fingerprint;
    const usable =
      held && fingerprint && equalBytes(held.fingerprint, fingerprint) && fits(held.keys, digest, salt, iterations);
    const keys = usable ? held.keys : await request.derive?.();
    ctx.ended((ok, error) => {
      if (ok || (usable && judged(error))) this.#entries.delete(id); // the latest used go to the end
      if (ok && keys && fingerprint) this.#keep(id, { keys, fingerprint });
    });
    return keys;
  }

  #keep(id: string, entry: Entry): void {
    this.#entries.set(id, entry);
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

const undecided: readonly unknown[] = [
  "connection-lost",
  "timed-out",
  "aborted",
  "temporary",
] satisfies SASLErrorCode[];

/**
 * Whether the failure of a login says something about keys that an earlier login verified: all do, but that the connection was
 * lost, time was up, one side gave up, or the server could not judge now.
 */
export function judged(error: unknown): boolean {
  return !undecided.includes((error as { readonly code?: unknown } | undefined)?.code);
}

/** Whether keys belong to what a server named in its first message. Keys of the wrong size or hash fit nothing. */
export function fits(
  keys: ScramKeys | HeldScramKeys | "cached",
  { name, size }: Digest,
  salt: Uint8Array,
  iterations: number,
): keys is ScramKeys | HeldScramKeys {
  const kept = keys as ScramKeys | HeldScramKeys; // or a word, which has no hash
  return (
    kept.hash === name &&
    kept.iterations === iterations &&
    equalBytes(kept.salt, salt) &&
    [kept.saltedPassword ?? kept.clientKey, kept.storedKey ?? kept.serverKey, kept.serverKey].every((key) =>
      "hmac" in key ? key.hash === name : key.length === size,
    )
  );
}
