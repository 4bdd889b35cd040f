/**
 * Tags: what ties an answer to its command. Source: RFC 9051 §2.2.1, §9 `tag`.
 *
 * @module
 */

/**
 * Makes tags for one connection: a prefix nobody can foresee, so that an answer sent ahead of its command fits none
 * (R-IMAP-13), and a count.
 */
export function tagGenerator(): () => string {
  const letters = crypto.getRandomValues(new Uint8Array(5)).map((octet) => 65 + (octet % 26));
  const prefix = String.fromCharCode(...letters);
  let count = 0;
  return () => `${prefix}${++count}`;
}

/** Whether a text can be a tag: 1 to 64 ASTRING-CHAR except `+`. */
export function isTag(text: string): boolean {
  return /^[!#$&',\-./0-9:;<=>?@A-Z[\]^_`a-z|~]{1,64}$/.test(text);
}

/** @throws {TypeError} for what cannot be a tag. */
export function checkTag(tag: string): string {
  if (!isTag(tag)) throw new TypeError("not an IMAP tag");
  return tag;
}
