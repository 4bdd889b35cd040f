/**
 * What one exchange at the server waits for: its own half, and stores, verifiers and hooks of others. They may answer at
 * once, later, badly, or never; it harms this exchange alone (R-LIM-05, R-LIM-07).
 *
 * @module
 */
import { isSASLError, SASLFailure } from "./errors.js";
import type { MaybePromise } from "./runtime/contract.js";

/**
 * Looks after all exchanges of a server that wait, with one timer for all of them: a timer for each wait took a tenth of a
 * login. It runs while somebody waits, and keeps no process alive.
 */
export class Watch {
  readonly #waiting = new Set<Patience>();
  #timer: unknown;
  readonly #periodMs: number;

  /** @param timeoutMs as the exchanges have it; they are given up at most a second late, and never when it is 0. */
  constructor(timeoutMs: number) {
    this.#periodMs = Math.min(timeoutMs, 1000);
  }

  add(patience: Patience): void {
    this.#waiting.add(patience);
    if (this.#timer === undefined && this.#periodMs > 0) this.#start();
  }

  delete(patience: Patience): void {
    this.#waiting.delete(patience);
  }

  #start(): void {
    const timer = setTimeout(() => {
      this.#timer = undefined;
      for (const each of this.#waiting) if (each.expired) each.expire();
      if (this.#waiting.size > 0) this.#start();
    }, this.#periodMs);
    (timer as { unref?: () => void }).unref?.(); // a number in browsers
    this.#timer = timer;
  }
}

type Reject = (reason: SASLFailure) => void;

/** Made for each exchange. */
export class Patience {
  readonly #watch: Watch;
  #deadline: number;
  /** For the half at work, and for what it waits for itself. */
  #turn: Reject | undefined;
  #question: Reject | undefined;
  #ended = false;

  /** @param timeoutMs for the whole exchange; 0 for no limit. */
  constructor(watch: Watch, timeoutMs: number) {
    this.#watch = watch;
    this.#deadline = timeoutMs > 0 ? Date.now() + timeoutMs : Number.POSITIVE_INFINITY;
  }

  get expired(): boolean {
    return Date.now() >= this.#deadline;
  }

  /** So many milliseconds from now on, in place of what was left. */
  extend(ms: number): void {
    this.#deadline = Date.now() + ms;
  }

  /** Waits for the half, as long as the exchange may last and the peer is still there. */
  turn<T>(given: Promise<T>): Promise<T> {
    this.#watch.add(this);
    return new Promise((resolve, reject) => {
      this.#turn = reject;
      const over = () => {
        this.#turn = undefined;
        this.#watch.delete(this);
      };
      settle(given, resolve, reject, over);
    });
  }

  /**
   * Waits for what others compute.
   *
   * @throws {SASLFailure} `temporary` when no answer came in time; `aborted` once the exchange is over.
   */
  answer<T>(given: MaybePromise<T>): MaybePromise<T> {
    if (typeof (given as Partial<Promise<T>> | null | undefined)?.then !== "function") return given;
    this.#watch.add(this);
    return new Promise((resolve, reject) => {
      this.#question = reject;
      const over = () => {
        this.#question = undefined;
        if (this.#turn === undefined) this.#watch.delete(this);
      };
      settle(given as Promise<T>, resolve, reject, over);
      if (this.#ended) reject(aborted());
    });
  }

  /**
   * Asks a store or a verifier. One that cannot answer fails the exchange as temporary; it never says "unknown user"
   * (R-STO-04).
   */
  ask<T>(message: string, question: () => MaybePromise<T>): MaybePromise<T> {
    const fault = (error: unknown): never => {
      throw isSASLError(error) && error.code === "aborted" ? error : unable(message, error);
    };
    this.check();
    try {
      const answer = this.answer(question());
      return answer instanceof Promise ? answer.catch(fault) : answer;
    } catch (error) {
      return fault(error);
    }
  }

  /** A half that is still at work after the end asks for nothing any more. @throws {SASLFailure} `aborted` */
  check(): void {
    if (this.#ended) throw aborted();
  }

  /** Nobody waits any more, and nobody is asked. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp(aborted);
  }

  /** Time is over. Whoever does not answer is at fault, not the peer. */
  expire(): void {
    this.#giveUp(late);
  }

  #giveUp(reason: () => SASLFailure): void {
    this.#watch.delete(this);
    const [question, turn] = [this.#question, this.#turn];
    this.#question = undefined;
    this.#turn = undefined;
    question?.(reason());
    turn?.(reason());
  }
}

/** Passes on how a promise comes out, after what has to be done then: whoever hears of it may wait for the next at once. */
function settle<T>(given: Promise<T>, resolve: (value: T) => void, reject: (error: unknown) => void, over: () => void) {
  given.then(
    (value) => {
      over();
      resolve(value);
    },
    (error: unknown) => {
      over();
      reject(error);
    },
  );
}

function aborted(): SASLFailure {
  return new SASLFailure("aborted", "the exchange was aborted");
}

function late(): SASLFailure {
  const detail = "no answer within the time an exchange may take";
  return new SASLFailure("temporary", "authentication is not possible at present", { detail });
}

/** Goes on with a value that is there or is to come; without a promise where none is needed. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The failure for a fault on our side: try again later; the log learns why. */
export function unable(message: string, cause: unknown): SASLFailure {
  const known = isSASLError(cause) ? cause.detail : undefined;
  const detail = known ?? (cause instanceof Error ? `${cause.name}: ${cause.message}` : undefined);
  return new SASLFailure("temporary", message, { cause, detail });
}
