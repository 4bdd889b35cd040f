/**
 * A stream over TCP or TLS sockets. Source: RFC 6120 §3, §4.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { SASLFailure, type SecurityLayer } from "sasl-core";
import { asSASLError } from "sasl-core/plugin";
import type { Attributes, XMLAdapter } from "../element.js";
import { NS_CLIENT, NS_STREAM } from "../namespaces.js";
import { escapeXML } from "../stream/conditions.js";
import { authenticatedXMLLimits, type Framing, type StreamEvent, type XMLLimits } from "../stream/framing.js";
import { XMLStreamReader } from "../stream/reader.js";
import { InOrder } from "./in-order.js";

const encoder = new TextEncoder();

/** How long the other side may take to close its end, in milliseconds. */
const LINGER_MS = 2000;

/** How listeners find their framing: one set of functions for all sockets, no closures for each. */
const owner: unique symbol = Symbol("sasl-xmpp.framing");

type OwnedSocket = Duplex & { [owner]?: SocketFraming<unknown> | undefined };

interface Waiter<E> {
  resolve(event: StreamEvent<E>): void;
  reject(error: unknown): void;
}

/** A security layer at work. */
interface Protection {
  readonly layer: SecurityLayer;
  readonly inbound: InOrder<readonly Uint8Array[]>;
  readonly outbound: InOrder<Uint8Array>;
}

/** Limits other than the defaults, before and after authentication. */
export interface FramingLimits {
  /** Until somebody has authenticated. */
  readonly limits?: Partial<XMLLimits> | undefined;
  /** Afterwards. */
  readonly authenticatedLimits?: Partial<XMLLimits> | undefined;
}

/** Frames a stream over a socket. The socket is read by nobody else. */
export class SocketFraming<E> implements Framing<E> {
  onLost: (() => void) | undefined;
  heardAt: number = Date.now();
  #socket: Duplex;
  readonly #adapter: XMLAdapter<E>;
  readonly #limits: FramingLimits;
  /** Made at the first octet: a connection that says nothing costs little. */
  #reader: XMLStreamReader<E> | undefined;
  #waiter: Waiter<E> | undefined;
  #lost: SASLFailure | undefined;
  #ended = false;
  /** TLS has the socket; nothing in the clear may be written any more. */
  #released = false;
  #protection: Protection | undefined;
  /** While the socket takes no more. */
  #draining: { readonly socket: Duplex; readonly over: Promise<void> } | undefined;

  constructor(socket: Duplex, adapter: XMLAdapter<E>, limits: FramingLimits = {}) {
    this.#socket = socket;
    this.#adapter = adapter;
    this.#limits = limits;
    this.#attach();
    if (socket.destroyed) this.fail(new SASLFailure("connection-lost", "the connection is closed"));
  }

  /** The socket as it is now. */
  get socket(): Duplex {
    return this.#socket;
  }

