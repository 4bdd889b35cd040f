/**
 * What a trace shows of an exchange: every message, decoded, with secrets replaced by their length.
 *
 * @module
 */
import type { Mechanism } from "./mechanism.js";

/** One message of an exchange, fit for a log. */
export interface TraceEvent {
  readonly direction: "send" | "receive";
  readonly mechanism: string;
  readonly message: "initiate" | "response" | "challenge" | "success" | "failure";
  /** Octets after base64; `undefined` when there was no payload at all. */
  readonly octets: number | undefined;
  /** Text without secrets; empty when there was no payload. */
  readonly text: string;
}

/** Hears every message as it is, secrets included. Made by {@link tracer}, which hides them. */
export type Tracer = (
  mechanism: Mechanism,
  direction: TraceEvent["direction"],
  message: TraceEvent["message"],
  payload: Uint8Array | undefined,
) => void;

/**
 * A tracer for the `trace` option of `authenticate`.
 *
 * @param listener gets the messages in order. What it throws ends the exchange.
 */
export function tracer(listener: (event: TraceEvent) => void): Tracer {
  return (mechanism, direction, message, payload) => {
    const text = payload ? shown(mechanism.secrets, payload) : "";
    listener({ direction, mechanism: mechanism.name, message, octets: payload?.length, text });
  };
}

function shown(secrets: RegExp | undefined, payload: Uint8Array): string {
  const hidden = `<${payload.length} octets>`;
  if (secrets === undefined || payload.length === 0) return payload.length ? hidden : "";
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
    return printable(text.replace(secrets, (secret) => `<${secret.length} characters>`));
  } catch {
    return hidden;
  }
}

/** Control characters as `\\xNN`, so that a peer cannot write on the reader's terminal. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (c) => `\\x${(c.codePointAt(0) as number).toString(16).padStart(2, "0")}`,
  );
}
