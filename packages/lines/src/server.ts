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
  type ServeOutcome,
} from "sasl-core";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { decodeInitialResponse } from "./base64.js";
import { DEFAULT_MAX_LINE_BYTES } from "./client.js";
import type { LineTransport } from "./transport.js";

/** The words of one protocol, for one exchange. All of them are whole lines with their CRLF. */
export interface ServerDialect {
  challenge(base64: string): string;
  success(): string;
  failure(error: SASLFailure | AuthenticationFailure): string;
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
 * Runs one exchange and writes its outcome.
 *
 * @param intf the server session, or anything else that knows the answers.
 * @returns once the last line is written.
 * @throws {SASLFailure} `connection-lost`, after the session was told.
 */
export async function serveExchange(
  wire: LineTransport,
  intf: SASLInterface,
  exchange: ServeExchange,
): Promise<ServeOutcome> {
  const { dialect } = exchange;
  try {
    await converse(wire, intf, exchange);
  } catch (thrown) {
    const error = failureOf(thrown);
    if (error.code === "connection-lost") throw error;
    await wire.write(dialect.failure(error));
    return { ok: false, error };
  }
  await wire.write(dialect.success());
  return { ok: true };
}

/** Returns when the session has said success and everything it had to say has been taken. */
async function converse(wire: LineTransport, intf: SASLInterface, exchange: ServeExchange): Promise<void> {
  const { mechanism, initial } = exchange;
  let reply = await intf.initiate(mechanism, initial === undefined ? undefined : decodeInitialResponse(initial));
  try {
    while (reply.state === "challenge") {
      reply = await intf.respond(await ask(wire, reply.payload, exchange));
    }
  } catch (error) {
    await intf.abort().catch(() => {}); // nothing to say to a session that has ended by itself
    throw error;
  }
  if (reply.state === "failure") throw new SASLFailure("aborted", "the session gave up");
  await finalData(wire, reply, exchange);
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
  await wire.write(dialect.challenge(encodeBase64(challenge)));
  const line = await wire.readLine(maxLineBytes);
  if (line === "*") throw new SASLFailure("aborted", "the client cancelled");
  return decodeBase64(line);
}

function failureOf(thrown: unknown): SASLFailure | AuthenticationFailure {
  if (isSASLError(thrown)) return thrown;
  return new SASLFailure("temporary", "authentication is not possible at present", { cause: thrown });
}
