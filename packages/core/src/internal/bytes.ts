/**
 * Byte arrays: joining, comparing, wiping. Everything here takes `Uint8Array` alone, so it runs wherever JavaScript does.
 *
 * @module
 */

/**
 * One array with the bytes of all parts, in order.
 *
 * @param parts any number, any length. Neither changed nor kept.
 * @returns a new array that the caller owns.
 */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * Whether two arrays hold the same bytes. The time taken depends on the length alone, not on where they differ; arrays of
 * unequal length are unequal, which is no secret here: proofs, digests and tokens have a public length.
 *
 * @param left any length. Neither changed nor kept.
 * @param right any length. Neither changed nor kept.
 */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  // No early exit: every byte is looked at whatever came before. Both reads are in range.
  for (let i = 0; i < left.length; i++) difference |= (left[i] as number) ^ (right[i] as number);
  return difference === 0;
}

/**
 * Overwrites a secret with zeros. Call it on arrays you own, as soon as the secret has been used.
 *
 * @param bytes changed in place.
 */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

/**
 * True for a `Uint8Array` of any realm (frame, worker, `node:vm`) and for its subclasses such as Node's Buffer; false for
 * every other view, which would count its elements and not its bytes.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]")
  );
}
