/**
 * Elements of whatever XML library the application uses, seen through one small adapter.
 *
 * @module
 */

/** Attributes by qualified name: `mechanism`, `xml:lang`. */
export type Attributes = Readonly<Record<string, string>>;

/**
 * All this package asks of an XML library. `E` is the library's own element type; nothing else of the library is used.
 * Ready ones: `ltxAdapter` and `domAdapter`.
 */
export interface XMLAdapter<E> {
  /**
   * A new element of its own document or tree.
   *
   * @param name local name, without a prefix.
   * @param namespace becomes the default namespace of the element; not empty.
   * @param attributes by qualified name. A name with a prefix other than `xml` comes with its `xmlns:` declaration.
   * @param children elements and texts in order; text is not escaped yet.
   */
  create(name: string, namespace: string, attributes?: Attributes, children?: readonly (E | string)[]): E;
  /** Local name, without the prefix. */
  name(element: E): string;
  /** The namespace its prefix stands for, empty when there is none. */
  namespace(element: E): string;
  /** An attribute's value by qualified name, entities resolved; `undefined` when it is not there. */
  attribute(element: E, name: string): string | undefined;
  /**
   * Everything inside, in order. Text and CDATA are strings, entities resolved; whatever else a library keeps
   * (comments, processing instructions) counts as an element, so that nobody takes it for nothing.
   */
  children(element: E): readonly (E | string)[];
}

/** The first child element of this name and namespace. */
export function findChild<E>(adapter: XMLAdapter<E>, parent: E, name: string, namespace: string): E | undefined {
  return elementsIn(adapter, parent).find((child) => isElement(adapter, child, name, namespace));
}

/** The child elements, without the text between them. */
export function elementsIn<E>(adapter: XMLAdapter<E>, parent: E): E[] {
  return adapter.children(parent).filter((child): child is E & Exclude<E, string> => typeof child !== "string");
}

/** Whether an element has this name in this namespace, whatever its prefix (RFC 6120 §11.3, R-XMPP-16). */
export function isElement<E>(adapter: XMLAdapter<E>, element: E, name: string, namespace: string): boolean {
  return adapter.name(element) === name && adapter.namespace(element) === namespace;
}

/** The character data of an element; `undefined` when there is anything else inside (R-XMPP-19). */
export function textOf<E>(adapter: XMLAdapter<E>, element: E): string | undefined {
  const children = adapter.children(element);
  return children.every((child) => typeof child === "string") ? children.join("") : undefined;
}
