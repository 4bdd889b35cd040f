/**
 * Passwords in URLs, which stand in arguments: where one is meant, and where somebody put it by mistake.
 *
 * @module
 */
import { oneLine } from "./errors.js";
import { lengthOf, type Mask } from "./masking.js";

/** A URL with something before its last `@`: up to the password, and the password. */
const userinfo = /((?:[a-z][a-z0-9+.-]*:)?\/\/[^:@/]*:)(.*)@/is;
const parameters = /((?:password|passwd|pwd|secret|pw)=)([^&,]*)/gi;

/** Passwords in a URL, as written and decoded; rather too much of it than too little, as people forget to encode them. */
export function secretsOf(url: string): string[] {
  const [, , ofUser = ""] = userinfo.exec(url) ?? [];
  const ofQuery = Array.from(url.matchAll(parameters), ([, , value]) => value ?? "");
  return [ofUser, ...ofQuery].flatMap((secret) => [secret, decoded(secret)]).filter((secret) => secret !== "");
}

/**
 * Makes the mask for what a command says of its arguments. The password of a URL is hidden where it stands behind what the URL
 * has before it, also when a message has no more than its beginning; the same word elsewhere is left as it is.
 *
 * @param words the arguments.
 */
export function maskArguments(words: readonly string[]): Mask {
  const parts = words.flatMap(partsOf);
  return (text) => parts.reduce((clean, { head, forms }) => maskBehind(clean, head, forms), text);
}

/** What a message can have of a URL: the text up to a password, and the password as it may be written. */
interface Part {
  readonly head: string;
  readonly forms: readonly string[];
}

function partsOf(word: string): Part[] {
  const found = [userinfo.exec(word), ...(word.includes("//") ? word.matchAll(parameters) : [])];
  return found.flatMap((match) => {
    const [, head = "", secret = ""] = match ?? [];
    return secret === "" ? [] : [{ head, forms: [secret, JSON.stringify(secret).slice(1, -1), oneLine(secret)] }];
  });
}

function maskBehind(text: string, head: string, forms: readonly string[]): string {
  const [first = "", ...others] = text.split(head);
  return others.reduce((clean, rest) => {
    const length = Math.max(...forms.map((form) => commonLength(form, rest)));
    return `${clean}${head}${length === 0 ? "" : lengthOf(rest.slice(0, length))}${rest.slice(length)}`;
  }, first);
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
