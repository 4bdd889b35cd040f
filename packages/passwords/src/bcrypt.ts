/**
 * bcrypt as OpenBSD and PHP write it: `$2b$12$…`, also `$2a$` and `$2y$`. Source: Provos and Mazières, "A Future-Adaptable
 * Password Scheme", 1999; crypt_blowfish.
 *
 * The work is done on threads of libuv's pool.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { hash, verify } from "@node-rs/bcrypt";
import type { HashingScheme } from "sasl-core";
import { checkCost, checkOption, partsOf, withoutPrefix } from "./stored.js";

/** What a new hash costs, and what one from a record may cost. */
export interface BcryptOptions {
  /** Logarithm of the rounds, 4 to `maxCost`. Default 12. */
  readonly cost?: number | undefined;
  /** Records that ask for more fail: each step up doubles the time, and 15 is about a second. 4 to 31, default 15. */
  readonly maxCost?: number | undefined;
}

/** All of a password bcrypt looks at, in octets. */
const MAX_OCTETS = 72;
/** Salt of 16 octets and hash of 23, in a base64 of its own: of the last letter of each, the bits left over are zero. */
const notation = /^\$2[aby]\$(\d{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/;
const prefixes: readonly string[] = ["BLF-CRYPT", "CRYPT", "BCRYPT"];

/** bcrypt with costs of your own. @throws {RangeError} for options outside their ranges. */
export function bcryptWith(options: BcryptOptions): HashingScheme {
  const maxCost = checkOption("maxCost", options.maxCost ?? 15, 4, 31);
  const cost = checkOption("cost", options.cost ?? 12, 4, maxCost);
  return {
    name: "bcrypt",
    recognizes: (stored) => /^\$2[aby]\$/.test(withoutPrefix(stored, prefixes).slice(0, 4)),
    /** As the format has it: what comes after 72 octets does not count. A password with a NUL fits nothing. */
    async verify(password, stored) {
      const text = withoutPrefix(stored, prefixes);
      const [storedCost] = partsOf(notation, text, "bcrypt");
      checkCost("a cost", Number(storedCost), 4, maxCost);
      return (await verify(password, text)) && !password.includes("\0");
    },
    async hash(password) {
      if (password.includes("\0")) throw new RangeError("bcrypt takes no password with a NUL");
      if (Buffer.byteLength(password) > MAX_OCTETS) {
        throw new RangeError(
          `bcrypt looks at ${MAX_OCTETS} octets of a password at most: use argon2id for longer ones`,
        );
      }
      return hash(password, { cost });
    },
  };
}

/** bcrypt with cost 12. */
export const bcrypt: HashingScheme = bcryptWith({});
