/**
 * Reading what SASL2 and other extensions put into its elements, once and no more often.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { elementsIn, isElement, textOf, type XMLAdapter } from "../element.js";
import { type JID, parseJid } from "../jid.js";
import { NS_SASL2, NS_STANZAS } from "../namespaces.js";

/**
 * The one child of this name and namespace; `undefined` when there is none.
 *
 * @throws {SASLFailure} `malformed-message` when there are two: nobody knows which one is meant.
 */
export function onlyChild<E>(adapter: XMLAdapter<E>, parent: E, name: string, namespace: string): E | undefined {
  const found = elementsIn(adapter, parent).filter((child) => isElement(adapter, child, name, namespace));
  if (found.length > 1) throw new SASLFailure("malformed-message", `${name} is there more than once`);
  return found[0];
}

/** Whom `success` names (XEP-0388 §2.6.1); `undefined` when that is no JID. */
export function identifierIn<E>(adapter: XMLAdapter<E>, success: E): JID | undefined {
  const identifier = onlyChild(adapter, success, "authorization-identifier", NS_SASL2);
  const text = identifier && textOf(adapter, identifier);
  return text === undefined ? undefined : parseJid(text);
}

/** A condition of RFC 6120 §8.3.3. */
export type StanzaCondition =
  | "bad-request"
  | "conflict"
  | "feature-not-implemented"
  | "forbidden"
  | "gone"
  | "internal-server-error"
  | "item-not-found"
  | "jid-malformed"
  | "not-acceptable"
  | "not-allowed"
  | "not-authorized"
  | "policy-violation"
  | "recipient-unavailable"
  | "redirect"
  | "registration-required"
  | "remote-server-not-found"
  | "remote-server-timeout"
  | "resource-constraint"
  | "service-unavailable"
  | "subscription-required"
  | "undefined-condition"
  | "unexpected-request";

/** Local name of the condition in an error, also one nobody defined; `undefined` when there is none. */
export function conditionIn<E>(adapter: XMLAdapter<E>, error: E): string | undefined {
  const conditions = elementsIn(adapter, error).filter((child) => adapter.namespace(child) === NS_STANZAS);
  return conditions.map((child) => adapter.name(child)).find((name) => name !== "text");
}
