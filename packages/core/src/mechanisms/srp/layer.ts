/**
 * SRP's security layer: encryption, a sequence number, a MAC over both. Source: draft-burdis-cat-srp-sasl-08 §5.
 *
 * Buffers look as in the draft, or as in Cyrus SASL, which has no lengths in them, no padding, and takes the whole key for
 * the MAC. In both the key streams go on from buffer to buffer: begun anew, the second buffer would tell of the first.
 *
 * What the draft leaves open to whoever can change messages on the way: both directions have the same keys, so that a buffer
 * can come back to its sender as long as it is not encrypted; and the initial vectors are not part of the evidence, so that
 * both directions can be made to use one key stream. TLS below is what keeps such people off.
 *
 * @module
 */
import { aes128Ofb } from "#soft-ciphers";
import { SASLFailure } from "../../errors.js";
import { concatBytes, equalBytes } from "../../internal/bytes.js";
import { type LayerBounds, type SecurityLayer, securityLayer } from "../../layer.js";
import { chain } from "../../patience.js";
import type { Digest, MaybePromise } from "../../runtime/contract.js";
import type { StreamCipher } from "../../runtime/soft-ciphers-contract.js";
import { chainedMacs, type Mac, separateMacs } from "./cyrus-mac.js";
import { formatUint } from "./elements.js";
import type { SrpHash } from "./hashes.js";
import { type Protection, ssfOf } from "./options.js";

/** Octets of a block, and of an initial vector. */
export const blockOctets = 16;

/** The initial vectors of both directions; empty without encryption. */
export interface Vectors {
  /** What the server encrypts with. */
  readonly cIV: Uint8Array;
  /** What the client encrypts with: it uses what it received (§5.2). */
  readonly sIV: Uint8Array;
}

/**
 * The layer of one side.
 *
 * @param key K. Not kept, but parts of it are.
 * @param peerMaxBuffer longest buffer the peer takes.
 * @returns nothing where none was agreed on.
 * @throws {SASLFailure} `limit-exceeded` where the peer's buffers have no room for a single octet.
 */
export async function srpLayer(
  end: "client" | "server",
  protection: Protection,
  key: Uint8Array,
  { cIV, sIV }: Vectors,
  peerMaxBuffer: number,
  { maxInput }: LayerBounds,
): Promise<SecurityLayer | undefined> {
  const { integrity, confidentiality } = protection;
  if (integrity === undefined) return undefined;
  const { digest } = integrity;
  const [own, peers] = end === "client" ? [sIV, cIV] : [cIV, sIV];
  const cipher = (iv: Uint8Array) => (confidentiality ? aes128Ofb(keyOf(blockOctets, key), iv) : undefined);
  const macs = await macsOf(protection, key);
  const shape = { ...protection, digest };
  // A peer that names no limit is not sent more than this side takes.
  const maxOutput = room(Math.min(peerMaxBuffer, maxInput), shape);
  if (maxOutput < 1) throw new SASLFailure("limit-exceeded", "the peer takes buffers that are too short");
  return securityLayer({
    ssf: ssfOf(protection),
    maxOutput,
    maxInput,
    wrap: wrapping(shape, macs(), cipher(own)),
    unwrap: unwrapping(shape, macs(), cipher(peers)),
  });
}

async function macsOf({ integrity, bare }: Protection, key: Uint8Array): Promise<() => Mac> {
  if (bare) return chainedMacs(key);
  const { digest } = integrity as SrpHash;
  const own = keyOf(digest.size, key);
  return () => separateMacs(digest, own);
}

/** How buffers look. */
export interface Shape extends Pick<Protection, "replayDetection" | "bare"> {
  readonly digest: Digest;
  readonly confidentiality: boolean;
}

/** §5.1.2: the first octets of K, or where it is too short what AES makes of nothing but them (§5.1.1). */
export function keyOf(octets: number, key: Uint8Array): Uint8Array {
  if (key.length >= octets) return key.slice(0, octets);
  // T = aes(T), from zeros on: the key stream of OFB.
  return aes128Ofb(key.slice(0, blockOctets), new Uint8Array(blockOctets)).update(new Uint8Array(octets));
}

/** Octets of plain text that fit a buffer. */
function room(maxBuffer: number, { bare, confidentiality, digest }: Shape): number {
  const left = maxBuffer - digest.size - (bare ? 0 : elementOctets + 1);
  // At least one octet of padding, and the whole a multiple of a block (§5.2).
  return bare || !confidentiality ? left : Math.floor(left / blockOctets) * blockOctets - 1;
}

/** Length of `eos()` (§3.4). */
const elementOctets = 4;

/** §5.5, the sender's side. */
function wrapping(
  { bare, replayDetection }: Shape,
  mac: Mac,
  cipher: StreamCipher | undefined,
): (plain: Uint8Array) => MaybePromise<readonly Uint8Array[]> {
  let sequence = 0; // §6.3
  return (plain) => {
    const text = cipher ? cipher.update(bare ? plain : padded(plain)) : plain;
    const covered = replayDetection ? concatBytes(text, formatUint(sequence)) : text;
    sequence = next(sequence);
    return chain(mac(covered), (made) =>
      bare ? [text, made] : [formatUint(text.length), text, Uint8Array.of(made.length), made],
    );
  };
}

/** §5.5, the receiver's side. The buffer is written to: the number goes where the MAC was, so that nothing is copied. */
function unwrapping(
  { bare, replayDetection, digest }: Shape,
  mac: Mac,
  cipher: StreamCipher | undefined,
): (buffer: Uint8Array) => MaybePromise<Uint8Array | undefined> {
  let sequence = 0;
  const head = bare ? 0 : elementOctets;
  const tail = bare ? digest.size : 1 + digest.size;
  return (buffer) => {
    const end = buffer.length - tail;
    if (end < head) return undefined;
    if (!bare && !(uintAt(buffer, 0) === end - head && buffer[end] === digest.size)) return undefined;
    const given = buffer.slice(buffer.length - digest.size);
    if (replayDetection) buffer.set(formatUint(sequence), end); // a MAC is longer
    const covered = buffer.subarray(head, replayDetection ? end + 4 : end);
    return chain(mac(covered), (expected) => {
      if (!equalBytes(given, expected)) return undefined;
      sequence = next(sequence);
      const text = buffer.subarray(head, end);
      if (cipher === undefined) return text;
      const plain = cipher.update(text);
      return bare ? plain : unpadded(plain);
    });
  };
}

/** §6.3: "it wraps around and starts from zero again". */
function next(sequence: number): number {
  return (sequence + 1) >>> 0;
}

function uintAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

/** §5.2: at least one octet, each the number of all. */
function padded(plain: Uint8Array): Uint8Array {
  const count = blockOctets - (plain.length % blockOctets);
  return concatBytes(plain, new Uint8Array(count).fill(count));
}

/** Called when the MAC is verified: that padding is wrong tells nobody anything. */
function unpadded(plain: Uint8Array): Uint8Array | undefined {
  const count = plain[plain.length - 1] ?? 0;
  const end = plain.length - count;
  const sound = plain.length % blockOctets === 0 && count >= 1 && count <= blockOctets;
  return sound && plain.subarray(end).every((octet) => octet === count) ? plain.subarray(0, end) : undefined;
}
