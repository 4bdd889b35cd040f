/**
 * Base64 as both protocols write it, with the `=` that stands for an empty initial response.
 * Source: RFC 4954 §4, RFC 4959 §3.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";

/** An initial response as it stands in a command: absent and empty are different things (R-GEN-04). */
export function encodeInitialResponse(payload: Uint8Array): string {
  return payload.length === 0 ? "=" : encodeBase64(payload);
}

/**
 * @param text untrusted; `=` alone is the empty response.
 * @throws {SASLFailure} `incorrect-encoding`; also for the empty text, which no command has room for.
 */
export function decodeInitialResponse(text: string): Uint8Array {
  return text === "=" ? new Uint8Array(0) : decodeBase64(text);
}