  next(): Promise<StreamEvent<E>> {
    return new Promise((resolve, reject) => {
      if (this.#waiter) throw new TypeError("somebody is already waiting for the next element");
      this.#waiter = { resolve, reject };
      this.#pump();
      if (this.#waiter && this.#socket.isPaused()) this.#socket.resume();
    });
  }

  open(attributes: Attributes): void {
    const written = Object.entries(attributes).map(([name, value]) => ` ${name}='${escapeXML(value)}'`);
    this.write(
      `<?xml version='1.0'?><stream:stream xmlns='${NS_CLIENT}' xmlns:stream='${NS_STREAM}'${written.join("")}>`,
    );
  }

  write(xml: string): void | Promise<void> {
    const socket = this.#socket;
    if (this.#released || !socket.writable) return;
    if (this.#protection === undefined) {
      socket.write(xml);
      return this.#drained();
    }
    const { layer, outbound } = this.#protection;
    outbound.add(() => layer.encode(encoder.encode(xml)));
    return outbound.idle ? this.#drained() : outbound.whenIdle().then(() => this.#drained());
  }

  /** Resolves when the socket takes more. */
  #drained(): void | Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || !socket.writableNeedDrain) return;
    // One for all who wait: many may write at the same time.
    if (this.#draining?.socket === socket) return this.#draining.over;
    const over = new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done);
        this.#draining = undefined;
        resolve();
      };
      socket.on("drain", done).on("close", done);
    });
    this.#draining = { socket, over };
    return over;
  }

  close(): void {
    this.write("</stream:stream>");
  }

  restart(authenticated = false): void {
    this.#reader?.restart(authenticated ? this.#wider : {});
  }

  proceed(): void {
    this.#reader?.limit(this.#wider);
  }

  get #wider(): Partial<XMLLimits> {
    return { ...authenticatedXMLLimits, ...this.#limits.authenticatedLimits };
  }

  discard(): boolean {
    const some = this.#reader?.pending === true || this.#socket.readableLength > 0;
    this.#reader?.discard();
    if (this.#socket.readableLength > 0) this.#socket.read();
    return some;
  }

  protect(layer: SecurityLayer): void {
    if (this.#protection) throw new TypeError("there is a security layer already");
    const broken = (error: unknown) => this.#broken(error);
    this.#protection = {
      layer,
      inbound: new InOrder((texts: readonly Uint8Array[]) => this.#take(...texts), broken),
      outbound: new InOrder((frames: Uint8Array) => this.#send(frames), broken),
    };
    const rest = this.#reader?.takeRest();
    if (rest?.length) this.feed(rest);
  }

  /** Half-closes; what the other side still says is read and dropped, for a while. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (this.#released) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
    if (this.#protection?.outbound.idle === false) {
      void this.#protection.outbound.whenIdle().then(() => socket.end());
    } else {
      socket.end();
    }
    this.fail(new SASLFailure("connection-lost", "the stream is closed"));
    socket.resume();
  }

  /** Lets go of the socket, so that TLS can take it, with nothing read from it left over (R-XMPP-20). */
  release(): Duplex {
    this.discard();
    const socket = this.#socket;
    socket.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
    (socket as OwnedSocket)[owner] = undefined;
    socket.on("error", ignore); // TLS reports it
    this.#released = true;
    return socket;
  }

  /** Goes on over another socket: the TLS one. */
  adopt(socket: Duplex): void {
    this.#socket = socket;
    this.#reader = undefined;
    this.#released = false;
    this.#attach();
  }

  #attach(): void {
    const socket = this.#socket;
    (socket as OwnedSocket)[owner] = this as SocketFraming<unknown>;
    socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  }

  /** @internal */
  feed(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.heardAt = Date.now();
    if (this.#protection === undefined) {
      this.#take(chunk);
      return;
    }
    const { layer, inbound } = this.#protection;
    inbound.add(() => layer.decode(chunk));
    if (!inbound.idle) this.#socket.pause(); // until that has been taken
  }

  #take(...chunks: readonly Uint8Array[]): void {
    if (this.#ended) return;
    this.#reader ??= new XMLStreamReader(this.#adapter, this.#limits.limits);
    for (const chunk of chunks) this.#reader.push(chunk);
    if (this.#waiter) this.#pump();
    else this.#socket.pause(); // at most this chunk waits
    if (this.#waiter && this.#socket.isPaused()) this.#socket.resume();
  }

  #send(frames: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(frames);
  }

  /** R-GEN-23: the connection goes, with everything that was not verified. */
  #broken(error: unknown): void {
    this.fail(asSASLError(error, "temporary", "the security layer failed") as SASLFailure);
    this.#socket.destroy();
  }

  /** Nothing more will come, for this reason or one before. @internal */
  fail(reason: SASLFailure): void {
    this.#lost ??= reason;
    this.#pump();
  }

  /** A layer that answers later may still have something for whoever waits. */
  get #decoding(): boolean {
    return !this.#ended && this.#protection?.inbound.idle === false;
  }

  /** Gives whoever waits what there is, and why there is no more once everything has been given. */
  #pump(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    try {
      const event = this.#reader?.next();
      if (event === undefined && this.#reader?.busy) {
        setImmediate(() => this.#pump());
        return;
      }
      if (event === undefined && (this.#lost === undefined || this.#decoding)) return;
      this.#waiter = undefined;
      if (event) waiter.resolve(event);
      else waiter.reject(this.#lost);
    } catch (violation) {
      this.#waiter = undefined;
      waiter.reject(violation);
    }
  }
}

function ignore(): void {}

function onData(this: OwnedSocket, chunk: Uint8Array): void {
  this[owner]?.feed(chunk);
}

function onEnd(this: OwnedSocket): void {
  this[owner]?.fail(new SASLFailure("connection-lost", "the peer closed the connection"));
}

function onError(this: OwnedSocket, cause: unknown): void {
  this[owner]?.fail(new SASLFailure("connection-lost", "the connection failed", { cause }));
}

function onClose(this: OwnedSocket): void {
  const framing = this[owner];
  framing?.fail(new SASLFailure("connection-lost", "the connection is closed"));
  framing?.onLost?.();
}
