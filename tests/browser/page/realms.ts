/**
 * In the place of `node:vm`: another realm is another frame.
 *
 * @module
 */
export function runInNewContext(code: string): unknown {
  const frame = document.body.appendChild(document.createElement("iframe"));
  return (frame.contentWindow as unknown as { eval(code: string): unknown }).eval(code);
}
