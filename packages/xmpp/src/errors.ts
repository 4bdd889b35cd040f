/**
 * XMPP's failure conditions and our errors, both ways. Source: RFC 6120 §6.5.
 *
 * @module
 */
import { type AuthenticationFailure, type SASLErrorCode, type SASLFailure, saslError } from "sasl-core";
import { elementsIn, textOf, type XMLAdapter } from "./element.js";
import { NS_SASL } from "./namespaces.js";

/** A defined condition of RFC 6120 §6.5. */
export type FailureCondition =
  | "aborted"
  | "account-disabled"
  | "credentials-expired"
  | "encryption-required"
  | "incorrect-encoding"
  | "invalid-authzid"
  | "invalid-mechanism"
  | "malformed-request"
  | "mechanism-too-weak"
  | "not-authorized"
  | "temporary-auth-failure";

/** What the server said, kept in `opaqueError`. */
export interface XMPPFailure<E = unknown> {
  /** Local name of the condition, also one nobody defined; `undefined` when there was none. */
  readonly condition: string | undefined;
  /** Text for people. */
  readonly text: string | undefined;
  /** Language of the text, from `xml:lang` on it or on the failure. */
  readonly lang: string | undefined;
  /** The element itself, with application-specific conditions. */
  readonly element: E;
}

/** The code each condition means to a client (RFC 6120 §6.5.1 to §6.5.11). */
const codes: ReadonlyMap<string | undefined, SASLErrorCode> = new Map<FailureCondition, SASLErrorCode>([
  ["encryption-required", "channel-not-protected"],
  ["invalid-authzid", "authorization-refused"],
  ["invalid-mechanism", "mechanism-unsupported"],
  ["malformed-request", "malformed-message"],
  ["not-authorized", "refused"],
  ["temporary-auth-failure", "temporary"],
  ...(["aborted", "account-disabled", "credentials-expired", "incorrect-encoding", "mechanism-too-weak"] as const).map(
    (same) => [same, same] as const,
  ),
]);

/** The condition a server sends for each code. What has no condition of its own takes the nearest that gives nothing away. */
const conditions: { readonly [C in SASLErrorCode]: FailureCondition } = {
  "malformed-message": "malformed-request",
  "incorrect-encoding": "incorrect-encoding",
  "unexpected-message": "malformed-request",
  "peer-not-verified": "not-authorized",
  "mechanism-unsupported": "invalid-mechanism",
  "mechanism-too-weak": "mechanism-too-weak",
  "no-common-mechanism": "invalid-mechanism",
  "no-credentials": "not-authorized",
  "channel-not-protected": "encryption-required",
  "limit-exceeded": "temporary-auth-failure", // too many attempts, as a rule: R-LIM-08
  temporary: "temporary-auth-failure",
  "timed-out": "temporary-auth-failure",
  aborted: "aborted",
  "connection-lost": "temporary-auth-failure",
  refused: "not-authorized",
  "authorization-refused": "invalid-authzid",
  "credentials-expired": "credentials-expired",
  "account-disabled": "account-disabled",
};

/** The condition that tells a peer about an error of this code. */
export function conditionFor(code: SASLErrorCode): FailureCondition {
  return conditions[code];
}

/**
 * Reads a `failure` element. A failure without a condition, or with one nobody defined, counts as `refused`: the server
 * said no, and a client does not guess that it meant less.
 *
 * @returns an error to throw, with an {@link XMPPFailure} in `opaqueError`.
 */
export function parseFailure<E>(element: E, adapter: XMLAdapter<E>): SASLFailure | AuthenticationFailure {
  // SASL2 keeps the conditions where they were, and has the text in its own namespace (XEP-0388 §2.6.2).
  const home = [NS_SASL, adapter.namespace(element)];
  const children = elementsIn(adapter, element).filter((child) => home.includes(adapter.namespace(child)));
  const names = children.map((child) => adapter.name(child));
  // RFC 6120 §6.5: one defined condition; an application-specific one is in another namespace.
  const known = names.find((name) => codes.has(name));
  const textElement = children[names.indexOf("text")];
  const opaqueError: XMPPFailure<E> = {
    condition: known ?? names.find((name) => name !== "text"),
    text: textElement && textOf(adapter, textElement),
    lang: textElement && (adapter.attribute(textElement, "xml:lang") ?? adapter.attribute(element, "xml:lang")),
    element,
  };
  return saslError(codes.get(known) ?? "refused", `the server reports ${known ?? "failure"}`, {
    opaqueError,
    text: opaqueError.text || undefined,
  }) as SASLFailure | AuthenticationFailure;
}

/** What {@link formatFailure} may be told. */
export interface FormatFailureOptions {
  /** Text for people instead of the error's own `text`; the error's message and detail are never sent. */
  readonly text?: string | undefined;
  /** Language of the text, as in `xml:lang`. */
  readonly lang?: string | undefined;
  /** Namespace of the failure itself and of its text: {@link NS_SASL} (default) or that of SASL2. */
  readonly namespace?: string | undefined;
}

/** The `failure` element for an error: its condition, and `text` where the error or the options have one. No mechanism data (R-GEN-17). */
export function formatFailure<E>(
  error: SASLFailure | AuthenticationFailure,
  adapter: XMLAdapter<E>,
  options: FormatFailureOptions = {},
): E {
  const children: E[] = [adapter.create(conditionFor(error.code), NS_SASL)];
  const text = options.text ?? error.text;
  const { lang, namespace = NS_SASL } = options;
  if (text) children.push(adapter.create("text", namespace, lang ? { "xml:lang": lang } : {}, [text]));
  return adapter.create("failure", namespace, {}, children);
}
