/**
 * The server's exchange, as IMAP and SMTP share it: base64 lines in turn until somebody is done.
 * Source: RFC 9051 §6.2.2, RFC 4954 §4; the interface is that of `sasl-core`.
 *
 * @module
 */
import {
  type AuthenticationFailure,
  isSASLError,
  SASLFailure,
  type SASLInterface,
  type SASLReply,
  type SecurityLayer,
  type ServeOutcome,
} from "sasl-core";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { decodeInitialResponse } from "./base64.js";
import { connectionLost } from "./buffered.js";
import { DEFAULT_MAX_LINE_BYTES } from "./client.js";
import { type LineTransport, protectWire } from "./transport.js";

/** The words of one protocol, for one exchange. All of them are whole lines with their CRLF. */
export interface ServerDialect {
  challenge(base64: string): string;
  /** @param layered whether a security layer begins behind this line: what it says is the last that anybody could change. */
  success(layered: boolean): string;
  /** @param overlong whether it is about a line that was too long; other limits are of a server that has had enough. */
  failure(error: SASLFailure | AuthenticationFailure, overlong: boolean): string;
}

/** What is served: a `SASLServerSession`, which writes a log, or anything else that knows the answers. */
export interface ServedSession extends SASLInterface {
  /** @param reason why the exchange ends, where the peer did not give up. */
  abort(reason?: SASLFailure): Promise<SASLReply>;
  /** Told of an attempt that was turned down before a mechanism began. */
  refuse?(mechanism: string, reason: SASLFailure): void;
  /** Set from the moment success was replied. Its layer is put in force here. */
  readonly result?: { readonly layer: SecurityLayer | undefined } | undefined;
}

/** One exchange to run. */
export interface ServeExchange {
  /** The name from the command, in the upper case all registered names have. */
  readonly mechanism: string;
  /** The initial response as it stood in the command; `undefined` when there was none. */
  readonly initial: string | undefined;
  readonly dialect: ServerDialect;
  /** Longest line to read, in octets. Default {@link DEFAULT_MAX_LINE_BYTES}. */
  readonly maxLineBytes?: number | undefined;
  /**
   * Whether lines that had arrived before a challenge was sent may answer it. When false, they are dropped and the
   * exchange fails (R-SMTP-18); counts only where the transport tells what it has buffered.
   */
  readonly pipelining: boolean;
}

/**
 * Runs one exchange and writes its outcome. A security layer that was agreed on is in force from the octet behind it, and
 * whatever the client has sent behind its own last line is taken for the layer's (R-GEN-21).
 *
 * @param intf the server session, or anything else that knows the answers.
 * @returns once the last line is written.
 * @throws {TypeError} for a session that may agree on a layer where the transport can carry none.
 * @throws {SASLFailure} `connection-lost` when the wire is lost, after the session was told. The same code out of the
 *   session is about another connection, such as its store's, and answered as a temporary failure.
 */
export async function serveExchange(
  wire: LineTransport,
  intf: ServedSession,
  exchange: ServeExchange,
): Promise<ServeOutcome> {
  const { dialect } = exchange;
  if (intf.layers === true && wire.protect === undefined) throw new TypeError("this transport can carry no layer");
  try {
    await converse(wire, intf, exchange);
  } catch (thrown) {
    const error = isSASLError(thrown) ? thrown : unable(thrown);
    if (error.code === "connection-lost") throw error;
    await wire.write(dialect.failure(error, error instanceof OverlongLine));
    return { ok: false, error };
  }
  const layer = intf.result?.layer;
  const written = wire.write(dialect.success(layer !== undefined));
  protectWire(wire, layer); // at once: the next thing written may be anybody's
  await written;
  return { ok: true };
}

/** Returns when the session has said success and everything it had to say has been taken. */
async function converse(wire: LineTransport, intf: ServedSession, exchange: ServeExchange): Promise<void> {
  const payload = initialResponse(intf, exchange);
  try {
    let reply = await intf.initiate(exchange.mechanism, payload).catch(ofSession);
    while (reply.state === "challenge") {
      const answer = await ask(wire, reply.payload, exchange);
      reply = await intf.respond(answer).catch(ofSession);
    }
    if (reply.state === "failure") throw new SASLFailure("aborted", "the session gave up");
    await finalData(wire, reply, exchange);
  } catch (error) {
    // For the log. A session that has ended by itself has nothing to say to it.
    await intf.abort(error as SASLFailure).catch(() => {});
    throw error;
  }
}

/** @throws {SASLFailure} `incorrect-encoding`, after the session was told: what it is for has not begun. */
function initialResponse(intf: ServedSession, { mechanism, initial }: ServeExchange): Uint8Array | undefined {
  try {
    return initial === undefined ? undefined : decodeInitialResponse(initial);
  } catch (error) {
    intf.refuse?.(mechanism, error as SASLFailure);
    throw error;
  }
}

/** RFC 4422 §5 item 2b: these protocols have no field for data with success, so it goes as one more challenge (R-GEN-09). */
async function finalData(
  wire: LineTransport,
  reply: SASLReply & { state: "success" },
  exchange: ServeExchange,
): Promise<void> {
  if (reply.payload === undefined) return;
  const answer = await ask(wire, reply.payload, exchange);
  if (answer.length > 0) throw new SASLFailure("unexpected-message", "an answer to data that only success follows");
}

async function ask(wire: LineTransport, challenge: Uint8Array, exchange: ServeExchange): Promise<Uint8Array> {
  const { dialect, maxLineBytes = DEFAULT_MAX_LINE_BYTES, pipelining } = exchange;
  if (!pipelining && (wire.buffered ?? 0) > 0) {
    (wire as { discard?: () => void }).discard?.();
    throw new SASLFailure("unexpected-message", "lines were sent ahead of the challenge they would answer");
  }
  const text = dialect.challenge(encodeBase64(challenge));
  let line: string;
  try {
    await wire.write(text);
    line = await wire.readLine(maxLineBytes);
  } catch (error) {
    if (!isSASLError(error)) throw connectionLost(error);
    throw error.code === "limit-exceeded" ? new OverlongLine("limit-exceeded", error.message) : error;
  }
  if (line === "*") throw new SASLFailure("aborted", "the client cancelled");
  return decodeBase64(line);
}

/** Of the transport; what the session throws with this code is about something else. */
class OverlongLine extends SASLFailure {}

/** What the session throws is about authentication, and never about the connection to the client. */
function ofSession(thrown: unknown): never {
  if (isSASLError(thrown) && thrown.code !== "connection-lost") throw thrown;
  throw unable(thrown);
}

function unable(cause: unknown): SASLFailure {
  return new SASLFailure("temporary", "authentication is not possible at present", { cause });
}
