/**
 * What stream features say about SASL2. Source: XEP-0388 §2.1.
 *
 * @module
 */
import { elementsIn, findChild, type XMLAdapter } from "../element.js";
import { NS_SASL2 } from "../namespaces.js";
import { textsIn } from "./messages.js";

/** What a server offers with SASL2 on the stream as it is now. */
export interface SASL2Discovery<E = unknown> {
  /** Mechanism names as sent, without doubles. */
  readonly mechanisms: readonly string[];
  /** Elements of the inline features it offers. */
  readonly inline: readonly E[];
  /** The `authentication` element itself: it also announces tasks. */
  readonly element: E;
}

/** Reads a `features` element; `undefined` when the server does not offer SASL2 with one mechanism at least (R-SA2-02). */
export function discoverSASL2<E>(features: E, adapter: XMLAdapter<E>): SASL2Discovery<E> | undefined {
  const element = findChild(adapter, features, "authentication", NS_SASL2);
  if (element === undefined) return undefined;
  const mechanisms = textsIn(adapter, element, "mechanism");
  const inline = findChild(adapter, element, "inline", NS_SASL2);
  return mechanisms.length > 0
    ? { mechanisms, inline: inline === undefined ? [] : elementsIn(adapter, inline), element }
    : undefined;
}
