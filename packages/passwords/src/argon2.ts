/**
 * Argon2 (RFC 9106) in the notation of its reference implementation: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
 *
 * The work is done on threads of libuv's pool: at most four at a time unless `UV_THREADPOOL_SIZE` says otherwise.
 *
 * @module
 */
import { type Algorithm, hash, verify } from "@node-rs/argon2";
import type { HashingScheme, PasswordScheme } from "sasl-core";
import { checkCost, checkOption, checkUnpaddedBase64, partsOf, withoutPrefix } from "./stored.js";

/** What a new hash costs, and what one from a record may cost. */
export interface Argon2Options {
  /** Memory in KiB: 8 times `parallelism` to `maxMemoryKiB`. Default 19,456 (19 MiB), what OWASP recommends with 2 passes. */
  readonly memoryKiB?: number | undefined;
  /** Passes over the memory: 1 to `maxPasses`. Default 2. */
  readonly passes?: number | undefined;
  /** Lanes: 1 to `maxParallelism`. Default 1. */
  readonly parallelism?: number | undefined;
  /** Records that ask for more fail. Each login under way takes this much at worst. Default 262,144 (256 MiB). */
  readonly maxMemoryKiB?: number | undefined;
  /** Records that ask for more fail. Default 16. */
  readonly maxPasses?: number | undefined;
  /** Records that ask for more fail. Default 16. */
  readonly maxParallelism?: number | undefined;
}

interface Limits {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

const defaultLimits: Limits = { memoryKiB: 262_144, passes: 16, parallelism: 16 };
const MAX_U32 = 0xffff_ffff;

/** Argon2id with costs of your own. @throws {RangeError} for options outside their ranges. */
export function argon2idWith(options: Argon2Options): HashingScheme {
  const limits: Limits = {
    memoryKiB: checkOption("maxMemoryKiB", options.maxMemoryKiB ?? defaultLimits.memoryKiB, 8, MAX_U32),
    passes: checkOption("maxPasses", options.maxPasses ?? defaultLimits.passes, 1, MAX_U32),
    parallelism: checkOption("maxParallelism", options.maxParallelism ?? defaultLimits.parallelism, 1, 255),
  };
  const parallelism = checkOption("parallelism", options.parallelism ?? 1, 1, limits.parallelism);
  const memoryCost = checkOption("memoryKiB", options.memoryKiB ?? 19_456, 8 * parallelism, limits.memoryKiB);
  const timeCost = checkOption("passes", options.passes ?? 2, 1, limits.passes);
  return {
    ...schemeFor("argon2id", ["ARGON2ID", "ARGON2"], limits),
    hash: (password) => hash(password, { algorithm: ARGON2ID, memoryCost, timeCost, parallelism }),
  };
}

/** The number behind `Algorithm.Argon2id`, which has no value at run time. */
const ARGON2ID = 2 satisfies Algorithm.Argon2id as Algorithm;

/** Argon2id with the costs OWASP recommends: 19 MiB, 2 passes, 1 lane. */
export const argon2id: HashingScheme = argon2idWith({});

/** Argon2i, for imported accounts. */
export const argon2i: PasswordScheme = schemeFor("argon2i", ["ARGON2I", "ARGON2"], defaultLimits);

function schemeFor(name: "argon2id" | "argon2i", prefixes: readonly string[], limits: Limits): PasswordScheme {
  const pattern =
    name === "argon2id"
      ? /^\$argon2id(?:\$v=(?:16|19))?\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,172})$/
      : /^\$argon2i(?:\$v=(?:16|19))?\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,172})$/;
  return {
    name,
    recognizes: (stored) => withoutPrefix(stored, prefixes).startsWith(`$${name}$`),
    async verify(password, stored) {
      const text = withoutPrefix(stored, prefixes);
      const parts = partsOf(pattern, text, name);
      const [memoryKiB, passes, parallelism] = parts.map(Number);
      checkUnpaddedBase64(parts.slice(3), name);
      checkCost("lanes", parallelism ?? 0, 1, limits.parallelism);
      checkCost("memory (KiB)", memoryKiB ?? 0, 8 * (parallelism ?? 0), limits.memoryKiB);
      checkCost("passes", passes ?? 0, 1, limits.passes);
      return verify(text, password);
    },
  };
}
