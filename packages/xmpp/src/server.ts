/**
 * The server end of SASL in XMPP: one exchange, from the `auth` that starts it to its outcome. Source: RFC 6120 §6.4.
 *
 * @module
 */
import {
  type AuthenticationFailure,
  isSASLError,
  SASLFailure,
  type SASLInterface,
  type SASLReply,
  type ServeOutcome,
  type ServerResult,
} from "sasl-core";
import { encodeBase64 } from "sasl-core/plugin";
import { isElement, type XMLAdapter } from "./element.js";
import { type FormatFailureOptions, formatFailure } from "./errors.js";
import { NS_SASL } from "./namespaces.js";
import { DEFAULT_MAX_MESSAGE_BYTES, optionalText, readPayload } from "./payload.js";
import { failureOf, StreamViolation } from "./stream/conditions.js";
import { type ElementTransport, protectWith } from "./transport.js";

/** What is served: a `SASLServerSession`, which writes a log, or anything else that knows the answers. */
export interface ServedSession extends SASLInterface {
  /** @param reason why the exchange ends, where the client did not give up. */
  abort(reason?: SASLFailure): Promise<SASLReply>;
  /** Told of an attempt that was turned down before a mechanism began. */
  refuse?(mechanism: string, reason: SASLFailure): void;
  /** What is known after `success` was replied; of it, the security layer. */
  readonly result?: Pick<ServerResult, "layer"> | undefined;
}

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
 * the stream is to be restarted by both sides (RFC 6120 §6.4.6). A security layer is on it then; a session that may agree on
 * one needs a transport that can carry it.
 *
 * @param transport delivers what the client says next; it rejects for a lost stream and for a stanza, which closes it.
 * @param session a fresh or used session of this connection; a later exchange starts anew in it.
 * @param element what the client sent: `auth`, or whatever it sent instead, which fails.
 * @throws what `transport` threw, when the connection is lost; the session is aborted then.
 */
export async function serve<E>(
  transport: ElementTransport<E>,
  session: ServedSession,
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
      const error = isSASLError(cause) ? cause : new SASLFailure("temporary", "the session failed", { cause });
      await giveUp(session, error);
      await transport.send(formatFailure(answerable(error), adapter, options.failureText?.(error)));
      return { ok: false, error };
    }
    try {
      if (reply.state === "success") {
        const sent = send("success", optionalText(reply.payload));
        // RFC 6120 §6.6: right behind its ">", also while that waits to go out.
        if (session.result?.layer) protectWith(transport, session.result.layer);
        await sent;
        return { ok: true };
      }
      await send("challenge", encodeBase64(reply.payload));
      next = await transport.receive();
    } catch (lost) {
      await giveUp(session, reasonOf(lost));
      throw lost;
    }
    if (isElement(adapter, next, "auth", NS_SASL)) {
      const error = new SASLFailure("aborted", "the client began anew");
      await giveUp(session, error);
      return { ok: false, error, next };
    }
  }
}

/** Hands one element to the session. */
async function take<E>(
  { adapter }: ElementTransport<E>,
  session: ServedSession,
  element: E,
  maxBytes: number,
): Promise<SASLReply> {
  switch (adapter.namespace(element) === NS_SASL && adapter.name(element)) {
    case "auth": {
      const mechanism = adapter.attribute(element, "mechanism");
      let payload: Uint8Array | undefined;
      try {
        if (mechanism === undefined) throw new SASLFailure("malformed-message", "auth names no mechanism");
        payload = payloadIn(adapter, element, maxBytes);
      } catch (error) {
        session.refuse?.(mechanism ?? "", error as SASLFailure);
        throw error;
      }
      return session.initiate(mechanism, payload);
    }
    case "response":
      // Without an exchange the session says so (R-XMPP-08).
      return session.respond(payloadIn(adapter, element, maxBytes) ?? new Uint8Array(0));
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

/** A message that is too long, which is the client's mistake and nothing to try again later. */
class Overlong extends SASLFailure {}

function payloadIn<E>(adapter: XMLAdapter<E>, element: E, maxBytes: number): Uint8Array | undefined {
  return clientMade(() => readPayload(adapter, element, maxBytes));
}

/** Reads what a client has sent: what is too long there is its own mistake. @internal */
export function clientMade<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isSASLError(error) && error.code === "limit-exceeded") throw new Overlong("limit-exceeded", error.message);
    throw error;
  }
}

/** What the client is told in place of an error. @internal */
export function answerable(error: SASLFailure | AuthenticationFailure): SASLFailure | AuthenticationFailure {
  return error instanceof Overlong ? new SASLFailure("malformed-message", error.message) : error;
}

/** The exchange is over whatever the session thinks of it. @internal */
export async function giveUp(session: ServedSession, reason: SASLFailure | AuthenticationFailure): Promise<void> {
  await session.abort(reason as SASLFailure).catch(() => {});
}

/** Why a stream ended, for the log. @internal */
export function reasonOf(lost: unknown): SASLFailure {
  if (isSASLError(lost)) return lost as SASLFailure;
  if (!(lost instanceof StreamViolation))
    return new SASLFailure("connection-lost", "the stream is lost", { cause: lost });
  if (lost.condition === "not-authorized") return new SASLFailure("unexpected-message", lost.message);
  return failureOf(lost);
}
