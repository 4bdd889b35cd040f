/**
 * The server end of SASL in XMPP: one exchange, from the `auth` that starts it to its outcome. Source: RFC 6120 §6.4.
 *
 * @module
 */
import { isSASLError, SASLFailure, type SASLInterface, type SASLReply, type ServeOutcome } from "sasl-core";
import { encodeBase64 } from "sasl-core/plugin";
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

/**
 * Runs one exchange. When it resolves, `success` or `failure` has been sent; after success the stream is to be restarted
 * by both sides (RFC 6120 §6.4.6).
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
): Promise<ServeOutcome> {
  const { adapter } = transport;
  const send = async (name: string, text: string) =>
    transport.send(adapter.create(name, NS_SASL, {}, text ? [text] : []));
  for (let first = true, next = element; ; first = false) {
    let reply: SASLReply;
    try {
      reply = await take(transport, session, next, first, options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES);
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
  }
}

/** Hands one element to the session. */
async function take<E>(
  { adapter }: ElementTransport<E>,
  session: SASLInterface,
  element: E,
  first: boolean,
  maxBytes: number,
): Promise<SASLReply> {
  switch (adapter.namespace(element) === NS_SASL && adapter.name(element)) {
    case "auth": {
      // RFC 6120 §6.4.2: another auth discards the exchange that was going on.
      if (!first) await session.abort();
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
    default:
      throw new SASLFailure("unexpected-message", "this is no SASL element", { opaqueError: element });
  }
}

/** The exchange is over whatever the session thinks of it. */
async function giveUp(session: SASLInterface): Promise<void> {
  await session.abort().catch(() => {});
}
