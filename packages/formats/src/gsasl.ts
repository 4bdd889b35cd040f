/**
 * SCRAM verifiers as GNU SASL and Dovecot write them: `{SCRAM-SHA-256}4096,salt,StoredKey,ServerKey`. Sources: manual of
 * `gsasl --mkpasswd`, password schemes of Dovecot.
 *
 * @module
 */
import type { ScramVerifier } from "sasl-core";
import { checkedVerifier, FormatError, fromBase64, parseIterations, toBase64 } from "./parts.js";

/**
 * Reads one verifier. The name of the scheme may be in small letters, as Dovecot takes it.
 *
 * @param text at most 4096 characters.
 * @throws {FormatError}
 */
export function parseGsasl(text: string): ScramVerifier {
  if (text.length > 4096) throw new FormatError("a verifier that is too long");
  const [whole, hash = ""] = /^\{SCRAM-([A-Z0-9-]{1,16})\}/i.exec(text) ?? [];
  if (whole === undefined) throw new FormatError("a verifier that does not begin with {SCRAM-");
  const fields = text.slice(whole.length).split(",");
  const [iterations = "", salt = "", storedKey = "", serverKey = ""] = fields;
  if (fields.length !== 4) throw new FormatError("a verifier has four fields: iterations,salt,StoredKey,ServerKey");
  return checkedVerifier({
    hash: hash.toUpperCase(),
    salt: fromBase64(salt, "salt"),
    iterations: parseIterations(iterations),
    storedKey: fromBase64(storedKey, "StoredKey"),
    serverKey: fromBase64(serverKey, "ServerKey"),
  });
}

/** Inverse of {@link parseGsasl}. @throws {FormatError} for a verifier nobody could read. */
export function formatGsasl(verifier: ScramVerifier): string {
  const { hash, iterations, salt, storedKey, serverKey } = checkedVerifier(verifier);
  return `{SCRAM-${hash}}${iterations},${toBase64(salt)},${toBase64(storedKey)},${toBase64(serverKey)}`;
}
