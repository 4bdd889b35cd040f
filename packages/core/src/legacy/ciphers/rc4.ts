/**
 * RC4 with keys of 128, 56 and 40 bits. Broken: its output can be told from chance (RFC 7465). Source: RFC 6229 describes it.
 *
 * @module
 */
import type { DigestCipher } from "../../mechanisms/digest-md5/index.js";

/** RC4 with 128 bits, for servers that have nothing else. It hides little; use TLS. */
export const rc4: DigestCipher = /* @__PURE__ */ rc4With("rc4", 128, 16);
/** RC4 with 56 bits: anybody can try all keys. */
export const rc4_56: DigestCipher = /* @__PURE__ */ rc4With("rc4-56", 56, 7);
/** RC4 with 40 bits: anybody can try all keys at once. */
export const rc4_40: DigestCipher = /* @__PURE__ */ rc4With("rc4-40", 40, 5);

/** RFC 2831 §2.4: the key is always 16 octets; what makes it weak is what it is made from. */
function rc4With(name: string, ssf: number, keyOctets: number): DigestCipher {
  return { name, ssf, keyOctets, blockOctets: 1, start: keystream };
}

/** Both directions are the same: the stream is added to the text. */
function keystream(key: Uint8Array): (octets: Uint8Array) => void {
  const state = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (let i = 0, j = 0; i < 256; i++) {
    const swapped = state[i] as number;
    j = (j + swapped + (key[i % key.length] as number)) & 0xff;
    state[i] = state[j] as number;
    state[j] = swapped;
  }
  let x = 0;
  let y = 0;
  return (octets) => {
    let i = x;
    let j = y;
    for (let at = 0; at < octets.length; at++) {
      i = (i + 1) & 0xff;
      const a = state[i] as number;
      j = (j + a) & 0xff;
      const b = state[j] as number;
      state[i] = b;
      state[j] = a;
      octets[at] = (octets[at] as number) ^ (state[(a + b) & 0xff] as number);
    }
    x = i;
    y = j;
  };
}
