/**
 * W3C DOM elements: a browser's own, `@xmldom/xmldom`, `jsdom`. Nothing is imported; the application hands in a document.
 *
 * @module
 */
import type { Attributes, XMLAdapter } from "./element.js";

/** What is used of any DOM node. */
export interface DOMNodeLike {
  readonly nodeType: number;
  readonly nodeValue: string | null;
  readonly firstChild: DOMNodeLike | null;
  readonly nextSibling: DOMNodeLike | null;
}

/** What is used of a DOM element. */
export interface DOMElementLike extends DOMNodeLike {
  readonly localName: string | null;
  readonly namespaceURI: string | null;
  getAttribute(name: string): string | null;
  hasAttribute(name: string): boolean;
  setAttributeNS(namespace: string | null, name: string, value: string): void;
  appendChild(child: never): unknown;
}

/** What is used of a DOM document: a place to make nodes, nothing is ever put into it. */
export interface DOMDocumentLike<E extends DOMElementLike> {
  createElementNS(namespace: string, name: string): E;
  createTextNode(text: string): unknown;
}

const TEXT = 3;
const CDATA = 4;

/** Adapter for DOM elements: `domAdapter(document)`, any XML or HTML document. */
export function domAdapter<E extends DOMElementLike>(document: DOMDocumentLike<E>): XMLAdapter<E> {
  return {
    create(name: string, namespace: string, attributes: Attributes = {}, children: readonly (E | string)[] = []): E {
      const element = document.createElementNS(namespace, name);
      for (const [key, value] of Object.entries(attributes)) {
        element.setAttributeNS(attributeNamespace(key, attributes), key, value);
      }
      for (const child of children) {
        element.appendChild((typeof child === "string" ? document.createTextNode(child) : child) as never);
      }
      return element;
    },
    name: (element) => element.localName ?? "",
    namespace: (element) => element.namespaceURI ?? "",
    attribute: (element, name) => (element.hasAttribute(name) ? (element.getAttribute(name) ?? "") : undefined),
    children(element) {
      const children: (E | string)[] = [];
      for (let node = element.firstChild; node; node = node.nextSibling) {
        children.push(node.nodeType === TEXT || node.nodeType === CDATA ? (node.nodeValue ?? "") : (node as E));
      }
      return children;
    },
  };
}

/** Namespaces in XML 1.0 §3: `xml` and `xmlns` are fixed, other prefixes are declared among the attributes themselves. */
function attributeNamespace(name: string, attributes: Attributes): string | null {
  const prefix = name.slice(0, Math.max(0, name.indexOf(":")));
  if (prefix === "xml") return "http://www.w3.org/XML/1998/namespace";
  if (prefix === "xmlns" || name === "xmlns") return "http://www.w3.org/2000/xmlns/";
  return prefix && Object.hasOwn(attributes, `xmlns:${prefix}`) ? (attributes[`xmlns:${prefix}`] as string) : null;
}
