/**
 * The three messages of DIGEST-MD5. Source: RFC 2831 §2.1.1 to §2.1.3.
 *
 * @module
 */
import { toOctetText } from "#runtime";
import { SASLFailure } from "../../errors.js";
import { type Directive, parseDirectives, quotedDirective } from "./directives.js";

/** What the server offers. Texts are octet text in the charset of the message. */
export interface Challenge {
  readonly realms: readonly string[];
  readonly nonce: string;
  /** Names in lower case, those nobody knows too. */
  readonly qop: readonly string[];
  readonly ciphers: readonly string[];
  readonly stale: boolean;
  /** Longest protected buffer the server takes. */
  readonly maxbuf: number;
  readonly utf8: boolean;
}

/** What the client answers. Texts are octet text: of an authzid always in UTF-8, else in the charset of the message. */
export interface Response {
  readonly username: string;
  readonly realm: string | undefined;
  readonly nonce: string;
  readonly cnonce: string;
  /** As it stands: 8 hexadecimal digits in lower case. */
  readonly nc: string;
  readonly qop: string;
  readonly digestUri: string;
  /** 32 hexadecimal digits in lower case. */
  readonly response: string;
  readonly maxbuf: number;
  readonly utf8: boolean;
  readonly cipher: string | undefined;
  readonly authzid: string | undefined;
}

/** RFC 2831 §2.1.1 and §2.1.2: what holds where no maxbuf is named. */
export const usualMaxbuf = 65_536;
/** Largest value of maxbuf (draft-ietf-sasl-rfc2831bis-12 §2.1.1). */
export const greatestMaxbuf = 0xff_ffff;
/** A maxbuf has to be larger: so much the MAC of an empty buffer takes (§2.3). */
export const leastMaxbuf = 16;

const challengeLimit = 2048;
const responseLimit = 4096;

export function formatChallenge(challenge: Challenge): string {
  const { realms, nonce, qop, ciphers, stale, maxbuf, utf8 } = challenge;
  const parts = [
    ...realms.map((realm) => quotedDirective("realm", realm)),
    quotedDirective("nonce", nonce),
    `qop="${qop.join(",")}"`,
  ];
  if (ciphers.length > 0) parts.push(`cipher="${ciphers.join(",")}"`);
  if (stale) parts.push("stale=true");
  if (maxbuf !== usualMaxbuf) parts.push(`maxbuf=${maxbuf}`);
  parts.push("algorithm=md5-sess");
  if (utf8) parts.push("charset=utf-8");
  return limited(parts.join(","), challengeLimit);
}

/** @throws {SASLFailure} `malformed-message`, `limit-exceeded`. */
export function parseChallenge(message: Uint8Array): Challenge {
  const directives = read(message, challengeLimit);
  const values = single(directives, challengeNames);
  if (required(values, "algorithm").toLowerCase() !== "md5-sess") throw malformed("an algorithm that is not md5-sess"); // R-DIG-01
  return {
    realms: directives.filter(([name]) => name === "realm").map(([, value]) => value),
    nonce: required(values, "nonce"),
    qop: listOf(values.get("qop") ?? "auth"), // R-DIG-03
    ciphers: listOf(values.get("cipher") ?? ""),
    stale: values.get("stale")?.toLowerCase() === "true",
    maxbuf: maxbufOf(values),
    utf8: isUtf8(values),
  };
}

export function formatResponse(response: Response): string {
  const { username, realm, nonce, cnonce, nc, digestUri, qop, cipher, maxbuf, authzid } = response;
  const parts = response.utf8 ? ["charset=utf-8"] : [];
  parts.push(quotedDirective("username", username));
  if (realm !== undefined) parts.push(quotedDirective("realm", realm));
  parts.push(quotedDirective("nonce", nonce), `nc=${nc}`, quotedDirective("cnonce", cnonce));
  parts.push(quotedDirective("digest-uri", digestUri), `response=${response.response}`, `qop=${qop}`);
  if (cipher !== undefined) parts.push(`cipher=${cipher}`);
  if (maxbuf !== usualMaxbuf) parts.push(`maxbuf=${maxbuf}`);
  if (authzid !== undefined) parts.push(quotedDirective("authzid", authzid));
  return limited(parts.join(","), responseLimit);
}

