/**
 * Work that may take time, done in order: what a security layer needs in each direction.
 *
 * @module
 */
import type { MaybePromise } from "sasl-core/plugin";

/** Does one thing after the other, at once where nothing is under way; after the first that fails, nothing more. */
export class InOrder<T> {
  readonly #take: (result: T) => void;
  readonly #fail: (error: unknown) => void;
  #waiting: (() => MaybePromise<T>)[] = [];
  #busy = false;
  #stopped = false;
  #onIdle: (() => void)[] = [];

  /**
   * @param take given each result before the next work begins; does not throw.
   * @param fail told once why there will be no more.
   */
  constructor(take: (result: T) => void, fail: (error: unknown) => void) {
    this.#take = take;
    this.#fail = fail;
  }

  /** True when nothing is under way, and nothing waits. */
  get idle(): boolean {
    return !this.#busy && this.#waiting.length === 0;
  }

  add(work: () => MaybePromise<T>): void {
    if (this.#stopped) return;
    this.#waiting.push(work);
    if (!this.#busy) this.#go();
  }

  /** Resolves when everything is done, or will never be. */
  async whenIdle(): Promise<void> {
    if (!this.idle) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #go(): void {
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) {
      let result: MaybePromise<T>;
      try {
        result = work();
      } catch (error) {
        this.#stop(error);
        return;
      }
      if (result instanceof Promise) {
        this.#busy = true;
        result.then(
          (value) => {
            this.#busy = false;
            this.#take(value);
            this.#go();
          },
          (error) => this.#stop(error),
        );
        return;
      }
      this.#take(result);
    }
    this.#tell();
  }

  #stop(error: unknown): void {
    this.#busy = false;
    this.#stopped = true;
    this.#waiting = [];
    this.#fail(error);
    this.#tell();
  }

  #tell(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
