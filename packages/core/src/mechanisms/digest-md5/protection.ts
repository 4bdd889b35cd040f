/**
 * What can protect a connection after DIGEST-MD5: nothing, integrity, or a cipher. Source: RFC 2831 §2.1.1, §2.1.2.
 *
 * @module
 */
import type { LayerBounds } from "../../layer.js";
import { greatestMaxbuf, leastMaxbuf } from "./messages.js";

/**
 * A cipher for `auth-conf`. All there are come from `sasl-core/legacy`; none is used unless it is named.
 */
export interface DigestCipher {
  /** As in RFC 2831 §2.1.1: `3des`. */
  readonly name: string;
  /** Its strength in bits. */
  readonly ssf: number;
  /** So many octets of H(A1) go into the key (§2.4). */
  readonly keyOctets: number;
  /** 8 for a block cipher, whose input is filled up; 1 for a stream cipher. */
  readonly blockOctets: number;
  /**
   * Makes one direction of a connection. What it returns changes octets where they stand, and goes on from one call to the
   * next as if all were one text.
   *
   * @param key Kcc or Kcs, 16 octets. Neither changed nor kept.
   */
  start(key: Uint8Array, direction: "encrypt" | "decrypt"): (octets: Uint8Array) => void;
}

/** One way to protect a connection. */
export interface Protection {
  readonly qop: "auth" | "auth-int" | "auth-conf";
  /** Set with `auth-conf`. */
  readonly cipher?: DigestCipher;
  readonly ssf: number;
}

/** What a connection allows, strongest first; nothing when it asks for more than there is (R-DIG-04). */
export function protections(bounds: LayerBounds, ciphers: readonly DigestCipher[]): Protection[] {
  const { minSsf, maxSsf } = bounds;
  const most = bounds.maxInput > leastMaxbuf ? maxSsf : 0; // a buffer must have room for its MAC
  const all: Protection[] = [
    { qop: "auth", ssf: 0 },
    { qop: "auth-int", ssf: 1 },
    ...ciphers.map((cipher): Protection => ({ qop: "auth-conf", cipher, ssf: cipher.ssf })),
  ];
  return all.filter(({ ssf }) => ssf >= minSsf && ssf <= most).sort((a, b) => b.ssf - a.ssf);
}

/** The strongest layer DIGEST-MD5 can bring with these ciphers, in bits. */
export function greatestSsf(ciphers: readonly DigestCipher[]): number {
  return Math.max(1, ...ciphers.map(({ ssf }) => ssf));
}

/** What to tell the peer about the buffers this side takes. */
export function maxbufFor({ maxInput }: LayerBounds): number {
  return Math.min(Math.floor(maxInput), greatestMaxbuf);
}
