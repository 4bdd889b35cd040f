/**
 * The client end of one exchange: order, sizes, steps and time are checked here, once for all mechanisms and bindings.
 * Source: RFC 4422 §3, §4; the shape follows aiosasl's state machine.
 *
 * @module
 */
import { Cutoff } from "./cutoff.js";
import { asSASLError, type SASLErrorCode, SASLFailure } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { type Limits, limitsFrom } from "./limits.js";
import { isMechanismName } from "./mechanism.js";

/** Where an exchange stands. `success` is the protocol's word alone; whether to believe it is the mechanism's. */
export type ExchangeState = "initial" | "challenge" | "success" | "failure";

/** What bounds an exchange. */
export interface StateMachineOptions {
  readonly limits?: Partial<Limits> | undefined;
  /** Aborted: the exchange is aborted on the wire and every waiting call rejects with `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/** Codes under which this end stops while the other may still be waiting. A binding's own `abort()` is harmless when idle. */
const ownCodes: readonly SASLErrorCode[] = ["aborted", "timed-out", "limit-exceeded"];

/** How long `abort()` waits for the other side to take note before it gives up, in milliseconds. */
const abortGraceMs = 1000;

/**
 * Wraps a {@link SASLInterface} for one exchange. Use it once; a second exchange on the same interface gets a machine
 * of its own, so that nothing survives from the first (R-GEN-15).
 */
export class SASLStateMachine implements SASLInterface {
  readonly limits: Limits;
  readonly signal: AbortSignal | undefined;
  readonly #wire: SASLInterface;
  #cutoff: Cutoff | undefined;
  #state: ExchangeState = "initial";
  #waiting = false;
  #begun = false;
  #steps = 0;

  constructor(wire: SASLInterface, options: StateMachineOptions = {}) {
    this.#wire = wire;
    this.limits = limitsFrom(options.limits);
    this.signal = options.signal;
  }

  get state(): ExchangeState {
    return this.#state;
  }

  get secure(): boolean {
    return this.#wire.secure === true;
  }

  get layers(): boolean {
    return this.#wire.layers === true;
  }

  /** True once something has gone out to the peer. */
  get begun(): boolean {
    return this.#begun;
  }

  /** @throws {SASLFailure} `mechanism-unsupported` for what cannot be a name (R-GEN-01), before anything is sent. */
  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    return this.#step("initial", payload, () => {
      if (!isMechanismName(mechanism)) throw new SASLFailure("mechanism-unsupported", "not a mechanism name");
      return this.#wire.initiate(mechanism, payload);
    });
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#step("challenge", payload, () => this.#wire.respond(payload));
  }

  /** Gives up, at any point before an outcome. What the wire does after that no longer matters here. */
  async abort(): Promise<SASLReply> {
    if (this.#over) throw outOfOrder(this.#state);
    const open = this.#state === "challenge" || this.#waiting;
    this.#end("failure");
    if (open) await this.#takeBack();
    this.#cutoff?.cut("aborted", "authentication was aborted"); // also when the wire never answers
    return { state: "failure" };
  }

  /**
   * Waits for something other than the peer (the application, a derivation) under the same limits as everything else.
   *
   * @throws {SASLFailure} `aborted`, `timed-out`.
   */
  until<T>(promise: Promise<T>): Promise<T> {
    return this.#patience.race(promise);
  }

  get #patience(): Cutoff {
    this.#cutoff ??= new Cutoff(this.signal, this.limits.timeoutMs);
    return this.#cutoff;
  }

  async #step(
    from: ExchangeState,
    payload: Uint8Array | undefined,
    send: () => Promise<SASLReply>,
  ): Promise<SASLReply> {
    if (this.#state !== from || this.#waiting) throw outOfOrder(this.#waiting ? "waiting" : this.#state);
    this.#checkSize(payload);
    this.#waiting = true;
    try {
      const { reason } = this.#patience;
      if (reason) throw reason; // nothing goes out any more once time is up or the signal is aborted
      this.#begun = true;
      const reply = await this.until(send());
      if (this.#over || reply.state === "failure") throw new SASLFailure("aborted", "authentication was aborted");
      this.#checkSize(reply.payload);
      if (++this.#steps > this.limits.maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
      this.#end(reply.state);
      return reply;
    } catch (thrown) {
      const error = asSASLError(thrown, "connection-lost", "the connection failed");
      // Where it was this end that stopped, what the peer still believes in is taken back on the wire.
      const open = this.#begun && ownCodes.includes(error.code) && !this.#over;
      this.#end("failure");
      if (open) await this.#takeBack();
      throw error;
    } finally {
      this.#waiting = false;
    }
  }

  #checkSize(message: Uint8Array | undefined): void {
    if (message && message.length > this.limits.maxMessageBytes) {
      throw new SASLFailure("limit-exceeded", `a message of ${message.length} octets`);
    }
  }

  get #over(): boolean {
    return this.#state === "success" || this.#state === "failure";
  }

  #end(state: ExchangeState): void {
    this.#state = state;
    if (state !== "challenge") this.#cutoff?.dispose();
  }

  /** Waits for an abort to be noticed, not for long, and not for a verdict. */
  async #takeBack(): Promise<void> {
    const grace = new Cutoff(undefined, abortGraceMs);
    await grace.race(this.#wire.abort()).catch(() => {});
    grace.dispose();
  }
}

function outOfOrder(state: string): SASLFailure {
  return new SASLFailure("unexpected-message", `out of order at "${state}"`);
}
