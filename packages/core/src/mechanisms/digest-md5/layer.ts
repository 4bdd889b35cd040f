/**
 * The security layers of DIGEST-MD5: integrity, and confidentiality on top of it. Source: RFC 2831 §2.3, §2.4.
 *
 * @module
 */
import { fromOctetText, toOctetText } from "#runtime";
import { keyedMd5, md5OfText } from "#soft-digests";
import { SASLFailure } from "../../errors.js";
import { equalBytes } from "../../internal/bytes.js";
import { fromHex } from "../../internal/hex.js";
import { type BufferProtection, type SecurityLayer, securityLayer } from "../../layer.js";

import type { DigestCipher, Protection } from "./protection.js";

/** Whose keys protect what this side says. */
export type End = "client" | "server";

/** HMAC-MD5 of two parts, one after the other. */
type Mac = ReturnType<typeof keyedMd5>;

/** Octets of the HMAC that are sent; behind them are 2 of message type and 4 of sequence number (§2.3). */
const macOctets = 10;
const trailerOctets = 6;
const greatestSequence = 0xffff_ffff;

/** Keys of one direction. */
interface DirectionKeys {
  readonly signing: Uint8Array;
  /** Set with a cipher. */
  readonly sealing: Uint8Array | undefined;
}

/**
 * The layer one side puts on its connection.
 *
 * @param sessionKey H(A1), 32 hexadecimal digits.
 * @param peerMaxbuf longest protected buffer the peer takes.
 * @param ownMaxbuf longest one it was told that this side takes.
 * @returns nothing for `auth`.
 * @throws {SASLFailure} `limit-exceeded` where the peer's buffer has no room for a single octet.
 */
export function digestLayer(
  sessionKey: string,
  end: End,
  { qop, cipher, ssf }: Protection,
  peerMaxbuf: number,
  ownMaxbuf: number,
): SecurityLayer | undefined {
  if (qop === "auth") return undefined;
  const fromClient = directionKeys(sessionKey, "client-to-server", cipher);
  const fromServer = directionKeys(sessionKey, "server-to-client", cipher);
  const [own, peers] = end === "client" ? [fromClient, fromServer] : [fromServer, fromClient];
  const maxOutput = room(peerMaxbuf, cipher);
  if (maxOutput < 1) throw new SASLFailure("limit-exceeded", "the peer's buffers are too short for this cipher");
  return securityLayer({ ssf, maxOutput, maxInput: ownMaxbuf, ...buffers(own, peers, cipher) });
}

/** How single buffers are protected, from the first on. */
function buffers(
  own: DirectionKeys,
  peers: DirectionKeys,
  cipher: DigestCipher | undefined,
): Pick<BufferProtection, "wrap" | "unwrap"> {
  const signs = keyedMd5(own.signing);
  const verifies = keyedMd5(peers.signing);
  if (cipher === undefined || own.sealing === undefined || peers.sealing === undefined) {
    return integrity(signs, verifies);
  }
  const seal = cipher.start(own.sealing, "encrypt");
  const open = cipher.start(peers.sealing, "decrypt");
  return confidentiality(signs, verifies, seal, open, cipher.blockOctets);
}

/** §2.3: the plain text, and a MAC block behind it. */
function integrity(signs: Mac, verifies: Mac): Pick<BufferProtection, "wrap" | "unwrap"> {
  const sent = new Counter();
  const heard = new Counter();
  return {
    wrap(plain) {
      const number = sent.next();
      const block = new Uint8Array(macOctets + trailerOctets);
      block.set(signs(number, plain).subarray(0, macOctets));
      putTrailer(block, number);
      return [plain, block];
    },
    unwrap(buffer) {
      const end = buffer.length - macOctets - trailerOctets;
      if (end < 0) return undefined;
      const number = heard.next();
      const plain = buffer.subarray(0, end);
      const proof = verifies(number, plain).subarray(0, macOctets);
      const genuine = equalBytes(proof, buffer.subarray(end, end + macOctets));
      return hasTrailer(buffer, number) && genuine ? plain : undefined;
    },
  };
}

