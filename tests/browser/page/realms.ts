/**
 * In the place of `node:vm`: another realm is another frame.
 *
 * @module
 */
export function runInNewContext(code: string, variables: object = {}): unknown {
  const { contentWindow } = document.body.appendChild(document.createElement("iframe"));
  const realm = contentWindow as unknown as { eval(code: string): unknown };
  return Object.assign(realm, variables).eval(code);
}
