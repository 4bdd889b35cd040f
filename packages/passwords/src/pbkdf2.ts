/**
 * PBKDF2 (RFC 8018 §5.2) in the notations of Django, passlib, OpenLDAP's pw-pbkdf2 and Dovecot, for imported accounts.
 *
 * The work is done on threads of libuv's pool.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { pbkdf2 as derive, timingSafeEqual } from "node:crypto";
import type { PasswordScheme } from "sasl-core";
import { checkCost, partsOf, StoredHashError } from "./stored.js";

/** What a notation says. */
interface Record {
  readonly algorithm: string;
  readonly rounds: string;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** One notation: its first characters, its form, and what its groups mean. */
interface Notation {
  readonly start: RegExp;
  readonly pattern: RegExp;
  read(groups: readonly string[]): Record;
}

const MAX_ROUNDS = 2_000_000;
const digestOctets: ReadonlyMap<string, number> = new Map([
  ["sha1", 20],
  ["sha256", 32],
  ["sha512", 64],
]);
/** Octets of a key: shorter ones are guessed, longer ones cost a derivation for each digest. */
const MIN_KEY_OCTETS = 16;
const MAX_KEY_OCTETS = 128;

const notations: readonly Notation[] = [
  {
    // Django: pbkdf2_sha256$1000000$salt$base64
    start: /^pbkdf2_sha(?:1|256)\$/,
    pattern: /^pbkdf2_(sha(?:1|256))\$([1-9]\d{0,8})\$([!-#%-~]{1,128})\$([A-Za-z0-9+/]+={0,2})$/,
    read: ([algorithm = "", rounds = "", salt = "", key = ""]) => {
      return { algorithm, rounds, salt: Buffer.from(salt), key: base64(key) };
    },
  },
  {
    // Dovecot: {PBKDF2}$1$salt$5000$hex
    start: /^\{PBKDF2\}\$1\$/i,
    pattern: /^\{PBKDF2\}\$1\$([!-#%-~]{1,128})\$([1-9]\d{0,8})\$((?:[0-9a-f]{2})+)$/i,
    read: ([salt = "", rounds = "", key = ""]) => {
      return { algorithm: "sha1", rounds, salt: Buffer.from(salt), key: Buffer.from(key, "hex") };
    },
  },
  {
    // passlib: $pbkdf2-sha256$29000$salt$key; OpenLDAP: {PBKDF2-SHA256}60000$salt$key
    start: /^(?:\$pbkdf2(?:-sha(?:1|256|512))?\$|\{PBKDF2(?:-SHA(?:1|256|512))?\})/i,
    pattern:
      /^(?:\$pbkdf2(?:-(sha(?:1|256|512)))?\$|\{PBKDF2(?:-(SHA(?:1|256|512)))?\})([1-9]\d{0,8})\$([A-Za-z0-9./]+)\$([A-Za-z0-9./]+)$/i,
    read: ([passlib = "", openldap = "", rounds = "", salt = "", key = ""]) => {
      const algorithm = (passlib || openldap || "sha1").toLowerCase();
      return { algorithm, rounds, salt: adapted(salt), key: adapted(key) };
    },
  },
];

/** PBKDF2 with SHA-1, SHA-256 and, but in Django, SHA-512. */
export const pbkdf2: PasswordScheme = {
  name: "pbkdf2",
  recognizes: (stored) => notations.some(({ start }) => start.test(stored.slice(0, 32))),
  async verify(password, stored) {
    const notation = notations.find(({ start }) => start.test(stored.slice(0, 32)));
    if (notation === undefined)
      throw new StoredHashError("malformed", "the stored hash is not in a notation of pbkdf2");
    const { algorithm, rounds, salt, key } = notation.read(partsOf(notation.pattern, stored, "pbkdf2"));
    if (key.length < MIN_KEY_OCTETS || key.length > MAX_KEY_OCTETS) {
      throw new StoredHashError("malformed", `the stored key is not ${MIN_KEY_OCTETS} to ${MAX_KEY_OCTETS} octets`);
    }
    // RFC 8018 §5.2: each block of the key takes all rounds.
    const blocks = Math.ceil(key.length / (digestOctets.get(algorithm) ?? 1));
    checkCost("rounds, for all blocks of its key,", Number(rounds) * blocks, 1, MAX_ROUNDS);
    const derived = await new Promise<Buffer>((resolve, reject) => {
      derive(password, salt, Number(rounds), key.length, algorithm, (error, octets) => {
        if (error === null) resolve(octets);
        else reject(error);
      });
    });
    return timingSafeEqual(derived, key);
  },
};

function base64(text: string): Buffer {
  const octets = Buffer.from(text, "base64");
  if (octets.toString("base64") !== text) throw new StoredHashError("malformed", "the stored key is not base64");
  return octets;
}

/** Base64 with `.` for `+` and without padding. */
function adapted(text: string): Buffer {
  const standard = text.replaceAll(".", "+");
  return base64(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="));
}
