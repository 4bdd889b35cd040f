/**
 * The client end of SASL in XMPP. Source: RFC 6120 §6.4.
 *
 * @module
 */
import { isSASLError, SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { encodeBase64 } from "sasl-core/plugin";
import { isElement } from "./element.js";
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

  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    return this.#exclusive(() => this.#step("auth", optionalText(payload), { mechanism }));
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#exclusive(() => this.#step("response", encodeBase64(payload)));
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
      await this.#exclusive(() => this.#cancel());
    }
    return { state: "failure" };
  }

  #exclusive(step: () => Promise<SASLReply>): Promise<SASLReply> {
    if (this.#pending) return Promise.reject(new SASLFailure("unexpected-message", "an answer is still awaited"));
    this.#cancelled = false;
    this.#pending = step().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #step(name: string, text: string, attributes?: Record<string, string>): Promise<SASLReply> {
    const element = await this.#roundTrip(name, text, attributes);
    const reply = await this.#read(element);
    if (this.#cancelled) {
      if (this.#open) await this.#cancel();
      throw new SASLFailure("aborted", "authentication was aborted");
    }
    return reply;
  }

  async #cancel(): Promise<SASLReply> {
    const { adapter } = this.#transport;
    const element = await this.#roundTrip("abort", "");
    this.#open = false;
    if (isElement(adapter, element, "failure", NS_SASL)) return { state: "failure" };
    throw this.#stray(element);
  }

  async #read(element: E): Promise<SASLReply> {
    const { adapter } = this.#transport;
    this.#open = false;
    // RFC 6120 §6.4.6: only in this namespace; the transport hands over nothing but children of the stream.
    switch (adapter.namespace(element) === NS_SASL && adapter.name(element)) {
      case "challenge":
        this.#open = true;
        try {
          return { state: "challenge", payload: readPayload(adapter, element, this.#maxBytes) ?? new Uint8Array(0) };
        } catch (error) {
          await this.#cancel().catch(() => {}); // the first fault is the one to tell
          throw error;
        }
      case "success":
        return { state: "success", payload: readPayload(adapter, element, this.#maxBytes) };
      case "failure":
        throw parseFailure(element, adapter);
      default:
        throw this.#stray(element);
    }
  }

  /** No white space before, between or after (RFC 6120 §6.3.5): one element out, one in. */
  async #roundTrip(name: string, text: string, attributes?: Record<string, string>): Promise<E> {
    const { adapter } = this.#transport;
    this.#open = true;
    try {
      await this.#transport.send(adapter.create(name, NS_SASL, attributes, text ? [text] : []));
      return await this.#transport.receive();
    } catch (cause) {
      this.#open = false;
      throw isSASLError(cause) ? cause : new SASLFailure("connection-lost", "the stream ended", { cause });
    }
  }

  #stray(opaqueError: E): SASLFailure {
    const { adapter } = this.#transport;
    return isElement(adapter, opaqueError, "error", NS_STREAM)
      ? new SASLFailure("connection-lost", "the server closed the stream with an error", { opaqueError })
      : new SASLFailure("unexpected-message", "the server sent something else than an answer", { opaqueError });
  }
}
