/**
 * SCRAM verifiers as Apache Kafka keeps them. Source: `ScramCredentialUtils` of Apache Kafka.
 *
 * @module
 */
import type { ScramVerifier } from "sasl-core";
import { checkedVerifier, FormatError, fromBase64, parseIterations, toBase64 } from "./parts.js";

const fieldNames: readonly string[] = ["salt", "stored_key", "server_key", "iterations"];

/**
 * Reads `salt=…,stored_key=…,server_key=…,iterations=…`, the fields in any order, at most 4096 characters. Kafka names the
 * hash beside it, or not at all: it is taken from the length of the keys, 32 octets for SHA-256 and 64 for SHA-512.
 *
 * @throws {FormatError}
 */
export function parseKafka(text: string): ScramVerifier {
  if (text.length > 4096) throw new FormatError("a verifier that is too long");
  const fields = new Map<string, string>();
  for (const field of text.split(",")) {
    const at = field.indexOf("=");
    const name = field.slice(0, Math.max(at, 0));
    if (!fieldNames.includes(name) || fields.has(name)) {
      throw new FormatError(`a verifier has each of the fields ${fieldNames.join(", ")} once`);
    }
    fields.set(name, field.slice(at + 1));
  }
  const storedKey = fromBase64(fields.get("stored_key") ?? "", "stored_key");
  return checkedVerifier({
    hash: storedKey.length === 64 ? "SHA-512" : "SHA-256",
    salt: fromBase64(fields.get("salt") ?? "", "salt"),
    iterations: parseIterations(fields.get("iterations") ?? ""),
    storedKey,
    serverKey: fromBase64(fields.get("server_key") ?? "", "server_key"),
  });
}

/** Inverse of {@link parseKafka}. @throws {FormatError} for a hash Kafka does not have: it has SHA-256 and SHA-512. */
export function formatKafka(verifier: ScramVerifier): string {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  if (hash !== "SHA-256" && hash !== "SHA-512") throw new FormatError(`Kafka has no SCRAM-${hash}`);
  const keys = `stored_key=${toBase64(storedKey)},server_key=${toBase64(serverKey)}`;
  return `salt=${toBase64(salt)},${keys},iterations=${iterations}`;
}
