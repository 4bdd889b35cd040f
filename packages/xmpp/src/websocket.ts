/**
 * `sasl-xmpp/websocket`: XMPP over WebSocket, in browsers and wherever there is a `WebSocket`. Source: RFC 7395.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { type DOMDocumentLike, type DOMElementLike, domAdapter } from "./dom.js";
import { type Attributes, isElement, type XMLAdapter } from "./element.js";
import { NS_FRAMING, NS_STREAM } from "./namespaces.js";
import { ClientStream, type ClientStreamOptions } from "./stream/client-stream.js";
import { escapeXML, StreamViolation } from "./stream/conditions.js";
import { authenticatedXMLLimits, defaultXMLLimits, type Framing, type StreamEvent } from "./stream/framing.js";

/** What is used of a `WebSocket`: a browser's own, Node's, or that of `ws`. */
export interface WebSocketLike {
  readonly url?: string;
  readonly protocol: string;
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** How elements become text and text elements. */
export interface XMLCodec<E> {
  readonly adapter: XMLAdapter<E>;
  /** One complete element. Throws for anything else; what it throws counts as `not-well-formed`. */
  readonly parse: (xml: string) => E;
  readonly serialize: (element: E) => string;
}

/** What a {@link WebSocketFraming} may be told. */
export interface WebSocketFramingOptions {
  /** Longest message accepted before authentication, in UTF-16 units. Default 98304. */
  readonly maxMessageLength?: number | undefined;
  /** Longest message accepted afterwards. Default 10485760. */
  readonly maxAuthenticatedLength?: number | undefined;
}

const OPEN = 1;

/**
 * An error without the declaration that RFC 7395 §3.3.3 asks for, as Prosody sends it when a session is replaced or ended: it
 * says why, and is not to be lost.
 */
const undeclared = /^<stream:error(?=[\s/>])(?![^>]*\sxmlns:stream=)/;

/** Messages that nobody asked for yet may together be so many times as long as one. */
const WAITING_MESSAGES = 4;

/** Frames a stream over a WebSocket, client or server side. */
export class WebSocketFraming<E> implements Framing<E> {
  onLost: (() => void) | undefined;
  readonly #socket: WebSocketLike;
  readonly #codec: XMLCodec<E>;
  readonly #options: WebSocketFramingOptions;
  #maxLength: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #reader: { resolve: (message: string) => void; reject: (error: unknown) => void } | undefined;
  #ended: SASLFailure | StreamViolation | undefined;