/** §2.4: plain text, padding and MAC encrypted; message type and sequence number in the clear behind them. */
function confidentiality(
  signs: Mac,
  verifies: Mac,
  seal: (octets: Uint8Array) => void,
  open: (octets: Uint8Array) => void,
  blockOctets: number,
): Pick<BufferProtection, "wrap" | "unwrap"> {
  const sent = new Counter();
  const heard = new Counter();
  return {
    wrap(plain) {
      const number = sent.next();
      const padding = blockOctets === 1 ? 0 : blockOctets - ((plain.length + macOctets) % blockOctets);
      const sealed = plain.length + padding + macOctets;
      const buffer = new Uint8Array(sealed + trailerOctets);
      buffer.set(plain);
      buffer.fill(padding, plain.length, plain.length + padding);
      buffer.set(signs(number, plain).subarray(0, macOctets), plain.length + padding);
      seal(buffer.subarray(0, sealed));
      putTrailer(buffer, number);
      return [buffer];
    },
    unwrap(buffer) {
      const sealed = buffer.length - trailerOctets;
      if (sealed < macOctets || sealed % blockOctets !== 0) return undefined;
      const number = heard.next();
      open(buffer.subarray(0, sealed));
      const end = sealed - macOctets;
      const padding = blockOctets === 1 ? 0 : paddingOf(buffer, end, blockOctets);
      // What is padded wrongly is verified all the same: the time taken must not tell one fault from another (R-DIG-15).
      const plain = buffer.subarray(0, end - Math.max(padding, 0));
      const proof = verifies(number, plain).subarray(0, macOctets);
      const genuine = equalBytes(proof, buffer.subarray(end, sealed));
      return hasTrailer(buffer, number) && padding >= 0 && genuine ? plain : undefined;
    },
  };
}

/** The padding in front of `end`: 1 to a whole block of octets, each holding their number; -1 when it is none. */
function paddingOf(buffer: Uint8Array, end: number, blockOctets: number): number {
  const padding = buffer[end - 1] ?? 0;
  if (padding < 1 || padding > blockOctets || padding > end) return -1;
  let difference = 0;
  for (let i = end - padding; i < end; i++) difference |= (buffer[i] as number) ^ padding;
  return difference === 0 ? padding : -1;
}

/** Message type 1 and the sequence number (§2.3). */
function putTrailer(buffer: Uint8Array, number: Uint8Array): void {
  const at = buffer.length - trailerOctets;
  buffer[at + 1] = 1;
  buffer.set(number, at + 2);
}

function hasTrailer(buffer: Uint8Array, number: Uint8Array): boolean {
  const at = buffer.length - trailerOctets;
  return buffer[at] === 0 && buffer[at + 1] === 1 && equalBytes(buffer.subarray(at + 2), number); // R-DIG-14
}

/** Sequence numbers of one direction, from 0, in network byte order. */
class Counter {
  readonly #octets: Uint8Array = new Uint8Array(4);
  #next = 0;

  /** The next one, in an array that the call after this writes over. */
  next(): Uint8Array {
    // A number that comes again would let old buffers in again.
    if (this.#next > greatestSequence) throw new SASLFailure("limit-exceeded", "no sequence number is left");
    const number = this.#next++;
    this.#octets[0] = number >>> 24;
    this.#octets[1] = number >>> 16;
    this.#octets[2] = number >>> 8;
    this.#octets[3] = number;
    return this.#octets;
  }
}

/** Most octets of plain text in a buffer of `maxbuf`: a block cipher fills up to whole blocks, with an octet at least. */
function room(maxbuf: number, cipher: DigestCipher | undefined): number {
  const blockOctets = cipher?.blockOctets ?? 1;
  const sealed = maxbuf - trailerOctets;
  return sealed - (sealed % blockOctets) - macOctets - (blockOctets === 1 ? 0 : 1);
}

/** Ki and Kc of one direction (§2.3, §2.4). */
export function directionKeys(
  sessionKey: string,
  direction: "client-to-server" | "server-to-client",
  cipher: DigestCipher | undefined,
): DirectionKeys {
  const key = toOctetText(fromHex(sessionKey) as Uint8Array);
  const derive = (from: string, text: string) => fromOctetText(md5OfText(from + text, "octets"));
  const beginning = key.slice(0, cipher?.keyOctets);
  return {
    signing: derive(key, `Digest session key to ${direction} signing key magic constant`),
    sealing: cipher && derive(beginning, `Digest H(A1) to ${direction} sealing key magic constant`),
  };
}
