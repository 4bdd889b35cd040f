/**
 * SCRAM-SHA-1 verifiers as MongooseIM 3 keeps them. Source: MongooseIM documentation, "SCRAM serialization".
 *
 * @module
 */
import type { ScramVerifier } from "sasl-core";
import { checkedVerifier, FormatError, fromBase64, parseIterations, toBase64 } from "./parts.js";

const PREFIX = "==SCRAM==";
const HASH = "SHA-1";

/** Reads `==SCRAM==,StoredKey,ServerKey,salt,iterations`, at most 4096 characters. @throws {FormatError} */
export function parseMongooseIm(text: string): ScramVerifier {
  if (text.length > 4096) throw new FormatError("a verifier that is too long");
  const fields = text.split(",");
  const [prefix, storedKey = "", serverKey = "", salt = "", iterations = ""] = fields;
  if (prefix !== PREFIX || fields.length !== 5) {
    throw new FormatError(`a verifier that is not ${PREFIX},StoredKey,ServerKey,salt,iterations`);
  }
  return checkedVerifier({
    hash: HASH,
    salt: fromBase64(salt, "salt"),
    iterations: parseIterations(iterations),
    storedKey: fromBase64(storedKey, "StoredKey"),
    serverKey: fromBase64(serverKey, "ServerKey"),
  });
}

/** Inverse of {@link parseMongooseIm}. @throws {FormatError} for another hash than SHA-1, which this notation cannot name. */
export function formatMongooseIm(verifier: ScramVerifier): string {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  if (hash !== HASH) throw new FormatError(`this notation of MongooseIM holds SCRAM-SHA-1 alone, not SCRAM-${hash}`);
  return [PREFIX, toBase64(storedKey), toBase64(serverKey), toBase64(salt), iterations].join(",");
}
