/**
 * Keeps what a client has sent out of what is shown of the answers: servers quote commands they do not know, and behind
 * AUTH stands the password (R-GEN-30).
 *
 * @module
 */

/** So many characters in a row that were sent are a piece of it, wherever they stand. */
const PIECE = 8;

/** A run that base64 may stand in; padding belongs to its end alone. */
const run: RegExp = /[A-Za-z0-9+/]{4,}={0,2}/g;

/** Remembers the base64 that was sent in one exchange. */
export class Mask {
  #sent: string[] = [];
  /** All pieces of what was sent; made when the first line comes that they may stand in. */
  #pieces: Set<string> | undefined;

  /** Forgets everything. */
  clear(): void {
    this.#sent = [];
    this.#pieces = undefined;
  }

  /** @param base64 what is about to be sent; empty text and `=` hide nothing. */
  add(base64: string): void {
    const text = unpadded(base64);
    if (text === "") return;
    this.#sent.push(text);
    this.#pieces = undefined;
  }

  /**
   * The text with every run of base64 replaced by its length that is a message sent, or has eight characters in a row in
   * common with one. Time grows with the text and with what was sent, not with their product.
   */
  apply(text: string): string {
    if (this.#sent.length === 0) return text;
    return text.replace(run, (found) => (this.#tells(unpadded(found)) ? `<${found.length} characters>` : found));
  }

  #tells(found: string): boolean {
    if (found.length < PIECE) return this.#sent.includes(found);
    this.#pieces ??= piecesOf(this.#sent);
    for (let at = 0; at + PIECE <= found.length; at++) {
      if (this.#pieces.has(found.slice(at, at + PIECE))) return true;
    }
    return false;
  }
}

function piecesOf(sent: readonly string[]): Set<string> {
  const pieces = new Set<string>();
  for (const text of sent) {
    for (let at = 0; at + PIECE <= text.length; at++) pieces.add(text.slice(at, at + PIECE));
  }
  return pieces;
}

function unpadded(base64: string): string {
  return base64.replace(/=+$/, "");
}
