/**
 * An exchange as data, and one runner that plays it to the client or to the server.
 *
 * @module
 */
import { AuthenticationFailure, isSASLError, type SASLErrorCode } from "../errors.js";
import type { SASLInterface, SASLReply } from "../interface.js";
import { equalBytes } from "../internal/bytes.js";

/** One message of a script. `undefined` bytes stand for any message. */
export interface ScriptMessage {
  readonly from: "client" | "server";
  readonly bytes: Uint8Array | undefined;
}

/** How a script goes on after its last message. */
export interface ScriptOptions {
  /** What the peer says then. Default `success`. */
  readonly end?: "success" | "failure" | undefined;
  /** Whether the last server message travels with the success instead of as a challenge. Default false. */
  readonly successData?: boolean | undefined;
}

/** Thrown when what was said is not what the script has. */
export class ScriptMismatch extends Error {
  override readonly name = "ScriptMismatch";
}

/**
 * A server that follows a script: it expects the client's messages octet for octet and answers with its own.
 * An empty challenge is inserted where the client's first message is late, and an empty answer is taken after the last one.
 */
export function scriptedServer(script: readonly ScriptMessage[], options: ScriptOptions = {}): SASLInterface {
  const { end = "success", successData = false } = options;
  const left = [...script];

  const answer = (): SASLReply => {
    const next = left.shift();
    if (next === undefined) return outcome();
    if (next.from === "client") throw new ScriptMismatch("the script expects another message of the client here");
    const payload = next.bytes ?? new Uint8Array(0);
    if (successData && left.length === 0 && end === "success") return { state: "success", payload };
    return { state: "challenge", payload };
  };
  const outcome = (): SASLReply => {
    if (end === "failure") throw new AuthenticationFailure("refused", "the script ends with failure");
    return { state: "success" };
  };
  const hear = (bytes: Uint8Array): SASLReply => {
    const next = left.shift();
    if (next === undefined) {
      if (bytes.length) throw new ScriptMismatch("a message after the end of the script");
      return outcome();
    }
    if (next.from === "server") throw new ScriptMismatch("the client speaks where the script has the server");
    if (next.bytes && !equalBytes(next.bytes, bytes)) {
      throw new ScriptMismatch(`message ${script.indexOf(next)} is ${quote(bytes)} and not ${quote(next.bytes)}`);
    }
    return answer();
  };

  return {
    secure: true,
    initiate: async (_, payload) => {
      if (payload !== undefined) return hear(payload);
      return left[0]?.from === "client" ? { state: "challenge", payload: new Uint8Array(0) } : answer();
    },
    respond: async (payload) => hear(payload),
    abort: async () => ({ state: "failure" }),
  };
}

/** How a script came out at a server. */
export type PlayedOutcome = { readonly state: "success" } | { readonly state: "failure"; readonly code: SASLErrorCode };

/**
 * Plays the client's messages of a script to a server and compares what it answers, octet for octet.
 *
 * @param server a fresh `SASLServerSession`, or anything of that kind.
 * @param options `initialResponse: false` holds the first message back until the empty challenge (RFC 4422 §5 item 2a).
 * @throws {ScriptMismatch} where the server says something else, or fails with something else than a SASL error.
 */
export async function playToServer(
  server: SASLInterface,
  mechanism: string,
  script: readonly ScriptMessage[],
  options: { readonly initialResponse?: boolean } = {},
): Promise<PlayedOutcome> {
  const left = [...script];
  try {
    let reply: SASLReply;
    if (left[0]?.from === "client" && options.initialResponse !== false) {
      reply = await server.initiate(mechanism, left.shift()?.bytes);
    } else {
      reply = await server.initiate(mechanism);
      if (left[0]?.from === "client") {
        if (reply.state !== "challenge" || reply.payload.length)
          throw new ScriptMismatch("no empty challenge at the start");
        reply = await server.respond(left.shift()?.bytes ?? new Uint8Array(0));
      }
    }
    for (;;) {
      const next = left.shift();
      if (reply.payload !== undefined) {
        if (next?.from !== "server")
          throw new ScriptMismatch(`the server says ${quote(reply.payload)} and the script does not`);
        if (next.bytes && !equalBytes(next.bytes, reply.payload)) {
          throw new ScriptMismatch(
            `message ${script.indexOf(next)} is ${quote(reply.payload)} and not ${quote(next.bytes)}`,
          );
        }
      } else if (next !== undefined) {
        throw new ScriptMismatch("the server ends before the script does");
      }
      if (reply.state !== "challenge") return { state: "success" };
      reply = await server.respond(left.shift()?.bytes ?? new Uint8Array(0));
    }
  } catch (error) {
    if (!isSASLError(error)) throw error;
    return { state: "failure", code: error.code };
  }
}

function quote(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(bytes));
}
