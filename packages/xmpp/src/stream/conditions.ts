/**
 * Stream errors. Source: RFC 6120 §4.9.
 *
 * @module
 */
import { SASLFailure, type SASLFailureCode } from "sasl-core";
import { elementsIn, isElement, textOf, type XMLAdapter } from "../element.js";
import { NS_STREAM, NS_STREAM_ERRORS } from "../namespaces.js";

/** A defined condition of RFC 6120 §4.9.3. */
export type StreamCondition =
  | "bad-format"
  | "bad-namespace-prefix"
  | "conflict"
  | "connection-timeout"
  | "host-gone"
  | "host-unknown"
  | "improper-addressing"
  | "internal-server-error"
  | "invalid-from"
  | "invalid-namespace"
  | "invalid-xml"
  | "not-authorized"
  | "not-well-formed"
  | "policy-violation"
  | "remote-connection-failed"
  | "reset"
  | "resource-constraint"
  | "restricted-xml"
  | "see-other-host"
  | "system-shutdown"
  | "undefined-condition"
  | "unsupported-encoding"
  | "unsupported-feature"
  | "unsupported-stanza-type"
  | "unsupported-version";

/** What ends a stream on our side: the condition to report, and why, for a log. Holds no peer bytes. */
export class StreamViolation extends Error {
  override readonly name = "StreamViolation";
  readonly condition: StreamCondition;

  constructor(condition: StreamCondition, message: string) {
    super(message);
    this.condition = condition;
  }
}

/** What the peer said in a stream error, kept in `opaqueError`. */
export interface XMPPStreamError<E = unknown> {
  /** Local name of the condition, also one nobody defined; `undefined` when there was none. */
  readonly condition: string | undefined;
  readonly text: string | undefined;
  readonly element: E;
}

/** Reads a stream error as the failure it is to whoever waits: the stream is gone. */
export function parseStreamError<E>(element: E, adapter: XMLAdapter<E>): SASLFailure {
  const children = elementsIn(adapter, element);
  const named = children.filter((child) => adapter.namespace(child) === NS_STREAM_ERRORS);
  const found = named.find((child) => adapter.name(child) !== "text");
  const textElement = named.find((child) => isElement(adapter, child, "text", NS_STREAM_ERRORS));
  const text = textElement && textOf(adapter, textElement);
  const condition = found && adapter.name(found);
  const opaqueError: XMPPStreamError<E> = { condition, text, element };
  const safe = condition !== undefined && /^[a-z-]{1,40}$/.test(condition) ? condition : "an undefined condition";
  return new SASLFailure("connection-lost", `the peer closed the stream: ${safe}`, {
    opaqueError,
    ...(text ? { text } : {}),
  });
}

/** Whether an element is a stream error. */
export function isStreamError<E>(element: E, adapter: XMLAdapter<E>): boolean {
  return isElement(adapter, element, "error", NS_STREAM);
}

/** XML text of a stream error, to be sent as the last element (RFC 6120 §4.9.2). */
export function formatStreamError(condition: StreamCondition, text?: string): string {
  const words = text ? `<text xmlns='${NS_STREAM_ERRORS}' xml:lang='en'>${escapeXML(text)}</text>` : "";
  return `<stream:error xmlns:stream='${NS_STREAM}'><${condition} xmlns='${NS_STREAM_ERRORS}'/>${words}</stream:error>`;
}

/** Text fit for character data and for attributes in either kind of quotes. */
export function escapeXML(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const violationCodes: { readonly [C in StreamCondition]?: SASLFailureCode } = {
  "policy-violation": "limit-exceeded",
  "resource-constraint": "limit-exceeded",
  "connection-timeout": "timed-out",
};

/** A violation as the error a caller sees. */
export function failureOf(violation: StreamViolation): SASLFailure {
  const code = violationCodes[violation.condition] ?? "incorrect-encoding";
  return new SASLFailure(code, `${violation.condition}: ${violation.message}`, { cause: violation });
}
