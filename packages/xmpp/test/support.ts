/**
 * What the tests share: both XML libraries, and transports that follow a script.
 *
 * @module
 */
import { type Element as DOMElement, DOMImplementation, DOMParser, XMLSerializer } from "@xmldom/xmldom";
import { Element, parse } from "ltx";
import type { SASLFailure } from "sasl-core";
import { domAdapter, type ElementTransport, ltxAdapter, type XMLAdapter } from "sasl-xmpp";

/** One XML library with its adapter. */
export interface Kit<E> {
  readonly name: string;
  readonly adapter: XMLAdapter<E>;
  readonly parse: (xml: string) => E;
  readonly serialize: (element: E) => string;
}

export const ltxKit: Kit<Element> = {
  name: "ltx",
  adapter: ltxAdapter(Element),
  parse: (xml) => parse(xml) as Element,
  serialize: String,
};

const document = new DOMImplementation().createDocument(null, "");
const serializer = new XMLSerializer();

export const domKit: Kit<DOMElement> = {
  name: "@xmldom/xmldom",
  adapter: domAdapter(document),
  parse: (xml) => new DOMParser().parseFromString(xml, "text/xml").documentElement as DOMElement,
  serialize: (element) => serializer.serializeToString(element),
};

/** Every suite that touches elements runs once for each. The element type is nobody's business there. */
export const kits: readonly Kit<unknown>[] = [ltxKit as Kit<unknown>, domKit as Kit<unknown>];

export const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";

/** What two elements that mean the same have in common, whatever their prefixes and quotes. */
export type Shape = readonly [name: string, namespace: string, attributes: Record<string, string>, ...unknown[]];

/** Reads an element down to plain data, with the attributes asked for. */
export function shape<E>({ adapter }: Kit<E>, element: E, ...attributes: string[]): Shape {
  const found: Record<string, string> = {};
  for (const name of attributes) {
    const value = adapter.attribute(element, name);
    if (value !== undefined) found[name] = value;
  }
  const children = adapter
    .children(element)
    .map((child) => (typeof child === "string" ? child : shape({ adapter } as Kit<E>, child as E, ...attributes)));
  return [adapter.name(element), adapter.namespace(element), found, ...children];
}

/** A transport whose peer says what a script says, and whose own words are kept. */
export interface Scripted<E> extends ElementTransport<E> {
  /** What was sent, as shapes with `mechanism`. */
  readonly sent: Shape[];
}

/** @param answers XML texts, one for each `receive`; after the last one the stream is lost. */
export function scripted<E>(kit: Kit<E>, answers: readonly string[], secure = true): Scripted<E> {
  const left = [...answers];
  const sent: Shape[] = [];
  return {
    adapter: kit.adapter,
    secure,
    sent,
    send: (element) => void sent.push(shape(kit, element, "mechanism")),
    receive: async () => {
      const next = left.shift();
      if (next === undefined) throw new Error("socket closed");
      return kit.parse(next);
    },
  };
}

const encoder = new TextEncoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** What a rejected promise was rejected with; fails the test when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<SASLFailure> {
  const value = await promise.then(
    (resolved) => ({ resolved }),
    (error: unknown) => ({ error }),
  );
  if ("error" in value) return value.error as SASLFailure;
  throw new Error(`resolved to ${JSON.stringify(value.resolved)}`);
}
