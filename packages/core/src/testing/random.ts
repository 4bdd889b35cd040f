/**
 * Chance that can be repeated. Never for anything but tests.
 *
 * @module
 */

/** Numbers that follow from a seed. */
export interface Chance {
  /** A whole number from 0 and below `bound`. */
  below(bound: number): number;
  bytes(count: number): Uint8Array<ArrayBuffer>;
  pick<T>(of: readonly T[]): T;
}

/** Chance from a seed: mulberry32, 32 bits of state, good enough to choose among inputs. */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (bound: number) => next() % bound;
  return {
    below,
    bytes: (count) => Uint8Array.from({ length: count }, () => below(256)),
    pick: <T>(of: readonly T[]) => of[below(of.length)] as T,
  };
}

/** A seed for those who gave none. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

/** A seed of its own for each part of a run, so that one part can be repeated without the others. */
export function derivedSeed(seed: number, part: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
