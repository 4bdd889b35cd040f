/**
 * Which mechanisms names are shown that nobody has, where accounts differ in what works for them (R-SA2-06).
 *
 * @module
 */
import type { MaybePromise } from "./runtime/contract.js";

/** 32 octets for a purpose, always the same for one name, that nobody can tell without the server's secret. */
export type Decoy = (purpose: string) => MaybePromise<Uint8Array>;

/** More kinds of accounts than any site has; what comes later is not remembered. */
const maxSeen = 32;

/** Lists that accounts have: told by the application, or seen. */
export class OfferHabits {
  /** By something that stays the same as long as the list does. */
  readonly #lists = new Map<string, readonly string[]>();
  readonly #told: boolean;

  /**
   * @param told `undefined` where the application does not say.
   * @throws {RangeError} when it says nothing, or names a list without a name.
   */
  constructor(told: readonly (readonly string[])[] | undefined) {
    this.#told = told !== undefined;
    if (told?.length === 0 || told?.some((list) => list.length === 0)) {
      throw new RangeError("accountMechanisms must be lists with a name each");
    }
    // With the index, so that one that is there twice counts twice.
    told?.forEach((list, index) => {
      this.#lists.set(`${index} ${list.join(" ")}`, list);
    });
  }

  /** Takes note of what works for a real account. */
  learn(list: readonly string[]): void {
    if (!this.#told && this.#lists.size < maxSeen) this.#lists.set(list.join(" "), list);
  }

  /**
   * What to show of the mechanisms that are offered at all: always the same for a name. A list that is seen for the first
   * time is shown to its share of the names, and the others keep theirs.
   */
  async invent(offered: readonly string[], decoy: Decoy): Promise<readonly string[]> {
    let shown = offered;
    let highest = -1;
    for (const [key, list] of this.#lists) {
      const [a = 0, b = 0, c = 0, d = 0] = await decoy(`mechanisms ${key}`);
      const height = ((a * 256 + b) * 256 + c) * 256 + d;
      const usable = offered.filter((name) => list.includes(name));
      if (usable.length === 0 || height <= highest) continue; // nobody real is shown nothing at all
      shown = usable;
      highest = height;
    }
    return shown;
  }
}
