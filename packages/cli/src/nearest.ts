/**
 * Names that were mistyped.
 *
 * @module
 */

/** The first of the names that is at most two letters away. */
export function nearest(name: string, all: readonly string[]): string | undefined {
  return all.find((each) => distance(each, name) <= 2);
}

/** Single letters to change, add or drop to get from one name to the other; names are short. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 3;
}
