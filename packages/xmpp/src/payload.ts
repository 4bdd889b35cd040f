/**
 * SASL messages as character data. Source: RFC 6120 §6.4.2, §6.4.6.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { textOf, type XMLAdapter } from "./element.js";

/** Longest message either side accepts where the caller says nothing, in octets after base64. */
export const DEFAULT_MAX_MESSAGE_BYTES = 65_536;

/** Text for a message in `auth` and `success`: no text for none, `=` for zero octets. */
export function optionalText(payload: Uint8Array | undefined): string {
  return payload === undefined ? "" : encodeBase64(payload) || "=";
}

/**
 * The message in an element: `undefined` for no text, zero octets for `=`.
 *
 * @throws {SASLFailure} `malformed-message` for anything but character data, `incorrect-encoding` for bad base64,
 *   `limit-exceeded` for more than `maxBytes`.
 */
export function readPayload<E>(adapter: XMLAdapter<E>, element: E, maxBytes: number): Uint8Array | undefined {
  const text = textOf(adapter, element);
  if (text === undefined) throw new SASLFailure("malformed-message", "a message holds more than text");
  return text ? decodeBase64(text === "=" ? "" : text, { maxBytes }) : undefined;
}
