/**
 * Elements that came and were not asked for yet.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";

/** One reader at a time. */
export class Inbox<E> {
  readonly #elements: E[] = [];
  #waiting: { resolve(element: E): void; reject(error: SASLFailure): void } | undefined;
  #ended = false;

  put(element: E): void {
    if (this.#waiting === undefined) this.#elements.push(element);
    else this.#waiting.resolve(element);
    this.#waiting = undefined;
  }

  take(): Promise<E> {
    const [element] = this.#elements.splice(0, 1);
    if (element !== undefined) return Promise.resolve(element);
    if (this.#ended) return Promise.reject(lost());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** What nobody took, in order. */
  rest(): E[] {
    return this.#elements.splice(0);
  }

  /** @throws {SASLFailure} `connection-lost` once it ended. */
  check(): void {
    if (this.#ended) throw lost();
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true;
    this.#waiting?.reject(lost());
    this.#waiting = undefined;
  }
}

function lost(): SASLFailure {
  return new SASLFailure("connection-lost", "the connection ended during the login");
}
