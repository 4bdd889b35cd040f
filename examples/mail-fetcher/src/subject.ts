/**
 * Subjects as people read them. Sources: RFC 5322 §2.2.3 (folding), RFC 2047 (encoded words).
 *
 * @module
 */

/**
 * The subject in a header: unfolded, decoded, and without anything a terminal would act on.
 *
 * @param header lines with CRLF; any text at all.
 */
export function subjectIn(header: string): string {
  const raw = /^subject:(.*(?:\r\n[ \t].*)*)/im.exec(header)?.[1] ?? "";
  // RFC 2047 §6.2: white space between encoded words is not part of the text.
  const joined = raw.replace(/\r\n[ \t]+/g, " ").replace(/\?=[ \t]+=\?/g, "?==?");
  const text = joined.replace(/=\?([\w-]{1,40})\?([bq])\?([^?\s]*)\?=/gi, decodeWord);
  return text.replace(/\p{C}/gu, "").trim() || "(no subject)";
}

function decodeWord(word: string, charset: string, kind: string, data: string): string {
  const octets = kind.toLowerCase() === "b" ? Buffer.from(data, "base64") : Buffer.from(unquote(data), "latin1");
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    return word; // a charset nobody knows
  }
}

function unquote(data: string): string {
  return data.replace(/_/g, " ").replace(/=([\dA-F]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}
