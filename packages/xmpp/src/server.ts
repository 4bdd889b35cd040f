/**
 * The server end of SASL in XMPP: one exchange, from the `auth` that starts it to its outcome. Source: RFC 6120 §6.4.
 *
 * @module
 */
import { isSASLError, SASLFailure, type SASLInterface, type SASLReply, type ServeOutcome } from "sasl-core";
import { encodeBase64 } from "sasl-core/plugin";
import { isElement } from "./element.js";
import { type FormatFailureOptions, formatFailure } from "./errors.js";
import { NS_SASL } from "./namespaces.js";
import { DEFAULT_MAX_MESSAGE_BYTES, optionalText, readPayload } from "./payload.js";
import type { ElementTransport } from "./transport.js";

/** What {@link serve} may be told. */
export interface ServeOptions {
  /** Longest message accepted from the client, in octets after base64. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
  /** Text to send with a failure; left out, a failure carries its condition alone. */
  readonly failureText?: ((error: Extract<ServeOutcome, { ok: false }>["error"]) => FormatFailureOptions) | undefined;
}

/** How an exchange ended. */
export type XMPPServeOutcome<E> = ServeOutcome & {
  /**
   * Another `auth` that the client sent before the end: the exchange was discarded, and counts as a failure like any
   * other, but is not answered. Hand this element to {@link serve} next (RFC 6120 §6.4.2), unless there were too many.
   */
  readonly next?: E;
};

/**
 * Runs one exchange. When it resolves, `success` or `failure` has been sent, unless the outcome has a `next`; after success
 * the stream is to be restarted by both sides (RFC 6120 §6.4.6).
 *
 * @param transport delivers what the client says next; it rejects for a lost stream and for a stanza, which closes it.
 * @param session a fresh or used session of this connection; a later exchange starts anew in it.
 * @param element what the client sent: `auth`, or whatever it sent instead, which fails.
 * @throws what `transport` threw, when the connection is lost; the session is aborted then.
 */
export async function serve<E>(
  transport: ElementTransport<E>,
  session: SASLInterface,
  element: E,
  options: ServeOptions = {},
): Promise<XMPPServeOutcome<E>> {
  const { adapter } = transport;
  const send = async (name: string, text: string) =>
    transport.send(adapter.create(name, NS_SASL, {}, text ? [text] : []));
  for (let next = element; ; ) {
    let reply: SASLReply;
    try {
      reply = await take(transport, session, next, options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES);
      if (reply.state === "failure") throw new SASLFailure("aborted", "the client aborted"); // RFC 6120 §6.4.4
    } catch (cause) {
      await giveUp(session);
      const error = isSASLError(cause) ? cause : new SASLFailure("temporary", "the session failed", { cause });
      await transport.send(formatFailure(error, adapter, options.failureText?.(error)));
      return { ok: false, error };
    }
    try {
      if (reply.state === "success") {
        await send("success", optionalText(reply.payload));
        return { ok: true };
      }
      await send("challenge", encodeBase64(reply.payload));
      next = await transport.receive();
    } catch (lost) {
      await giveUp(session);
      throw lost;
    }
    if (isElement(adapter, next, "auth", NS_SASL)) {
      await giveUp(session);
      return { ok: false, error: new SASLFailure("aborted", "the client began anew"), next };
    }
  }
}

/** Hands one element to the session. */
async function take<E>(
  { adapter }: ElementTransport<E>,
  session: SASLInterface,
  element: E,
  maxBytes: number,
): Promise<SASLReply> {
  switch (adapter.namespace(element) === NS_SASL && adapter.name(element)) {
    case "auth": {
      const mechanism = adapter.attribute(element, "mechanism");
      if (mechanism === undefined) throw new SASLFailure("malformed-message", "auth names no mechanism");
      return session.initiate(mechanism, readPayload(adapter, element, maxBytes));
    }
    case "response":
      // Without an exchange the session says so (R-XMPP-08).
      return session.respond(readPayload(adapter, element, maxBytes) ?? new Uint8Array(0));
    case "abort":
      await session.abort();
      return { state: "failure" };
    default: {
      // What it is called and no more: it may hold a password.
      const opaqueError = { name: adapter.name(element), namespace: adapter.namespace(element) };
      throw new SASLFailure("unexpected-message", "this is no SASL element", { opaqueError });
    }
  }
}

/** The exchange is over whatever the session thinks of it. */
async function giveUp(session: SASLInterface): Promise<void> {
  await session.abort().catch(() => {});
}
