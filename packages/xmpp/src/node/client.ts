/**
 * The client end of a stream over a socket that the application opened.
 *
 * @module
 */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect, TLSSocket } from "node:tls";
import { Element } from "ltx";
import { SASLFailure } from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { discover } from "../discovery.js";
import { isElement, type XMLAdapter } from "../element.js";
import { ltxAdapter } from "../ltx.js";
import { NS_TLS } from "../namespaces.js";
import { ClientStream, type ClientStreamOptions } from "../stream/client-stream.js";
import { type FramingLimits, SocketFraming } from "./socket-framing.js";

/** What {@link SocketStream} is opened with. */
export interface SocketStreamOptions extends ClientStreamOptions, FramingLimits {}

/** Elements other than those of `ltx`. */
export interface ElementCodec<E> {
  readonly adapter: XMLAdapter<E>;
  /** XML text of an element. Default: `String(element)`, which `ltx` and `@xmldom/xmldom` answer with XML. */
  readonly serialize?: ((element: E) => string) | undefined;
}

/**
 * A stream over a `net.Socket` or a `TLSSocket`, connected and read by nobody else. Call `open()` next.
 * Elements are those of `ltx` unless another codec is given.
 */
export class SocketStream<E = Element> extends ClientStream<E> {
  readonly #framing: SocketFraming<E>;

  constructor(
    socket: Duplex,
    options: SocketStreamOptions,
    ...codec: E extends Element ? [ElementCodec<E>?] : [ElementCodec<E>]
  ) {
    const { adapter, serialize = String } = codec[0] ?? (ltxCodec as unknown as ElementCodec<E>);
    const framing = new SocketFraming(socket, adapter, options);
    const secure = socket instanceof TLSSocket;
    super(
      { framing, adapter, serialize, secure, channelBinding: secure ? tlsChannelBinding(socket) : undefined },
      options,
    );
    this.#framing = framing;
  }

  /** The socket as it is now: after {@link startTLS} the TLS one. */
  get socket(): Duplex {
    return this.#framing.socket;
  }

  /**
   * Asks for TLS, puts it under the stream and opens the stream anew (RFC 6120 §5.4).
   *
   * @param options for `tls.connect`. Without `servername` the certificate is checked against the domain (§13.7.2).
   * @returns the new `features`.
   * @throws {SASLFailure} `channel-not-protected` when the server does not offer TLS or refuses it: never go on in the
   *   clear then (R-XMPP-03). `connection-lost` when the handshake fails, with the reason as `cause`.
   */
  async startTLS(options: ConnectionOptions = {}): Promise<E> {
    await this.timed(() => this.#upgrade(options));
    return this.open();
  }

  async #upgrade(options: ConnectionOptions): Promise<void> {
    const { adapter, features } = this;
    if (features === undefined) throw new TypeError("open the stream first");
    if (this.secure) throw new TypeError("the stream is protected already");
    if (discover(features, adapter).startTLS === undefined) {
      throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
    }
    await this.send(adapter.create("starttls", NS_TLS));
    if (!isElement(adapter, await this.receive(), "proceed", NS_TLS)) {
      throw new SASLFailure("channel-not-protected", "the server refused STARTTLS");
    }
    const { domain } = this.options;
    const socket = connect({
      ...(isIP(domain) === 0 ? { servername: domain } : {}),
      ...options,
      socket: this.#framing.release(),
    });
    await handshake(socket);
    this.#framing.adopt(socket);
    this.secured(tlsChannelBinding(socket));
  }
}

/** Resolves when the handshake of a client is done. */
function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) =>
      reject(new SASLFailure("connection-lost", "the TLS handshake failed", { cause }));
    socket.once("error", failed).once("close", failed);
    socket.once("secureConnect", () => {
      socket.off("error", failed).off("close", failed);
      resolve();
    });
  });
}

const ltxCodec: ElementCodec<Element> = { adapter: ltxAdapter(Element) };
