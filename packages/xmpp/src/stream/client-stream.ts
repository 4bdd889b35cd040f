/**
 * The client end of a stream: open it, read its features, restart it after authentication, close it. Source: RFC 6120 §4.
 *
 * @module
 */
import { type ChannelBinding, SASLFailure, type SecurityLayer } from "sasl-core";
import { type Attributes, isElement, type XMLAdapter } from "../element.js";
import { NS_STREAM } from "../namespaces.js";
import type { ElementTransport } from "../transport.js";
import { failureOf, formatStreamError, isStreamError, parseStreamError, StreamViolation } from "./conditions.js";
import type { Framing, StreamEvent } from "./framing.js";

/** What a client stream is opened with. */
export interface ClientStreamOptions {
  /** The `to` of the stream header: the domain of the account. */
  readonly domain: string;
  /** Bare JID for the `from` of the header. Sent over protected streams alone (RFC 6120 §4.7.1). */
  readonly from?: string | undefined;
  /** Preferred language, `xml:lang` of the header. */
  readonly lang?: string | undefined;
  /** Time for each of opening, restarting and STARTTLS, in milliseconds. Default 30000. */
  readonly timeoutMs?: number | undefined;
  /** Aborted: the connection is ended and whoever waits gets `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/** What a {@link ClientStream} works on. */
export interface ClientStreamParts<E> {
  readonly framing: Framing<E>;
  readonly adapter: XMLAdapter<E>;
  /** XML text of an element. */
  readonly serialize: (element: E) => string;
  readonly secure: boolean;
  readonly channelBinding?: ChannelBinding | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** An open stream is an {@link ElementTransport}: hand it to `authenticate`. */
export class ClientStream<E> implements ElementTransport<E> {
  readonly adapter: XMLAdapter<E>;
  protected readonly parts: ClientStreamParts<E>;
  protected readonly options: ClientStreamOptions;
  #secure: boolean;
  #channelBinding: ChannelBinding | undefined;
  #id: string | undefined;
  #features: E | undefined;
  #from: string | undefined;
  #opened = false;
  /** What the server sends once this end is authenticated: a header, or, after SASL2, features or not even these. */
  #ahead: "header" | "features" | "nothing" = "header";
  #closed = false;
  #layered = false;

