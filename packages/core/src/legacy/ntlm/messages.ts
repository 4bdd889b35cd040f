/**
 * The three messages of NTLM. Each is a fixed part with places that say where in the message a value lies, and the values.
 * Source: MS-NLMP §2.2.1; numbers are little-endian.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { type AvPairs, formatAvPairs, parseAvPairs } from "./av-pairs.js";
import { decodeUtf16, encodeUtf16 } from "./utf16.js";

/** Negotiate flags (MS-NLMP §2.2.2.5), as far as they are said or heard here. */
export const flag = {
  unicode: 0x1,
  oem: 0x2,
  requestTarget: 0x4,
  ntlm: 0x200,
  alwaysSign: 0x8000,
  targetTypeServer: 0x20000,
  extendedSessionSecurity: 0x80000,
  targetInfo: 0x800000,
} as const;

/** NEGOTIATE_MESSAGE: what the client can do. */
export interface NegotiateMessage {
  readonly flags: number;
}

/** CHALLENGE_MESSAGE. */
export interface ChallengeMessage {
  readonly flags: number;
  readonly targetName: string;
  /** 8 octets. */
  readonly serverChallenge: Uint8Array;
  /** `undefined` when there is none. */
  readonly targetInfo: AvPairs | undefined;
}

/** AUTHENTICATE_MESSAGE, without a session key: nothing is signed or sealed here. */
export interface AuthenticateMessage {
  readonly flags: number;
  readonly domain: string;
  readonly user: string;
  readonly workstation: string;
  readonly lmAnswer: Uint8Array;
  readonly ntAnswer: Uint8Array;
}

const signature = /* @__PURE__ */ Uint8Array.of(0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0); // NTLMSSP NUL

/** Octets up to the values, by the number of the message; the version and the integrity code need not be there. */
const fixedParts = { 1: 32, 2: 48, 3: 64 } as const;
/** Where the values begin in what is written here, whose version field is zero. */
const payloadAt = { 1: 40, 2: 56, 3: 88 } as const;
const micAt = 72;
const micOctets = 16;

type MessageType = keyof typeof fixedParts;

/** @throws {SASLFailure} `malformed-message`. */
export function parseNegotiate(bytes: Uint8Array): NegotiateMessage {
  const view = open(bytes, 1);
  securityBuffer(bytes, 16); // names of domain and workstation, in which nobody is interested
  securityBuffer(bytes, 24);
  return { flags: view.getUint32(12, true) };
}

export function formatNegotiate({ flags }: NegotiateMessage): Uint8Array {
  const { view, finish } = begin(1);
  view.setUint32(12, flags, true);
  return finish([
    [16, nothing],
    [24, nothing],
  ]);
}

/** @throws {SASLFailure} `malformed-message`, `incorrect-encoding`. */
export function parseChallenge(bytes: Uint8Array): ChallengeMessage {
  const view = open(bytes, 2);
  const flags = view.getUint32(20, true);
  const targetInfo = securityBuffer(bytes, 40);
  return {
    flags,
    targetName: decodeText(securityBuffer(bytes, 12), flags),
    serverChallenge: bytes.subarray(24, 32),
    targetInfo: flags & flag.targetInfo || targetInfo.length > 0 ? parseAvPairs(targetInfo) : undefined,
  };
}

export function formatChallenge({ flags, targetName, serverChallenge, targetInfo }: ChallengeMessage): Uint8Array {
  const { bytes, view, finish } = begin(2);
  view.setUint32(20, flags, true);
  bytes.set(serverChallenge, 24);
  return finish([
    [12, encodeText(targetName, flags)],
    [40, targetInfo ? formatAvPairs(targetInfo) : nothing],
  ]);
}

/** @throws {SASLFailure} `malformed-message`, `incorrect-encoding`. */
export function parseAuthenticate(bytes: Uint8Array): AuthenticateMessage {
  const flags = open(bytes, 3).getUint32(60, true);
  const [lmAnswer, ntAnswer] = [securityBuffer(bytes, 12), securityBuffer(bytes, 20)];
  const [domain, user, workstation] = [28, 36, 44].map((at) => decodeText(securityBuffer(bytes, at), flags));
  securityBuffer(bytes, 52); // a session key would be for signing
  return { flags, domain, user, workstation, lmAnswer, ntAnswer } as AuthenticateMessage;
}

