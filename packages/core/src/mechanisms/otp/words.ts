/**
 * One-time passwords as people write them: six short words, or hexadecimal digits. Source: RFC 2289 §6, appendix D.
 *
 * @module
 */
import { fromHex, toHex } from "../../internal/hex.js";
import { longWords, shortWords } from "./word-tables.js";

/** Octets of a one-time password (RFC 2289 §6). */
export const otpSize = 8;

const shortCount = 571;

/**
 * Six words in upper case with single spaces: 64 bits and their checksum.
 *
 * @param value 8 octets.
 */
export function formatWords(value: Uint8Array): string {
  const bits = (bitsOf(value) << 2n) | checksum(value);
  return Array.from({ length: 6 }, (_, i) => wordAt(Number((bits >> BigInt(55 - 11 * i)) & 0x7ffn))).join(" ");
}

/**
 * What six words say, in any case and with any white space between them.
 *
 * @returns 8 octets; `undefined` for anything but six words of the dictionary whose checksum is right.
 */
export function parseWords(text: string): Uint8Array | undefined {
  const words = text.trim().split(/\s+/, 7);
  if (words.length !== 6) return undefined;
  let bits = 0n;
  for (const word of words) {
    const index = indexOf(word);
    if (index === undefined) return undefined;
    bits = (bits << 11n) | BigInt(index);
  }
  const value = new Uint8Array(otpSize);
  new DataView(value.buffer).setBigUint64(0, bits >> 2n);
  return (bits & 3n) === checksum(value) ? value : undefined;
}

/** 16 lower-case digits without white space. */
export const formatHex: (value: Uint8Array) => string = toHex;

/** What 16 digits say, in any case and with white space anywhere. @returns 8 octets, or `undefined`. */
export function parseHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, "");
  return digits.length === 2 * otpSize ? fromHex(digits.toLowerCase()) : undefined;
}

/** Every way to read what somebody wrote: as words first, then as digits, since some words are digits too (RFC 2289 §6). */
export function readings(text: string): readonly Uint8Array[] {
  return [parseWords(text), parseHex(text)].filter((value) => value !== undefined);
}

/** The pairs of bits, added up (RFC 2289 §6). */
function checksum(value: Uint8Array): bigint {
  let sum = 0;
  for (const octet of value) sum += (octet >> 6) + ((octet >> 4) & 3) + ((octet >> 2) & 3) + (octet & 3);
  return BigInt(sum & 3);
}

function bitsOf(value: Uint8Array): bigint {
  return new DataView(value.buffer, value.byteOffset, otpSize).getBigUint64(0);
}

function wordAt(index: number): string {
  if (index < shortCount) return shortWords.slice(3 * index, 3 * index + 3).trimEnd();
  const at = 4 * (index - shortCount);
  return longWords.slice(at, at + 4);
}

function indexOf(word: string): number | undefined {
  if (!/^[A-Za-z]{1,4}$/.test(word)) return undefined;
  const [table, width, first] = word.length < 4 ? [shortWords, 3, 0] : [longWords, 4, shortCount];
  const cell = word.toUpperCase().padEnd(width);
  for (let at = table.indexOf(cell); at >= 0; at = table.indexOf(cell, at + 1)) {
    if (at % width === 0) return first + at / width;
  }
  return undefined;
}
