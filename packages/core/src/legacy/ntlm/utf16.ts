/** UTF-16LE, which is what NTLM calls Unicode. Source: MS-NLMP §2.2. */
import { SASLFailure } from "../../errors.js";

export function encodeUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit;
    bytes[2 * i + 1] = unit >>> 8;
  }
  return bytes;
}

/** @throws {SASLFailure} `incorrect-encoding` for half a character. */
export function decodeUtf16(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    text += String.fromCharCode((bytes[i] as number) | ((bytes[i + 1] as number) << 8));
  }
  if (bytes.length % 2 !== 0 || !text.isWellFormed()) {
    throw new SASLFailure("incorrect-encoding", "NTLM text that is not UTF-16");
  }
  return text;
}

/** Upper case unit by unit, so that nothing becomes longer: `ß` stays, as on Windows. */
export function upperCase(text: string): string {
  return text.replace(/./gs, (unit) => {
    const upper = unit.toUpperCase();
    return upper.length === 1 ? upper : unit;
  });
}
