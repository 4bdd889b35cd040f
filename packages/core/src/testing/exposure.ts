/**
 * What can be seen of a value by whoever prints, serialises or inspects it (R-GEN-30).
 *
 * @module
 */
import { encodeBase64 } from "../internal/base64.js";
import { isBytes } from "../internal/bytes.js";
import { toHex } from "../internal/hex.js";
import { encodeUtf8 } from "../internal/text.js";

/** Every text in a value: all that is printed, serialised, or reached by its properties, also those nobody enumerates. */
export function textsIn(value: unknown, seen: Set<unknown> = new Set(), depth = 0): string[] {
  if (typeof value === "string") return [value];
  if (isBytes(value)) return [decoder.decode(value), encodeBase64(value)];
  if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value) || depth > 6)
    return [];
  seen.add(value);
  const texts: string[] = [];
  try {
    texts.push(String(value), JSON.stringify(value) ?? "");
  } catch {
    // What cannot be serialised shows nothing that way.
  }
  if (value instanceof Error) texts.push(value.stack ?? "");
  const entries = value instanceof Map || value instanceof Set ? [...value] : [];
  const names = Object.getOwnPropertyNames(value).filter((name) => !["caller", "callee", "arguments"].includes(name));
  const fields = names.map((name) => (value as Readonly<Record<string, unknown>>)[name]);
  return [...texts, ...names, ...[...entries, ...fields].flatMap((each) => textsIn(each, seen, depth + 1))];
}

const decoder = new TextDecoder();

/** A secret as text, and as it looks in base64 and hexadecimal, whatever stands before it. */
export function formsOf(secret: string): readonly string[] {
  const bytes = encodeUtf8(secret);
  // Of three ways to lie in base64's groups, the inner part is the same whatever is around.
  const shifted = [0, 1, 2].map((before) => {
    const text = encodeBase64(Uint8Array.from([...new Uint8Array(before), ...bytes]));
    return text.slice(before === 0 ? 0 : 4, Math.floor(((before + bytes.length) * 8) / 24) * 4);
  });
  return [secret, toHex(bytes), ...shifted.filter((text) => text.length >= 8)];
}
