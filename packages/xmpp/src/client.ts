/**
 * The client end of SASL in XMPP. Source: RFC 6120 §6.4.
 *
 * @module
 */
import { SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { asSASLError, encodeBase64 } from "sasl-core/plugin";
import { type Attributes, isElement } from "./element.js";
import { parseFailure } from "./errors.js";
import { NS_SASL, NS_STREAM } from "./namespaces.js";
import { DEFAULT_MAX_MESSAGE_BYTES, optionalText, readPayload } from "./payload.js";
import type { ElementTransport } from "./transport.js";

/** What a {@link SASLClient} may be told. */
export interface SASLClientOptions {
  /** Longest message accepted from the server, in octets after base64. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
}

/**
 * Speaks SASL over a stream of elements: `initiate` sends `auth`, `respond` sends `response`, and what comes back is the
 * reply. One exchange at a time, any number after each other. Whether `success` is to be believed is the mechanism's
 * decision, not this class's.
 */
export class SASLClient<E> implements SASLInterface {
  readonly #transport: ElementTransport<E>;
  readonly #maxBytes: number;
  /** The server owes an answer, or we do. */
  #open = false;
  #pending: Promise<SASLReply> | undefined;
  #cancelled = false;

  constructor(transport: ElementTransport<E>, options: SASLClientOptions = {}) {
    this.#transport = transport;
    this.#maxBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  }

  get secure(): boolean {
    return this.#transport.secure;
  }

  get layers(): boolean {
    return this.#transport.protect !== undefined;
  }

  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    return this.#exclusive("auth", optionalText(payload), { mechanism });
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#exclusive("response", encodeBase64(payload));
  }

  /**
   * Sends `abort` and waits for the failure that answers it (RFC 6120 §6.4.4). While the answer to another message is
   * awaited, it is sent after that answer, for an abort that crosses a success would hit the new stream; the other call
   * then rejects with `aborted`. Without an exchange nothing is sent.
   */
  async abort(): Promise<SASLReply> {
    if (this.#pending) {
      this.#cancelled = true;
      await this.#pending.catch(() => {});
    } else if (this.#open) {
      await this.#exclusive("abort", "");
    }
    return { state: "failure" };
  }

  async #exclusive(name: string, text: string, attributes?: Attributes): Promise<SASLReply> {
    if (this.#pending) throw new SASLFailure("unexpected-message", "an answer is missing");
    this.#cancelled = false;
    this.#pending = this.#step(name, text, attributes);
    try {
      return await this.#pending;
    } finally {
      this.#pending = undefined;
    }
  }

  async #step(name: string, text: string, attributes?: Attributes): Promise<SASLReply> {
    const reply = await this.#roundTrip(name, text, attributes);
    if (this.#cancelled) {
      if (this.#open) await this.#roundTrip("abort", "");
      throw new SASLFailure("aborted", "authentication was aborted");
    }
    return reply;
  }

  /** No white space before, between or after (RFC 6120 §6.3.5): one element out, one in. */
  async #roundTrip(name: string, text: string, attributes?: Attributes): Promise<SASLReply> {
    const { adapter } = this.#transport;
    let element: E;
    this.#open = true;
    try {
      await this.#transport.send(adapter.create(name, NS_SASL, attributes, text ? [text] : []));
      element = await this.#transport.receive();
    } catch (error) {
      this.#open = false;
      throw asSASLError(error, "connection-lost", "the connection failed");
    }
    // RFC 6120 §6.4.6: only in this namespace; the transport hands over nothing but children of the stream.
    const state = adapter.namespace(element) === NS_SASL && adapter.name(element);
    const aborted = name === "abort";
    this.#open = state === "challenge" && !aborted;
    if (state === "failure") {
      if (aborted) return { state };
      throw parseFailure(element, adapter);
    }
    if (aborted || (state !== "challenge" && state !== "success")) {
      const ended = isElement(adapter, element, "error", NS_STREAM);
      throw new SASLFailure(ended ? "connection-lost" : "unexpected-message", "no answer", { opaqueError: element });
    }
    try {
      const payload = readPayload(adapter, element, this.#maxBytes);
      return { state, payload: payload ?? (this.#open ? new Uint8Array(0) : undefined) } as SASLReply;
    } catch (error) {
      if (this.#open) await this.#roundTrip("abort", "").catch(() => {}); // the first fault is the one to tell
      throw error;
    }
  }
}
