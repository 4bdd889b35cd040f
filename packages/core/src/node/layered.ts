/**
 * A security layer around a stream of Node: plain text on this side, frames on the other. Source: RFC 4422 §3.7, §3.8.
 *
 * @module
 */
import { Duplex } from "node:stream";
import { SASLFailure } from "../errors.js";
import type { SecurityLayer } from "../layer.js";
import { LayerInput } from "../layer-input.js";

/** What {@link layered} has to know besides. */
export interface LayeredOptions {
  /**
   * Octets that were read from the stream already and belong to the layer: what arrived behind the last line, or the last
   * element, in the clear (R-GEN-21). Given away.
   */
  readonly head?: Uint8Array | undefined;
}

/** A stream of plain text over one of protected frames. */
export interface LayeredStream extends Duplex {
  /** What the frames go through. Nothing else may read it or write to it any more. */
  readonly stream: Duplex;
  /** The layer in force. */
  readonly layer: SecurityLayer;

  /**
   * Puts another layer in force, in place of this one, for all that is written and decoded from now on (R-GEN-24). A second
   * exchange that negotiated none leaves the first in force: call nothing then.
   *
   * Frames are decoded only as they are read, so that none is taken for one of the wrong layer: while a second exchange
   * goes on, be paused, or call `read()`, and call this when you have read its last message.
   *
   * @throws {SASLFailure} `unexpected-message` when a part of a frame was decoded already, or plain text was not read that the
   *   first layer had protected. Both are destroyed.
   */
  protect(layer: SecurityLayer): void;
}

/**
 * Puts a security layer around a socket, or any other stream of octets.
 *
 * Back-pressure goes through in both directions: nothing is read while nobody reads here, and what is written waits for the
 * stream. `end()` ends the stream, the end of the stream ends this one, `destroy()` and errors go both ways. Input that ends
 * inside a frame is the error `connection-lost`. A frame that does not verify is the error `peer-not-verified`: both are
 * destroyed, and nothing of it comes out (R-GEN-23).
 *
 * @param stream with nobody who reads it: listeners for `data` removed, and paused, when it was read before.
 * @param layer fresh out of an exchange (`result.layer`).
 */
export function layered(stream: Duplex, layer: SecurityLayer, options: LayeredOptions = {}): LayeredStream {
  return new LayeredDuplex(stream, layer, options.head);
}

/** What is encoded before the stream is asked whether it takes more, in octets. */
const STRIDE_BYTES = 65_536;

class LayeredDuplex extends Duplex implements LayeredStream {
  readonly stream: Duplex;
  readonly #input: LayerInput;
  #layer: SecurityLayer;
  /** Whether the reader waits for plain text. */
  #wanted = false;
  #decoding = false;
  #ended = false;
  /** Ends the write that waits for the stream to take more. */
  #failWrite: (() => void) | undefined;

  constructor(stream: Duplex, layer: SecurityLayer, head: Uint8Array | undefined) {
    // A reader that is paused gets no frame ahead of time: it may belong to the next layer.
    super({ allowHalfOpen: stream.allowHalfOpen, readableHighWaterMark: 0 });
    this.stream = stream;
    this.#layer = layer;
    this.#input = new LayerInput(layer);
    if (head !== undefined && head.length > 0) this.#input.push(head);
    stream.on("error", (error) => this.destroy(error)).on("close", () => this.#closed());
    if (stream.destroyed) {
      this.destroy();
      return;
    }
    stream.on("data", (chunk: Uint8Array) => this.#arrived(chunk)).on("end", () => this.#end());
    stream.pause();
    if (stream.readableEnded) this.#end();
  }

  get layer(): SecurityLayer {
    return this.#layer;
  }

  protect(layer: SecurityLayer): void {
    if (!this.#input.atEdge || this.#decoding || this.readableLength > 0) {
      const error = new SASLFailure("unexpected-message", "what another layer protected is in the place of this one's");
      this.destroy(error);
      throw error;
    }
    this.#layer = this.#input.layer = layer;
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const layer = this.#layer;
    const stride = Math.max(1, Math.floor(STRIDE_BYTES / layer.maxOutput)) * layer.maxOutput;
    let at = 0;
    const finish = (error?: Error): void => {
      this.#failWrite = undefined;
      done(error);
    };
    /** @returns whether the stream takes more at once. */
    const send = (frames: Uint8Array): boolean => {
      if (this.stream.destroyed || this.stream.writableEnded) {
        finish(lost());
        return false;
      }
      at += stride;
      if (this.stream.write(frames)) return true;
      this.#failWrite = () => {
        this.stream.off("drain", goOn);
        finish(lost());
      };
      this.stream.once("drain", goOn);
      return false;
    };
    const goOn = (): void => {
      this.#failWrite = undefined;
      while (at < chunk.length) {
        let frames: ReturnType<SecurityLayer["encode"]>;
        try {
          frames = layer.encode(chunk.subarray(at, at + stride));
        } catch (error) {
          finish(error as Error);
          return;
        }
        if (frames instanceof Promise) {
          frames.then((later) => void (send(later) && goOn()), finish);
          return;
        }
        if (!send(frames)) return;
      }
      finish();
    };
    goOn();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stream.destroy(error ?? undefined);
    done(error);
  }

  #arrived(chunk: Uint8Array): void {
    this.#input.push(chunk);
    this.#pump();
    // So the end is not told either before what came in front of it was decoded.
    if (this.#input.buffered > 0 || !this.#wanted) this.stream.pause();
  }

  /** Decodes one frame for each time that somebody wants to read. */
  #pump(): void {
    while (this.#wanted && !this.#decoding && !this.destroyed) {
      let text: ReturnType<LayerInput["next"]>;
      try {
        text = this.#input.next();
      } catch (error) {
        this.destroy(error as Error);
        return;
      }
      if (text instanceof Promise) {
        this.#decoding = true;
        const goOn = (later: Uint8Array | undefined): void => {
          this.#decoding = false;
          if (this.#take(later)) this.#pump();
        };
        text.then(goOn, (error) => this.destroy(error));
      } else if (!this.#take(text)) return;
    }
  }

  /** Hands plain text on. @returns whether to go on with the next frame: this one was empty. */
  #take(text: Uint8Array | undefined): boolean {
    if (this.destroyed) return false;
    if (text === undefined) {
      if (this.#ended) this.#finish();
      else this.stream.resume();
      return this.#input.buffered > 0; // came while the layer was at work
    }
    if (text.length === 0) return true;
    this.#wanted = false;
    this.push(text);
    return false;
  }

  #end(): void {
    this.#ended = true;
    this.#pump();
  }

  #finish(): void {
    if (this.#input.atEdge) this.push(null);
    else this.destroy(lost());
  }

  /** The stream is gone: as the end, as something that was destroyed, or inside a frame. */
  #closed(): void {
    if (!this.#ended) this.destroy(this.#input.atEdge && this.#input.buffered === 0 ? undefined : lost());
    this.#failWrite?.();
  }
}

function lost(): SASLFailure {
  return new SASLFailure("connection-lost", "the connection ended before what it was to carry");
}