/** Writes the message with an integrity code of zeros, whose place {@link withMic} fills. */
export function formatAuthenticate(message: AuthenticateMessage): Uint8Array {
  const { flags, domain, user, workstation, lmAnswer, ntAnswer } = message;
  const { view, finish } = begin(3);
  view.setUint32(60, flags, true);
  return finish([
    [28, encodeText(domain, flags)],
    [36, encodeText(user, flags)],
    [44, encodeText(workstation, flags)],
    [12, lmAnswer],
    [20, ntAnswer],
    [52, nothing],
  ]);
}

/** The integrity code of an AUTHENTICATE_MESSAGE. @throws {SASLFailure} `malformed-message` where there is no place for it. */
export function micOf(message: Uint8Array): Uint8Array {
  if (message.length < micAt + micOctets) throw malformed("an integrity code that is not there");
  return message.subarray(micAt, micAt + micOctets);
}

/** A copy with this integrity code; it is computed over the message with 16 zeros (MS-NLMP §3.1.5.1.2). */
export function withMic(message: Uint8Array, mic: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(message);
  copy.set(mic, micAt);
  return copy;
}

const nothing = /* @__PURE__ */ new Uint8Array(0);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function open(bytes: Uint8Array, type: MessageType): DataView {
  if (bytes.length < fixedParts[type]) throw malformed("less than its fixed part"); // R-NTLM-01
  const view = viewOf(bytes);
  if (signature.some((octet, i) => octet !== bytes[i]) || view.getUint32(8, true) !== type) {
    throw malformed(`another message than number ${type}`);
  }
  return view;
}

/** R-NTLM-01: length, place for a longer one, offset. Numbers here do not wrap at 32 bits. */
function securityBuffer(bytes: Uint8Array, at: number): Uint8Array {
  const view = viewOf(bytes);
  const length = view.getUint16(at, true);
  const offset = view.getUint32(at + 4, true);
  if (offset + length > bytes.length) throw malformed("a value that is not inside it");
  return bytes.subarray(offset, offset + length);
}

/** An empty message of a type, and what puts values behind it, each with the place in the fixed part that says where it is. */
function begin(type: MessageType): {
  bytes: Uint8Array;
  view: DataView;
  finish(values: readonly (readonly [at: number, value: Uint8Array])[]): Uint8Array;
} {
  const bytes = new Uint8Array(payloadAt[type]);
  const view = viewOf(bytes);
  bytes.set(signature);
  view.setUint32(8, type, true);
  return {
    bytes,
    view,
    finish(values) {
      let offset = bytes.length;
      for (const [at, { length }] of values) {
        if (length > 0xffff) throw new SASLFailure("limit-exceeded", "a value of an NTLM message is too long");
        view.setUint16(at, length, true);
        view.setUint16(at + 2, length, true);
        view.setUint32(at + 4, offset, true);
        offset += length;
      }
      return concatBytes(bytes, ...values.map(([, value]) => value));
    },
  };
}

/** Text is UTF-16 where both sides can, and else in the OEM character set, of which ASCII is the part that all of them share. */
function decodeText(bytes: Uint8Array, flags: number): string {
  if (flags & flag.unicode) return decodeUtf16(bytes);
  if (bytes.some((octet) => octet > 0x7e)) throw new SASLFailure("incorrect-encoding", "NTLM text that is not ASCII");
  return String.fromCharCode(...bytes);
}

function encodeText(text: string, flags: number): Uint8Array {
  if (flags & flag.unicode) return encodeUtf16(text);
  return Uint8Array.from(text, (each) => (each <= "\x7e" ? each.charCodeAt(0) : 0x3f)); // a name to look at, with ?
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `NTLM message with ${what}`);
}
