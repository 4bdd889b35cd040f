/**
 * What each side says about itself in NTLM: a list of attributes with their values. Source: MS-NLMP §2.2.2.1.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";

/** Numbers of the attributes that are looked at here. */
export const av = {
  eol: 0,
  nbComputerName: 1,
  nbDomainName: 2,
  dnsComputerName: 3,
  flags: 6,
  timestamp: 7,
  targetName: 9,
  channelBindings: 10,
} as const;

/** Bit of MsvAvFlags: the client's last message has an integrity code. */
export const micProvided = 2;

/** Values by attribute, in the order of the wire, without the end of the list. */
export type AvPairs = ReadonlyMap<number, Uint8Array>;

/** Attributes whose values have one length alone. */
const sizes: ReadonlyMap<number, number> = /* @__PURE__ */ new Map<number, number>([
  [av.flags, 4],
  [av.timestamp, 8],
  [av.channelBindings, 16],
]);

/**
 * Reads a list; what follows its end is not looked at.
 *
 * @param bytes untrusted. The values are parts of it.
 * @throws {SASLFailure} `malformed-message` for a list without an end, an attribute that is there twice, or a wrong length.
 */
export function parseAvPairs(bytes: Uint8Array): AvPairs {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pairs = new Map<number, Uint8Array>();
  for (let at = 0; ; ) {
    if (at + 4 > bytes.length) throw malformed("without an end");
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length) throw malformed("with a value beyond its end");
    if (id === av.eol) return pairs;
    const value = bytes.subarray(at + 4, end);
    if (pairs.has(id)) throw malformed("with an attribute twice");
    if (value.length !== (sizes.get(id) ?? value.length)) throw malformed("with a value of the wrong length");
    pairs.set(id, value);
    at = end;
  }
}

/** Writes a list with its end. @throws {SASLFailure} `limit-exceeded` for a value longer than 65535 octets. */
export function formatAvPairs(pairs: AvPairs): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [id, value] of pairs) {
    if (value.length > 0xffff) throw new SASLFailure("limit-exceeded", "an attribute of NTLM is too long");
    parts.push(Uint8Array.of(id, id >>> 8, value.length, value.length >>> 8), value);
  }
  return concatBytes(...parts, new Uint8Array(4));
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `NTLM attributes ${what}`);
}