  constructor(parts: ClientStreamParts<E>, options: ClientStreamOptions) {
    this.parts = parts;
    this.options = options;
    this.adapter = parts.adapter;
    this.#secure = parts.secure;
    this.#channelBinding = parts.channelBinding;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => this.close();

  get secure(): boolean {
    return this.#secure;
  }

  /** The domain that it is to. */
  get host(): string {
    return this.options.domain;
  }

  get channelBinding(): ChannelBinding | undefined {
    return this.#channelBinding;
  }

  /** What the header of the stream as it is now said; `undefined` in a stream that is not protected. */
  get from(): string | undefined {
    return this.#from;
  }

  /** For `authenticate`: SASL2 has succeeded, and `restart` reads the features that follow, where some do. */
  proceed({ resumed }: { readonly resumed: boolean } = { resumed: false }): void {
    this.#ahead = resumed ? "nothing" : "features";
    this.#features = undefined; // R-XMPP-11
    this.parts.framing.proceed?.();
  }

  /** For `authenticate`: puts a security layer under the stream, once. `undefined` where the connection cannot carry one. */
  get protect(): ((layer: SecurityLayer) => void) | undefined {
    return this.parts.framing.protect && !this.#layered ? this.#protect : undefined;
  }

  /** RFC 6120 §6.3.6: nothing that was learnt before the layer counts any more. */
  readonly #protect = (layer: SecurityLayer): void => {
    this.parts.framing.protect?.(layer);
    this.#layered = true;
    this.secured(this.#channelBinding, this.#secure || layer.ssf > 1);
  };

  /** The stream id the server gave. */
  get id(): string | undefined {
    return this.#id;
  }

  /** The features of the stream as it is now; `undefined` before it is open. */
  get features(): E | undefined {
    return this.#features;
  }

  /**
   * Sends a stream header, and reads the server's header and features.
   *
   * @returns the `features` element.
   * @throws {SASLFailure} `connection-lost` also for a stream error, which is in `opaqueError` then; `unexpected-message`
   *   and `incorrect-encoding` for what is no stream; `timed-out`.
   */
  open(): Promise<E> {
    return this.timed(() => this.#open());
  }

  /**
   * Goes on after authentication: with a new header (RFC 6120 §6.4.6) or, after SASL2, in the stream as it is (XEP-0388
   * §2.6.1). Everything announced before is forgotten.
   *
   * @returns the new `features`; empty ones, at once, where an earlier stream was resumed (XEP-0198 §9.2).
   */
  async restart(): Promise<E> {
    const ahead = this.#ahead;
    this.#ahead = "header";
    switch (ahead) {
      case "header":
        this.parts.framing.restart(true);
        return this.open();
      case "features":
        return this.timed(() => this.#readFeatures());
      case "nothing":
        this.#features = this.adapter.create("features", NS_STREAM);
        return this.#features;
    }
  }

  async send(element: E): Promise<void> {
    if (this.#closed) throw new SASLFailure("connection-lost", "the stream is closed");
    await this.parts.framing.write(this.parts.serialize(element));
  }

  /**
   * The next element.
   *
   * @throws {SASLFailure} `connection-lost` when the stream ends, with the server's reason in `opaqueError` if it gave one.
   */
  async receive(): Promise<E> {
    const event = await this.#next();
    if (event.type === "element") return event.element;
    this.close();
    throw new SASLFailure("connection-lost", "the server closed the stream");
  }

  /** Says that the stream ends, and ends the connection when everything has gone out (RFC 6120 §4.4). */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.options.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#opened) this.parts.framing.close();
    this.parts.framing.end();
  }

  async #open(): Promise<E> {
    const { domain, from, lang } = this.options;
    this.#features = undefined; // R-XMPP-11
    const attributes: Record<string, string> = { to: domain, version: "1.0" };
    this.#from = this.#secure ? from : undefined;
    if (this.#from !== undefined) attributes.from = this.#from;
    if (lang !== undefined) attributes["xml:lang"] = lang;
    this.parts.framing.open(attributes);
    this.#opened = true;
    const event = await this.#next();
    if (event.type !== "open") throw this.#unexpected("something else than a stream header");
    this.#checkHeader(event.header.objection, event.header.attributes);
    this.#id = event.header.attributes.id;
    return this.#readFeatures();
  }

  async #readFeatures(): Promise<E> {
    const features = await this.receive();
    if (!isElement(this.adapter, features, "features", NS_STREAM)) {
      throw this.#unexpected("something else than stream features");
    }
    this.#features = features;
    return features;
  }

  #checkHeader(objection: string | undefined, attributes: Attributes): void {
    if (objection !== undefined)
      throw this.#violated(new StreamViolation("invalid-namespace", "this is no XMPP stream"));
    // RFC 6120 §4.7.5: without version 1.0 there are no features, and no SASL.
    if (!/^1\.\d{1,9}$/.test(attributes.version ?? "")) {
      throw this.#violated(new StreamViolation("unsupported-version", "the server does not speak XMPP 1.0"));
    }
  }

  async #next(): Promise<StreamEvent<E>> {
    const { framing, adapter } = this.parts;
    let event: StreamEvent<E>;
    try {
      event = await framing.next();
    } catch (error) {
      if (this.options.signal?.aborted) throw this.#aborted();
      throw error instanceof StreamViolation ? this.#violated(error) : error;
    }
    if (event.type !== "element" || !isStreamError(event.element, adapter)) return event;
    this.close(); // RFC 6120 §4.9.1.1: a stream error is the end
    throw parseStreamError(event.element, adapter);
  }

  #aborted(): SASLFailure {
    return new SASLFailure("aborted", "the connection was given up", { cause: this.options.signal?.reason });
  }

  #unexpected(what: string): SASLFailure {
    this.close();
    return new SASLFailure("unexpected-message", `the server sent ${what}`);
  }

  /** Tells the server what it did wrong, and ends the stream. */
  #violated(violation: StreamViolation): SASLFailure {
    if (!this.#closed) void this.parts.framing.write(formatStreamError(violation.condition));
    this.close();
    return failureOf(violation);
  }

  /** For a subclass that puts TLS under the stream: what was learnt before is forgotten. @param secure whether it is known who is at the other end of it. */
  protected secured(channelBinding: ChannelBinding | undefined, secure: boolean): void {
    this.#secure = secure;
    this.#channelBinding = channelBinding;
    this.#id = undefined;
    this.#features = undefined;
  }

  /** Runs a step within the time limit and the signal; the connection is ended when either says so. */
  protected async timed<T>(step: () => Promise<T>): Promise<T> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = this.options;
    let stop: (failure: SASLFailure) => void = () => {};
    const stopped = new Promise<never>((_, reject) => {
      stop = reject;
    });
    const onAbort = () => stop(this.#aborted());
    const timer = setTimeout(() => stop(new SASLFailure("timed-out", `no answer within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      return await Promise.race([stopped, step()]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
