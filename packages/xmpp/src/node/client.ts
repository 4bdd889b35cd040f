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
import { tlsChannelBinding, tlsVersion } from "sasl-core/node";
import { discover } from "../discovery.js";
import { isElement, type XMLAdapter } from "../element.js";
import { normalizeDomain } from "../jid.js";
import { ltxAdapter } from "../ltx.js";
import { NS_TLS } from "../namespaces.js";
import { ClientStream, type ClientStreamOptions } from "../stream/client-stream.js";
import { type FramingLimits, SocketFraming } from "./socket-framing.js";

/** What {@link SocketStream} is opened with. */
export interface SocketStreamOptions extends ClientStreamOptions, FramingLimits {
  /**
   * Counts TLS as protection although the server's certificate was not verified. Whoever is in the middle can then read
   * what is sent, passwords of PLAIN included.
   */
  readonly allowUnverifiedCertificate?: boolean | undefined;
}

/** Elements other than those of `ltx`. */
export interface ElementCodec<E> {
  readonly adapter: XMLAdapter<E>;
  /** XML text of an element. Default: `String(element)`, which `ltx` and `@xmldom/xmldom` answer with XML. */
  readonly serialize?: ((element: E) => string) | undefined;
}

/**
 * A stream over a `net.Socket` or a `TLSSocket`, connected and read by nobody else. Call `open()` next. It is `secure`
 * over TLS with a verified certificate; for which name, with a socket that is a `TLSSocket` already, is up to its options.
 * Elements are those of `ltx` unless another codec is given.
 */
export class SocketStream<E = Element> extends ClientStream<E> {
  readonly #framing: SocketFraming<E>;
  readonly #trusting: boolean;

  constructor(
    socket: Duplex,
    options: SocketStreamOptions,
    ...codec: E extends Element ? [ElementCodec<E>?] : [ElementCodec<E>]
  ) {
    const { adapter, serialize = String } = codec[0] ?? (ltxCodec as unknown as ElementCodec<E>);
    const framing = new SocketFraming(socket, adapter, options);
    const trusting = options.allowUnverifiedCertificate === true;
    const channel =
      socket instanceof TLSSocket
        ? { secure: trusting || socket.authorized, channelBinding: tlsChannelBinding(socket) }
        : { secure: false };
    super({ framing, adapter, serialize, ...channel }, options);
    this.#framing = framing;
    this.#trusting = trusting;
  }

  /** The socket as it is now: after {@link startTLS} the TLS one. */
  get socket(): Duplex {
    return this.#framing.socket;
  }

  /** Of TLS below it; `undefined` without (XEP-0515). */
  get tlsVersion(): string | undefined {
    return this.socket instanceof TLSSocket ? tlsVersion(this.socket) : undefined;
  }

  /**
   * Asks for TLS, puts it under the stream and opens the stream anew (RFC 6120 §5.4).
   *
   * @param options for `tls.connect`. Without `servername` or `host` the certificate is checked against the domain
   *   (§13.7.2). With `rejectUnauthorized: false` the stream is not `secure` unless `allowUnverifiedCertificate` says so.
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
    if (this.socket instanceof TLSSocket || this.protect === undefined)
      throw new TypeError("the stream is protected already");
    if (discover(features, adapter).startTLS === undefined) {
      throw new SASLFailure("channel-not-protected", "the server does not offer STARTTLS");
    }
    await this.send(adapter.create("starttls", NS_TLS));
    if (!isElement(adapter, await this.receive(), "proceed", NS_TLS)) {
      throw new SASLFailure("channel-not-protected", "the server refused STARTTLS");
    }
    const socket = connect({ ...namesOf(this.options.domain), ...options, socket: this.#framing.release() });
    await handshake(socket);
    this.#framing.adopt(socket);
    this.secured(tlsChannelBinding(socket), this.#trusting || socket.authorized);
  }
}

/** What the certificate has to be for. RFC 6066 §3: no addresses in SNI, and A-labels. */
function namesOf(domain: string): ConnectionOptions {
  const host = (normalizeDomain(domain) ?? domain).replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? { host, servername: host } : { host };
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
