/**
 * The end of patience: a time limit and an `AbortSignal`, to race against.
 *
 * @module
 */
import { SASLFailure } from "./errors.js";

/** Ends waiting once time is up or the signal is aborted. Make one for each exchange, and dispose of it. */
export class Cutoff {
  /** Why patience ended, if it has: to be looked at before anything new is begun. The first reason counts. */
  reason: SASLFailure | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #reject: ((reason: SASLFailure) => void) | undefined;

  /** @param timeoutMs 0 for no time limit. */
  constructor(signal: AbortSignal | undefined, timeoutMs: number) {
    this.#signal = signal;
    if (signal?.aborted) this.handleEvent();
    else signal?.addEventListener("abort", this);
    if (timeoutMs > 0) {
      const expire = () => this.cut("timed-out", `${timeoutMs} ms are over`);
      this.#timer = setTimeout(expire, Math.min(timeoutMs, 2 ** 31 - 1)); // a longer timer would end at once
    }
  }

  /** The signal's event. @internal */
  handleEvent(): void {
    this.cut("aborted", "authentication was aborted", { cause: this.#signal?.reason });
  }

  /** Ends it now, also after `dispose`: nobody waits for ever. */
  cut(code: "aborted" | "timed-out", message: string, options?: { readonly cause: unknown }): void {
    this.reason ??= new SASLFailure(code, message, options);
    this.#reject?.(this.reason);
  }

  /** Settles as `promise` does, or rejects with the reason, whichever comes first. One wait at a time. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
      if (this.reason) reject(this.reason);
    });
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this);
  }
}
