/**
 * Elements of `ltx`, and of everything built on it: `@xmpp/xml`, `@xmpp/client`. Nothing of `ltx` is imported; the
 * application hands in the class to make elements with.
 *
 * @module
 */
import type { Attributes, XMLAdapter } from "./element.js";

/** What is used of an `ltx` element. */
export interface LtxElement {
  readonly name: string;
  readonly parent: LtxElement | null;
  readonly attrs: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: ltx keeps elements, strings and numbers in here, and types them as it likes
  readonly children: readonly any[];
  cnode(child: never): unknown;
  t(text: string): unknown;
}

/** The class `Element` of `ltx` or `@xmpp/xml`. */
export type LtxElementClass<E extends LtxElement> = new (name: string, attrs?: Record<string, string>) => E;

/**
 * Adapter for `ltx`: `ltxAdapter(Element)` with the `Element` of your own copy.
 *
 * Namespaces are resolved here and not by `Element.getNS()`, which takes `xmlns=""` for no declaration at all.
 */
export function ltxAdapter<E extends LtxElement>(Element: LtxElementClass<E>): XMLAdapter<E> {
  return {
    create(name: string, namespace: string, attributes: Attributes = {}, children: readonly (E | string)[] = []): E {
      const element = new Element(name, { xmlns: namespace, ...attributes });
      for (const child of children) {
        if (typeof child === "string") element.t(child);
        else element.cnode(inheriting(child, namespace) as never);
      }
      return element;
    },
    name: (element) => element.name.slice(element.name.indexOf(":") + 1),
    namespace(element) {
      const colon = element.name.indexOf(":");
      return resolve(element, colon < 0 ? "xmlns" : `xmlns:${element.name.slice(0, colon)}`);
    },
    attribute: own,
    children: (element) => element.children.map((child) => (typeof child === "object" ? child : String(child))),
  };
}

/** A child that says no more what its parent says already: nothing changes but the length of the text. */
function inheriting<E extends LtxElement>(child: E, namespace: string): E {
  const { attrs } = child as { attrs: Record<string, unknown> };
  if (child.parent === null && own(child, "xmlns") === namespace) delete attrs.xmlns;
  return child;
}

/** The nearest declaration, from the element upwards. */
function resolve(element: LtxElement, declaration: string): string {
  for (let at: LtxElement | null = element; at; at = at.parent) {
    const namespace = own(at, declaration);
    if (namespace !== undefined) return namespace;
  }
  return "";
}

/** Own properties alone: `__proto__` and `constructor` are names like any other (R-LIM-04). */
function own(element: LtxElement, name: string): string | undefined {
  const value = Object.hasOwn(element.attrs, name) ? element.attrs[name] : undefined;
  return value === undefined || value === null ? undefined : String(value);
}
