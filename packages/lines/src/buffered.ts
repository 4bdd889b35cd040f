/**
 * The reading half of a transport: octets come when they come, lines are read when somebody wants them.
 *
 * @module
 */
import { type ChannelBinding, SASLFailure, type SecurityLayer } from "sasl-core";
import { LayerInput } from "sasl-core/plugin";
import { LineSplitter } from "./splitter.js";
import type { MaybePromise, ServerTransport } from "./transport.js";

/** Input held without a reader, in octets, before the source is asked to wait. One chunk more may be on its way. */
const HIGH_WATER_BYTES = 16_384;

const encoder: TextEncoder = new TextEncoder();

/**
 * Base of ready-made transports. A subclass calls {@link receive} with what arrives and {@link endInput} when nothing more
 * will; it sends, pauses and closes in its own way. A security layer is dealt with here: frames are decoded when somebody
 * reads and not before, so that no more than one is held as plain text.
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
  #layer: SecurityLayer | undefined;
  /** What has arrived for the layer. */
  #input: LayerInput | undefined;
  /** Set while a layer that answers later is at work on a frame. */
  #decoding = false;
  /** Of what has arrived for the layer, octets to drop once they are decoded. */
  #unwanted = 0;
  /** What a layer that answers later is at work on, until it was handed on; never rejects. */
  #encoding: Promise<void> | undefined;
  #closed = false;

  /**
   * Hands on what is to be sent, text as UTF-8.
   *
   * @returns a promise only when the caller has to wait before sending more.
   * @throws {SASLFailure} `connection-lost`.
   */
  protected abstract send(data: string | Uint8Array): MaybePromise<void>;
  /** Sends what is still to be sent and closes. Called once. */
  protected abstract shut(): void;
  /** Asks the source to wait, or to go on. */
  protected abstract setPaused(paused: boolean): void;

  get buffered(): number {
    return this.#splitter.buffered + (this.#input?.buffered ?? 0);
  }

  /** Whether {@link close} was called. */
  protected get closed(): boolean {
    return this.#closed;
  }

  /** Strength of the security layer in bits; 0 without one. */
  protected get layerSsf(): number {
    return this.#layer?.ssf ?? 0;
  }

  /**
   * @param data text as UTF-8, or octets as they are: mail is not always UTF-8.
   * @throws {SASLFailure} `connection-lost`; with a security layer, whatever is wrong with it.
   */
  write(data: string | Uint8Array): MaybePromise<void> {
    if (this.#closed) throw connectionLost();
    if (this.#layer === undefined) return this.send(data);
    const layer = this.#layer;
    const octets = typeof data === "string" ? encoder.encode(data) : data;
    if (this.#encoding === undefined) {
      const frames = layer.encode(octets);
      return frames instanceof Promise ? this.#sendLater(frames) : this.send(frames);
    }
    return this.#sendLater(this.#encoding.then(() => layer.encode(octets)));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.endInput();
    if (this.#encoding === undefined) this.shut();
    else void this.#encoding.then(() => this.shut());
  }

  protect(layer: SecurityLayer): void {
    if (this.#resolve !== undefined) throw new TypeError("a read is pending");
    const rest = this.#splitter.clear();
    this.#layer = layer;
    if (this.#input === undefined) {
      this.#input = new LayerInput(layer);
      this.#input.push(rest);
    } else if (rest.length > 0) {
      // The first layer protected what comes behind the line with which the second begins.
      this.#break(new SASLFailure("peer-not-verified", "what another layer protected is in the place of this one's"));
    } else this.#input.layer = layer;
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
    this.#unwanted = this.#input?.buffered ?? 0; // what is not decoded would be missed by the layer
    this.#resume();
  }

  /** Everything that arrived and was not read. */
  protected takeLeftover(): Uint8Array {
    return this.#splitter.clear();
  }

  /** @param chunk given away; the caller does not change it any more. */
  protected receive(chunk: Uint8Array): void {
    if (this.#ended) return;
    (this.#input ?? this.#splitter).push(chunk);
    const waited = this.#resolve !== undefined;
    if (waited) this.#answer();
    if ((!waited || this.#decoding) && this.buffered > HIGH_WATER_BYTES && !this.#paused) {
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
    if (!this.#decoding) this.#settle()?.(connectionLost(cause));
  }

  #read(wanted: number): MaybePromise<string | Uint8Array> {
    if (this.#resolve !== undefined) throw new TypeError("another read is still pending");
    const ready = this.#take(wanted);
    if (ready !== undefined) return ready;
    if (!this.#decoding) {
      if (this.#ended) throw connectionLost(this.#cause);
      this.#resume();
    }
    this.#wanted = wanted;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** What is wanted, as soon as all of it is there; decodes no frame more than that takes. */
  #take(wanted: number): string | Uint8Array | undefined {
    for (;;) {
      const ready = wanted > 0 ? this.#splitter.line(wanted) : this.#splitter.bytes(-wanted);
      if (ready !== undefined || this.#input === undefined || this.#decoding) return ready;
      const text = this.#decode(this.#input);
      if (text === undefined) return undefined;
      this.#splitter.push(text);
    }
  }

  /** The next frame's text; `undefined` when it is not there yet. */
  #decode(input: LayerInput): Uint8Array | undefined {
    const before = input.buffered;
    let text: MaybePromise<Uint8Array | undefined>;
    try {
      text = input.next();
    } catch (error) {
      this.#break(error);
      throw error;
    }
    const used = before - input.buffered;
    const drop = this.#unwanted >= used && input.atEdge;
    this.#unwanted = Math.max(0, this.#unwanted - used);
    if (!(text instanceof Promise)) return drop ? text?.subarray(0, 0) : text;
    this.#decoding = true;
    const goOn = (later: Uint8Array | undefined): void => {
      this.#decoding = false;
      if (later && !drop) this.#splitter.push(later);
      this.#answer();
    };
    text.then(goOn, (error: unknown) => {
      this.#decoding = false;
      this.#break(error);
    });
    return undefined;
  }

  /** Gives the pending read what it wants, if there is one and it is there. */
  #answer(): void {
    if (this.#resolve === undefined) return;
    try {
      const ready = this.#take(this.#wanted);
      if (ready !== undefined) {
        const resolve = this.#resolve;
        this.#settle();
        resolve?.(ready);
      } else if (!this.#decoding) {
        if (this.#ended) this.#settle()?.(connectionLost(this.#cause));
        else this.#resume();
      }
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

  /** The layer is broken: nothing more is read or written (R-GEN-23). */
  #break(error: unknown): void {
    this.#input = undefined;
    this.#splitter.clear();
    this.#settle()?.(error);
    this.endInput(error);
    this.close();
  }

  /** @param frames handed on when they are there. @returns when they were, and the channel takes more. */
  #sendLater(frames: Promise<Uint8Array>): Promise<void> {
    let ready: MaybePromise<void>;
    const handedOn = frames.then((octets) => {
      ready = this.send(octets);
    });
    // The next write and close() wait for no more than that.
    const encoding = handedOn
      .catch(() => {})
      .then(() => {
        if (this.#encoding === encoding) this.#encoding = undefined;
      });
    this.#encoding = encoding;
    return handedOn.then(() => ready);
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
