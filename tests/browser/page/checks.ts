/**
 * Checks that a page offers to the harness, by name.
 *
 * @module
 */
export function offer(checks: Readonly<Record<string, () => Promise<void>>>): void {
  Object.assign(globalThis, { checks });
}

/** @throws when the two are not the same as JSON. */
export function same(what: string, found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what} is ${is}, wanted ${should}`);
}

/** The code of the SASL error, or other error's message, that something ends with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    return code ?? message;
  }
  return "none";
}
