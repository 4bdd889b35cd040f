/**
 * SCRAM verifiers as values of the LDAP attribute `authPassword`. Source: RFC 5803 §2, in the syntax of RFC 3112 §3.
 *
 * @module
 */
import type { ScramVerifier } from "sasl-core";
import { checkedVerifier, FormatError, fromBase64, parseIterations, toBase64 } from "./parts.js";

const MAX_CHARACTERS = 4096;

/**
 * Reads `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`, with spaces at the ends and round `$` where RFC 3112 allows them.
 *
 * @param text at most 4096 characters.
 * @throws {FormatError} for anything else: another scheme, numbers or base64 that are not canonical, keys of a length the
 *   hash does not give.
 */
export function parseRfc5803(text: string): ScramVerifier {
  if (text.length > MAX_CHARACTERS) throw new FormatError("an authPassword value that is too long");
  const fields = text.split("$").map(withoutSpaces);
  const [scheme = "", info = "", value = ""] = fields;
  if (fields.length !== 3) throw new FormatError("an authPassword value has three fields, separated by $");
  if (!scheme.startsWith("SCRAM-")) throw new FormatError("an authPassword value of another scheme than SCRAM");
  const [iterations, salt] = pair(info, "iterations:salt");
  const [storedKey, serverKey] = pair(value, "StoredKey:ServerKey");
  return checkedVerifier({
    hash: scheme.slice("SCRAM-".length),
    salt: fromBase64(salt, "salt"),
    iterations: parseIterations(iterations),
    storedKey: fromBase64(storedKey, "StoredKey"),
    serverKey: fromBase64(serverKey, "ServerKey"),
  });
}

/** The value as RFC 5803 §2 writes it, without spaces. @throws {FormatError} for a verifier nobody could read. */
export function formatRfc5803(verifier: ScramVerifier): string {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  return `SCRAM-${hash}$${iterations}:${toBase64(salt)}$${toBase64(storedKey)}:${toBase64(serverKey)}`;
}

function pair(field: string, what: string): readonly [string, string] {
  const [first, second, ...rest] = field.split(":");
  if (first === undefined || second === undefined || rest.length > 0) throw new FormatError(`a field is not ${what}`);
  return [first, second];
}

/** RFC 3112 §3: `w`, any number of SP, and no other space. */
function withoutSpaces(field: string): string {
  let start = 0;
  let end = field.length;
  while (start < end && field[start] === " ") start++;
  while (end > start && field[end - 1] === " ") end--;
  return field.slice(start, end);
}
