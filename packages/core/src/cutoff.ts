/**
 * The end of patience: a time limit and an `AbortSignal` as one promise to race against.
 *
 * @module
 */
import { SASLFailure } from "./errors.js";

/** Rejects what it is raced with once time is up or the signal is aborted. Make one for each exchange, and dispose of it. */
export class Cutoff {
  readonly #signal: AbortSignal | undefined;
  readonly #cut: Promise<never>;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #reject!: (error: SASLFailure) => void;
  #reason: SASLFailure | undefined;

  /** @param timeoutMs 0 for no time limit. */
  constructor(signal: AbortSignal | undefined, timeoutMs: number) {
    this.#cut = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.#cut.catch(() => {}); // nobody may be racing when it happens
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs > 0) {
      this.#timer = setTimeout(
        () => this.cut(new SASLFailure("timed-out", `authentication took longer than ${timeoutMs} ms`)),
        timeoutMs,
      );
    }
  }

  readonly #onAbort = (): void => {
    this.cut(new SASLFailure("aborted", "authentication was aborted", { cause: this.#signal?.reason }));
  };

  /** Why patience ended, if it has: to be looked at before anything new is begun. */
  get reason(): SASLFailure | undefined {
    return this.#reason;
  }

  /** Ends it now, also after `dispose`: nobody waits for ever. The first reason counts. */
  cut(reason: SASLFailure): void {
    this.#reason ??= reason;
    this.#reject(this.#reason);
  }

  /** Settles as `promise` does, or rejects with `aborted` or `timed-out`, whichever comes first. */
  race<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#cut]);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
