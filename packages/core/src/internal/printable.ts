/**
 * Text of a peer that people get to see.
 *
 * @module
 */

/** The text with control characters as spaces, so that a terminal does nothing with it but show it; trimmed. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").trim();
}
