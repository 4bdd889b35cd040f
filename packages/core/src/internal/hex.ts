/** Lower-case hexadecimal, as CRAM-MD5 and DIGEST-MD5 write digests. */

const digits = "0123456789abcdef";

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += digits.charAt(octet >> 4) + digits.charAt(octet & 15);
  return text;
}

/** The octets, or `undefined` for anything but pairs of lower-case digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code >= 0x61 && code <= 0x66 ? code - 0x57 : code >= 0x30 && code <= 0x39 ? code - 0x30 : -1;
    if (value < 0) return undefined;
    bytes[i >> 1] = ((bytes[i >> 1] as number) << 4) | value;
  }
  return bytes;
}