/** @throws {SASLFailure} `malformed-message`, `limit-exceeded`. */
export function parseResponse(message: Uint8Array): Response {
  const values = single(read(message, responseLimit), responseNames);
  const nc = required(values, "nc");
  if (!/^[0-9a-f]{8}$/.test(nc)) throw malformed("a nonce count that is not 8 digits");
  const authzid = values.get("authzid");
  if (authzid === "") throw malformed("an empty authzid"); // RFC 2831 §2.1.2
  return {
    username: required(values, "username"),
    realm: values.get("realm"),
    nonce: required(values, "nonce"),
    cnonce: required(values, "cnonce"),
    nc,
    qop: (values.get("qop") ?? "auth").toLowerCase(),
    digestUri: required(values, "digest-uri"),
    response: digestOf(values, "response"),
    maxbuf: maxbufOf(values),
    utf8: isUtf8(values),
    cipher: values.get("cipher")?.toLowerCase(),
    authzid,
  };
}

/** RFC 2831 §2.1.3. @param digest 32 hexadecimal digits. */
export function formatVerdict(digest: string): string {
  return `rspauth=${digest}`;
}

/**
 * What answers a response: 32 hexadecimal digits, or `undefined` for a message that has no rspauth and can only be a new
 * challenge (RFC 2831 §2.2.2).
 */
export function parseVerdict(message: Uint8Array): string | undefined {
  const values = single(read(message, challengeLimit), verdictNames);
  return values.has("rspauth") ? digestOf(values, "rspauth") : undefined;
}

const challengeNames: readonly string[] = ["nonce", "qop", "stale", "maxbuf", "charset", "algorithm", "cipher"];
const responseNames: readonly string[] = [
  "username",
  "realm",
  "nonce",
  "cnonce",
  "nc",
  "qop",
  "digest-uri",
  "response",
  "maxbuf",
  "charset",
  "cipher",
  "authzid",
];
const verdictNames: readonly string[] = ["rspauth"];

/** R-DIG-11: the length is looked at before anything else. */
function read(message: Uint8Array, limit: number): Directive[] {
  if (message.length >= limit) throw tooLong(limit);
  return parseDirectives(toOctetText(message));
}

function limited(message: string, limit: number): string {
  if (message.length >= limit) throw tooLong(limit);
  return message;
}

/** The directives one knows, none of them twice (R-DIG-01, R-DIG-02, R-DIG-05); all others are passed over (R-DIG-03). */
function single(directives: readonly Directive[], names: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of directives) {
    const { size } = values;
    values.set(name, value);
    if (values.size === size && names.includes(name)) throw malformed(`${name} twice`);
  }
  return values;
}

function required(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name);
  if (!value) throw malformed(`${name} missing`);
  return value;
}

/** R-DIG-08: all 32 digits, in lower case. */
function digestOf(values: ReadonlyMap<string, string>, name: string): string {
  const digest = required(values, name);
  if (!/^[0-9a-f]{32}$/.test(digest)) throw malformed(`${name} that is not 32 digits`);
  return digest;
}

function listOf(value: string): string[] {
  const elements = value.toLowerCase().split(",");
  return elements.map((each) => each.trim()).filter((each) => each !== ""); // RFC 2616 §2.1: LWS around each
}

/** R-DIG-16. */
function maxbufOf(values: ReadonlyMap<string, string>): number {
  const value = values.get("maxbuf");
  if (value === undefined) return usualMaxbuf;
  const octets = /^[0-9]{1,10}$/.test(value) ? Number(value) : 0;
  if (octets <= leastMaxbuf || octets > greatestMaxbuf) throw malformed("a maxbuf that cannot be");
  return octets;
}

function isUtf8(values: ReadonlyMap<string, string>): boolean {
  const charset = values.get("charset");
  if (charset === undefined) return false;
  if (charset.toLowerCase() !== "utf-8") throw malformed("a charset that is not utf-8"); // RFC 2831 §2.1.1
  return true;
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `DIGEST-MD5: ${what}`);
}

function tooLong(limit: number): SASLFailure {
  return new SASLFailure("limit-exceeded", `DIGEST-MD5: a message of ${limit} octets or more`);
}
