/**
 * SASL messages inside the elements of SASL2. Source: XEP-0388 §2.2.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { elementsIn, isElement, textOf, type XMLAdapter } from "../element.js";
import { NS_SASL2 } from "../namespaces.js";
import { onlyChild } from "./children.js";

/** An element of SASL2. */
export function create<E>(
  adapter: XMLAdapter<E>,
  name: string,
  children: readonly (E | string)[] = [],
  attributes: Readonly<Record<string, string>> = {},
): E {
  return adapter.create(name, NS_SASL2, attributes, children);
}

/** An element that holds a message; zero octets are an empty element. */
export function createData<E>(adapter: XMLAdapter<E>, name: string, payload: Uint8Array): E {
  return create(adapter, name, payload.length > 0 ? [encodeBase64(payload)] : []);
}

/**
 * The message in an element: no text is zero octets, and "=" is no Base64 (R-SA2-04).
 *
 * @throws {SASLFailure} `malformed-message` for anything but character data, `incorrect-encoding` for bad base64,
 *   `limit-exceeded` for more than `maxBytes`.
 */
export function readData<E>(adapter: XMLAdapter<E>, element: E, maxBytes: number): Uint8Array {
  const text = textOf(adapter, element);
  if (text === undefined) throw new SASLFailure("malformed-message", "a message holds more than text");
  return decodeBase64(text, { maxBytes });
}

/** The message in the child of that name; `undefined` where there is none. @throws {SASLFailure} as {@link readData}. */
export function readDataIn<E>(
  adapter: XMLAdapter<E>,
  parent: E,
  name: string,
  maxBytes: number,
): Uint8Array | undefined {
  const child = onlyChild(adapter, parent, name, NS_SASL2);
  return child === undefined ? undefined : readData(adapter, child, maxBytes);
}

/** Texts of the children of that name, without doubles and without those that hold anything else. */
export function textsIn<E>(adapter: XMLAdapter<E>, parent: E, name: string): readonly string[] {
  const found = elementsIn(adapter, parent).filter((each) => isElement(adapter, each, name, NS_SASL2));
  const texts = found.map((each) => textOf(adapter, each));
  return [...new Set(texts)].filter((text): text is string => Boolean(text));
}
