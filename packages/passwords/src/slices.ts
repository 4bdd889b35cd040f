/**
 * Long work on the main thread, in slices: whatever else the thread has to do waits for one slice, however much is under way.
 *
 * @module
 */

/** Work that can pause: each `next` does a little of it, well under a millisecond, and the last one returns what came out. */
export type SlicedWork<T> = Iterator<undefined, T>;

/** One queue for all that is under way. Each turn of the event loop has one slice; works take turns in it. */
export class Slices {
  readonly #sliceMs: number;
  /** Each does a part of its work until a time and says whether more is left. */
  readonly #works: ((end: number) => boolean)[] = [];

  /** @param sliceMs after which the others are let in. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** What the work returns or throws. None of it is done before the next turn. */
  run<T>(work: SlicedWork<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#works.push((end) => {
        try {
          do {
            const step = work.next();
            if (!step.done) continue;
            resolve(step.value);
            return false;
          } while (performance.now() < end);
          return true;
        } catch (error) {
          reject(error);
          return false;
        }
      });
      if (this.#works.length === 1) this.#schedule();
    });
  }

  #schedule(): void {
    setImmediate(() => {
      const end = performance.now() + this.#sliceMs;
      // One that is through leaves what is left of the slice to the next.
      do {
        const [work] = this.#works;
        if (work?.(end)) this.#works.push(work);
        this.#works.shift();
      } while (this.#works.length > 0 && performance.now() < end);
      if (this.#works.length > 0) this.#schedule();
    });
  }
}
