/**
 * Prepares a database once, when it is first there.
 *
 * @module
 */

/**
 * Makes a function that runs `prepare` until it succeeded once. Calls made meanwhile wait for the same attempt; what it
 * threw is told to all of them, and the next call tries again.
 */
export function onceReady(prepare: () => Promise<void>): () => Promise<void> {
  let attempt: Promise<void> | undefined;
  return () => {
    attempt ??= prepare().catch((error: unknown) => {
      attempt = undefined;
      throw error;
    });
    return attempt;
  };
}
