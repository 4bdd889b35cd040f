/**
 * The messages of OTP. Source: RFC 2444 §4; challenges and extended responses: RFC 2289 §6, RFC 2243 §2 to §4.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import { maxSequence, seedOf } from "./sequence.js";
import { readings } from "./words.js";

/** Whom a client names. */
export interface Identities {
  /** Empty: the same as `username`. */
  readonly authzid: string;
  readonly username: string;
}

/** What a server asks for. */
export interface OtpChallenge {
  /** As the server wrote it: `md5`, `sha1`, or one that is unknown here. */
  readonly hash: string;
  /** Number of the one-time password to answer with. */
  readonly sequence: number;
  /** 1 to 16 letters and digits, in lower case. */
  readonly seed: string;
}

/** What a client answers. */
export interface OtpResponse {
  /** Every way to read the one-time password; none when it is neither six words nor 16 digits. */
  readonly current: readonly Uint8Array[];
  /** Set when a new sequence is to begin: its parameters and first value, as far as they can be read. */
  readonly renewal?: { readonly parameters: OtpChallenge | undefined; readonly first: readonly Uint8Array[] };
}

const maxNameBytes = 255;
const nul = /* @__PURE__ */ new Uint8Array(1);

/** @throws {SASLFailure} `limit-exceeded` for a name over 255 octets. */
export function formatIdentities({ authzid, username }: Identities): Uint8Array {
  const [left, right] = [encodeUtf8(authzid), encodeUtf8(username)];
  checkName(left);
  checkName(right);
  return concatBytes(left, nul, right);
}

/** authzid NUL authcid (R-OTP-01). @throws {SASLFailure} */
export function parseIdentities(message: Uint8Array): Identities {
  const at = message.indexOf(0);
  if (at < 0 || message.indexOf(0, at + 1) >= 0)
    throw new SASLFailure("malformed-message", "not two names with one NUL");
  const [left, right] = [message.subarray(0, at), message.subarray(at + 1)];
  checkName(left);
  checkName(right);
  if (right.length === 0) throw new SASLFailure("malformed-message", "the user name is empty");
  return { authzid: decodeUtf8(left), username: decodeUtf8(right) };
}

function checkName(name: Uint8Array): void {
  if (name.length > maxNameBytes) throw new SASLFailure("limit-exceeded", "a name of more than 255 octets");
}

/** The challenge, which announces extended responses (R-OTP-02). */
export function formatChallenge({ hash, sequence, seed }: OtpChallenge): string {
  return `otp-${hash} ${sequence} ${seed} ext`;
}

const challenge = /^[ \t]*otp-([!-~]{1,32})[ \t]+([0-9]{1,9})[ \t]+([A-Za-z0-9]{1,16})[ \t]+ext(?:,[!-~]*)?[ \t\r\n]*$/;

/**
 * Reads a challenge. One without `ext` is none here: RFC 2444 §3.
 *
 * @throws {SASLFailure} `malformed-message`; `limit-exceeded` for a sequence number nobody would want to compute.
 */
export function parseChallenge(text: string): OtpChallenge {
  const [, hash, digits, seed] = challenge.exec(text) ?? [];
  if (!hash || !digits || !seed) throw new SASLFailure("malformed-message", "not an extended challenge");
  const sequence = Number(digits);
  if (sequence > maxSequence) throw new SASLFailure("limit-exceeded", `a sequence number over ${maxSequence}`);
  return { hash, sequence, seed: seed.toLowerCase() };
}

/** An answer with a type before its fields: `hex:…`, `init-word:…:md5 499 ke1235:…` (RFC 2243 §3, §4). */
export function formatResponse(type: "hex" | "word", ...fields: readonly [string, string?, string?]): string {
  return `${fields.length > 1 ? "init-" : ""}${type}:${fields.join(":")}`;
}

/** The parameters of a new sequence, as in a challenge (RFC 2243 §4.1). */
export function formatParameters({ hash, sequence, seed }: OtpChallenge): string {
  return `${hash} ${sequence} ${seed}`;
}

/**
 * Reads an answer. What is said in words may be meant as digits and the other way round, whatever the type says.
 *
 * @throws {SASLFailure} `malformed-message` for a type or a number of fields that does not exist.
 */
export function parseResponse(text: string): OtpResponse {
  const [type, current, parameters, first, ...more] = text.split(":", 5) as [string, string?, string?, string?];
  const known = /^\s*(init-)?(?:hex|word)\s*$/i.exec(type); // RFC 2243 §2.2: in any case
  if (known === null || current === undefined || more.length > 0) {
    throw new SASLFailure("malformed-message", "not an extended response of a known type");
  }
  if (known[1] === undefined) {
    if (parameters !== undefined)
      throw new SASLFailure("malformed-message", "an extended response with a field too many");
    return { current: readings(current) };
  }
  return {
    current: readings(current),
    renewal: { parameters: parseParameters(parameters ?? ""), first: readings(first ?? "") },
  };
}

function parseParameters(text: string): OtpChallenge | undefined {
  const [hash, digits, seed, ...more] = text.trim().split(/[ \t]+/, 4) as [string, string?, string?];
  const lower = seedOf(seed ?? "");
  if (!lower || more.length > 0 || !/^[0-9]{1,9}$/.test(digits ?? "")) return undefined;
  return { hash, sequence: Number(digits), seed: lower };
}
