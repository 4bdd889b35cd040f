/**
 * The reading half of a transport: octets come when they come, lines are read when somebody wants them.
 *
 * @module
 */
import { type ChannelBinding, SASLFailure } from "sasl-core";
import { LineSplitter } from "./splitter.js";
import type { MaybePromise, ServerTransport } from "./transport.js";

/** Input held without a reader, in octets, before the source is asked to wait. One chunk more may be on its way. */
const HIGH_WATER_BYTES = 16_384;

/**
 * Base of ready-made transports. A subclass calls {@link receive} with what arrives and {@link endInput} when nothing more
 * will; it writes, pauses and closes in its own way.
 */
export abstract class BufferedTransport implements ServerTransport {
  abstract readonly secure: boolean;
  abstract readonly channelBinding?: ChannelBinding | undefined;
  onLost: (() => void) | undefined;
  readonly #splitter: LineSplitter = new LineSplitter();
  #ended = false;
  /** Why the input ended, where that is known. */
  #cause: unknown;
  #paused = false;
  /** What the pending read wants: a line of so many octets at most, or, below zero, exactly so many octets. */
  #wanted = 0;
  #resolve: ((value: string | Uint8Array) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  abstract write(text: string): MaybePromise<void>;
  abstract close(): void;
  /** Asks the source to wait, or to go on. */
  protected abstract setPaused(paused: boolean): void;

  get buffered(): number {
    return this.#splitter.buffered;
  }

  readLine(maxBytes: number): MaybePromise<string> {
    if (!(maxBytes >= 1)) throw new RangeError("a line may have at least one octet");
    return this.#read(maxBytes) as MaybePromise<string>;
  }

  readBytes(count: number): MaybePromise<Uint8Array> {
    if (!(count >= 0)) throw new RangeError("cannot read a negative number of octets");
    return (count === 0 ? new Uint8Array(0) : this.#read(-count)) as MaybePromise<Uint8Array>;
  }

  discard(): void {
    this.#splitter.clear();
    this.#resume();
  }

  /** Everything that arrived and was not read. */
  protected takeLeftover(): Uint8Array<ArrayBuffer> {
    return this.#splitter.clear();
  }

  /** @param chunk given away; the caller does not change it any more. */
  protected receive(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#splitter.push(chunk);
    if (this.#resolve !== undefined) this.#answer();
    else if (this.#splitter.buffered > HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.setPaused(true);
    }
  }

  /**
   * Nothing more will arrive. What has arrived can still be read; after that reads throw `connection-lost`, with the cause
   * that was given first. The error is made when somebody reads: most connections end while nobody does.
   */
  protected endInput(cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause = cause;
    this.#settle()?.(connectionLost(cause));
  }

  #read(wanted: number): MaybePromise<string | Uint8Array> {
    if (this.#resolve !== undefined) throw new TypeError("another read is still pending");
    const ready = this.#take(wanted);
    if (ready !== undefined) return ready;
    if (this.#ended) throw connectionLost(this.#cause);
    this.#resume();
    this.#wanted = wanted;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #take(wanted: number): string | Uint8Array | undefined {
    return wanted > 0 ? this.#splitter.line(wanted) : this.#splitter.bytes(-wanted);
  }

  #answer(): void {
    try {
      const ready = this.#take(this.#wanted);
      if (ready === undefined) return;
      const resolve = this.#resolve;
      this.#settle();
      resolve?.(ready);
    } catch (error) {
      this.#settle()?.(error);
    }
  }

  /** Forgets the pending read; gives back its way to fail. */
  #settle(): ((error: unknown) => void) | undefined {
    const reject = this.#reject;
    this.#resolve = this.#reject = undefined;
    return reject;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.setPaused(false);
  }
}

/** The error of a connection that is no more. */
export function connectionLost(cause?: unknown): SASLFailure {
  return new SASLFailure("connection-lost", "the connection was closed", cause === undefined ? undefined : { cause });
}
