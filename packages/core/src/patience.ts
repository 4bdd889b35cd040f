/**
 * What one exchange at the server waits for: its own half, and stores, verifiers and hooks of others. They may answer at
 * once, later, badly, or never; it harms this exchange alone (R-LIM-05, R-LIM-07).
 *
 * @module
 */
import { Cutoff } from "./cutoff.js";
import { isSASLError, SASLFailure } from "./errors.js";
import type { MaybePromise } from "./runtime/contract.js";

/** Made for each exchange. */
export class Patience {
  readonly #deadline: number;
  /** For the half at work, and for what it waits for itself. */
  #turn: Cutoff | undefined;
  #question: Cutoff | undefined;
  #ended = false;

  /** @param timeoutMs for the whole exchange; 0 for no limit. */
  constructor(timeoutMs: number) {
    this.#deadline = timeoutMs > 0 ? Date.now() + timeoutMs : Number.POSITIVE_INFINITY;
  }

  get expired(): boolean {
    return Date.now() > this.#deadline;
  }

  /** Waits for the half, as long as the exchange may last and the peer is still there. */
  turn<T>(given: Promise<T>): Promise<T> {
    this.#turn = this.#untilDeadline();
    return race(this.#turn, given);
  }

  /**
   * Waits for what others compute.
   *
   * @throws {SASLFailure} `temporary` when no answer came in time; `aborted` once the exchange is over.
   */
  answer<T>(given: MaybePromise<T>): MaybePromise<T> {
    if (typeof (given as Partial<Promise<T>> | null | undefined)?.then !== "function") return given;
    this.#question = this.#untilDeadline();
    return race(this.#question, given as Promise<T>);
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
    this.#ended = true;
    for (const each of [this.#question, this.#turn]) each?.cut("aborted", "the exchange was aborted");
  }

  #untilDeadline(): Cutoff {
    const left = Math.max(1, this.#deadline - Date.now());
    return new Cutoff(undefined, Number.isFinite(left) ? left : 0);
  }
}

async function race<T>(cutoff: Cutoff, answer: Promise<T>): Promise<T> {
  try {
    return await cutoff.race(answer);
  } catch (error) {
    if (error !== cutoff.reason || (error as SASLFailure).code !== "timed-out") throw error;
    const detail = "no answer within the time an exchange may take";
    throw new SASLFailure("temporary", "authentication is not possible at present", { cause: error, detail });
  } finally {
    cutoff.dispose();
  }
}

function aborted(): SASLFailure {
  return new SASLFailure("aborted", "the exchange was aborted");
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
