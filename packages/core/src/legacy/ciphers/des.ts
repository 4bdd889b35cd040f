/**
 * DES and Triple DES with two keys, in CBC mode, as DIGEST-MD5 keys them. Needs the package `des.js`. Source: RFC 2831 §2.4;
 * FIPS 46-3, FIPS 81.
 *
 * @module
 */
import des from "des.js";
import type { DigestCipher } from "../../mechanisms/digest-md5/index.js";

/** Triple DES with two keys, 112 bits: the strongest DIGEST-MD5 has. It wears out after some 32 GB (Sweet32). */
export const tripleDes: DigestCipher = {
  name: "3des",
  ssf: 112,
  keyOctets: 16,
  blockOctets: 8,
  start(key, direction) {
    const [first, second] = [desKey(key.subarray(0, 7)), desKey(key.subarray(7, 14))];
    return chained(des.CBC.instantiate(des.EDE), [...first, ...second, ...first], key, direction);
  },
};

/** DES with 56 bits: anybody can try all keys. */
export const singleDes: DigestCipher = {
  name: "des",
  ssf: 56,
  keyOctets: 16,
  blockOctets: 8,
  start: (key, direction) => chained(des.CBC.instantiate(des.DES), desKey(key.subarray(0, 7)), key, direction),
};

/** RFC 2831 §2.4: the last 8 octets are the first initialization vector; later ones are the last block before (CBC runs on). */
function chained(
  cipher: ReturnType<typeof des.CBC.instantiate>,
  desKeys: number[],
  key: Uint8Array,
  type: "encrypt" | "decrypt",
): (octets: Uint8Array) => void {
  const running = cipher.create({ type, key: desKeys, iv: [...key.subarray(8, 16)], padding: false });
  return (octets) => octets.set(running.final(octets));
}

/**
 * 56 bits as DES takes them: 7 in each of 8 octets, and a parity bit below that makes the number of ones odd.
 *
 * @param bits 7 octets.
 */
function desKey(bits: Uint8Array): number[] {
  const at = (i: number) => bits[i] ?? 0;
  return Array.from({ length: 8 }, (_, i) => {
    const seven = (((at(i - 1) << 8) | at(i)) >> (i + 1)) & 0x7f; // bits 7i to 7i+6
    let ones = 0;
    for (let rest = seven; rest > 0; rest >>= 1) ones += rest & 1;
    return (seven << 1) | (ones % 2 === 0 ? 1 : 0);
  });
}