  constructor(socket: WebSocketLike, codec: XMLCodec<E>, options: WebSocketFramingOptions = {}) {
    this.#socket = socket;
    this.#codec = codec;
    this.#options = options;
    this.#maxLength = options.maxMessageLength ?? defaultXMLLimits.maxElementBytes;
    socket.addEventListener("message", (event) => this.#take(event.data));
    socket.addEventListener("close", () => this.#lost());
    socket.addEventListener("error", () => this.#lost());
  }

  /** Resolves when the WebSocket is open; @throws {SASLFailure} `connection-lost`, `unexpected-message` without the subprotocol. */
  async connected(): Promise<void> {
    if (this.#socket.readyState < OPEN) {
      await new Promise<void>((resolve, reject) => {
        this.#socket.addEventListener("open", resolve);
        this.#reader = { resolve: () => resolve(), reject };
      });
      this.#reader = undefined;
    }
    // RFC 7395 §3.1: a server that did not choose the subprotocol does not speak it.
    if (this.#socket.protocol !== "xmpp") throw new SASLFailure("unexpected-message", "no XMPP on this WebSocket");
  }

  async next(): Promise<StreamEvent<E>> {
    const message = this.#waiting.shift();
    this.#waitingLength -= message?.length ?? 0;
    return this.#read(message ?? (await this.#wait()));
  }

  open(attributes: Attributes): void {
    const written = Object.entries(attributes).map(([name, value]) => ` ${name}='${escapeXML(value)}'`);
    this.write(`<open xmlns='${NS_FRAMING}'${written.join("")}/>`);
  }

  write(xml: string): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(xml);
  }

  close(): void {
    this.write(`<close xmlns='${NS_FRAMING}'/>`);
  }

  /** Nothing to forget: each message stands alone (RFC 7395 §3.7). */
  restart(authenticated = false): void {
    if (authenticated) this.proceed();
  }

  proceed(): void {
    this.#maxLength = this.#options.maxAuthenticatedLength ?? authenticatedXMLLimits.maxElementBytes;
  }

  discard(): boolean {
    const some = this.#waiting.length > 0;
    this.#waiting = [];
    this.#waitingLength = 0;
    return some;
  }

  end(): void {
    this.#socket.close();
  }

  #wait(): Promise<string> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  #take(data: unknown): void {
    if (this.#ended) return;
    if (typeof data !== "string") {
      this.#stop(new StreamViolation("bad-format", "a binary message")); // RFC 7395 §3.2
    } else if (data.length > this.#maxLength) {
      this.#stop(new StreamViolation("policy-violation", "a message too long"));
    } else if (this.#reader) {
      this.#reader.resolve(data);
      this.#reader = undefined;
    } else if (this.#waitingLength + data.length > WAITING_MESSAGES * this.#maxLength) {
      this.#stop(new StreamViolation("policy-violation", "too many messages"));
    } else {
      this.#waitingLength += data.length;
      this.#waiting.push(data);
    }
  }

  #lost(): void {
    const first = this.#ended === undefined;
    this.#stop(new SASLFailure("connection-lost", "the WebSocket is closed"));
    if (first) this.onLost?.();
  }

  #stop(reason: SASLFailure | StreamViolation): void {
    this.#ended ??= reason;
    this.#reader?.reject(this.#ended);
    this.#reader = undefined;
  }

  /** RFC 7395 §3.3: each message is one element; `open` and `close` stand for the stream's tags. */
  #read(message: string): StreamEvent<E> {
    const { adapter, parse } = this.#codec;
    if (!message.startsWith("<"))
      throw new StreamViolation("bad-format", "a message that does not start with an element"); // §3.3.3
    let element: E;
    try {
      element = parse(message.replace(undeclared, `$& xmlns:stream='${NS_STREAM}'`));
    } catch (error) {
      throw error instanceof StreamViolation ? error : new StreamViolation("not-well-formed", "ill-formed XML");
    }
    if (isElement(adapter, element, "close", NS_FRAMING)) return { type: "close" };
    if (!isElement(adapter, element, "open", NS_FRAMING)) return { type: "element", element };
    const attributes: Record<string, string> = Object.create(null);
    for (const name of ["to", "from", "id", "version", "xml:lang"]) {
      const value = adapter.attribute(element, name);
      if (value !== undefined) attributes[name] = value;
    }
    return { type: "open", header: { attributes, objection: undefined } };
  }
}

/** What is used of a `DOMParser`. */
export interface DOMParserLike {
  parseFromString(text: string, type: "text/xml"): { readonly documentElement: DOMElementLike | null };
}

/** What is used of an `XMLSerializer`. */
export interface XMLSerializerLike {
  serializeToString(node: never): string;
}

/**
 * A codec on a DOM parser: `domCodec(new DOMParser(), new XMLSerializer(), document)` in a browser, or the three of
 * `@xmldom/xmldom`. Refuses DTDs, comments, processing instructions and their entities before parsing (RFC 6120 §11.1),
 * and with them the same characters in CDATA.
 */
export function domCodec<E extends DOMElementLike>(
  parser: DOMParserLike,
  serializer: XMLSerializerLike,
  document: DOMDocumentLike<E>,
): XMLCodec<E> {
  return {
    adapter: domAdapter(document),
    parse(xml) {
      if (/<(?:\?|!(?!\[CDATA\[))/.test(xml))
        throw new StreamViolation("restricted-xml", "DTD, comment or instruction");
      const root = parser.parseFromString(xml, "text/xml").documentElement;
      // Browsers report errors as a document, or within one.
      if (!root || hasParserError(root)) throw new StreamViolation("not-well-formed", "ill-formed XML");
      return root as E;
    },
    serialize: (element) => serializer.serializeToString(element as never),
  };
}

/** What browsers put in place of what they could not parse, at the top or below. */
function hasParserError(root: DOMElementLike): boolean {
  const isError = (node: unknown) => (node as DOMElementLike).localName === "parsererror";
  const below = root.firstChild;
  return (
    isError(root) || (below !== null && (isError(below) || (below.firstChild !== null && isError(below.firstChild))))
  );
}

/** What {@link websocketStream} is opened with. */
export interface WebSocketStreamOptions extends ClientStreamOptions, WebSocketFramingOptions {
  /** Whether the connection is protected. Default: its URL starts with `wss:`. */
  readonly secure?: boolean | undefined;
}

/**
 * The client end of a stream over a WebSocket made with the subprotocol `xmpp`. Call `open()` next. Browsers do not tell
 * what TLS they use, so there is no channel binding.
 *
 * @param socket connecting or open, and read by nobody else.
 */
export function websocketStream<E>(
  socket: WebSocketLike,
  codec: XMLCodec<E>,
  options: WebSocketStreamOptions,
): ClientStream<E> {
  const framing = new WebSocketFraming(socket, codec, options);
  const secure = options.secure ?? socket.url?.startsWith("wss:") === true;
  return new WebSocketStream({ ...codec, framing, secure }, options, () => framing.connected());
}

class WebSocketStream<E> extends ClientStream<E> {
  readonly #connected: () => Promise<void>;

  constructor(
    parts: ConstructorParameters<typeof ClientStream<E>>[0],
    options: ClientStreamOptions,
    connected: () => Promise<void>,
  ) {
    super(parts, options);
    this.#connected = connected;
  }

  override async open(): Promise<E> {
    await this.timed(this.#connected);
    return super.open();
  }
}
