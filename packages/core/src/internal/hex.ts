/** Lower-case hexadecimal, as CRAM-MD5 and DIGEST-MD5 write digests. */

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += octet < 16 ? `0${octet.toString(16)}` : octet.toString(16);
  return text;
}

/** The octets, or `undefined` for anything but pairs of lower-case digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
