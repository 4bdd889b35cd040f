/**
 * The LOGIN command, for servers that still have users of it and clients of servers that have nothing else.
 * Source: RFC 9051 §6.2.3, §4.3; R-IMAP-06, -07, -17.
 *
 * @module
 */
import { SASLFailure, type ServeOutcome } from "sasl-core";
import { encodeUtf8 } from "sasl-core/plugin";
import { type LineTransport, type ServedSession, serveExchange } from "sasl-lines";
import { type Command, parseStrings } from "./command.js";
import type { Announcement } from "./discovery.js";
import { type CommandOptions, type Completion, runCommand } from "./responses.js";
import { type ServeOptions, TaggedDialect } from "./server.js";
import { checkTag } from "./tag.js";

/** What LOGIN sends. */
export interface LoginCredentials {
  readonly username: string;
  readonly password: string;
}

/** Options of {@link login}. */
export interface LoginOptions extends CommandOptions {
  /** Sends the password over a connection that does not say it is secure: whoever is on the way can read it. */
  readonly allowUnprotectedChannel?: boolean | undefined;
}

/**
 * Writes a LOGIN command's arguments as quoted strings.
 *
 * @throws {SASLFailure} `malformed-message` for an empty name or password, and for what no quoted string can hold: CR, LF,
 *   NUL (R-IMAP-17), and, unless `utf8`, anything outside ASCII.
 */
export function formatLogin(
  { username, password }: LoginCredentials,
  options: { readonly utf8?: boolean } = {},
): string {
  return `LOGIN ${quote(username, options.utf8 ?? false)} ${quote(password, options.utf8 ?? false)}`;
}

function quote(text: string, utf8: boolean): string {
  if (text === "") throw new SASLFailure("malformed-message", "LOGIN needs a user name and a password");
  if (/[\r\n\0]/.test(text)) throw new SASLFailure("malformed-message", "LOGIN cannot send CR, LF or NUL");
  if (utf8)
    encodeUtf8(text); // refuses lone surrogates
  else if (/[^\x01-\x7f]/.test(text))
    throw new SASLFailure("malformed-message", "LOGIN can send nothing but ASCII to this server");
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Logs in with LOGIN. Prefer `authenticate`, which does the same with PLAIN and better with others.
 *
 * @throws {SASLFailure} `mechanism-unsupported` under LOGINDISABLED, `channel-not-protected` on an unprotected connection
 *   (R-IMAP-07), `malformed-message` for credentials LOGIN cannot carry; nothing is sent then.
 * @throws {AuthenticationFailure} the server turned the credentials down.
 */
export async function login(
  wire: LineTransport,
  announced: Announcement,
  credentials: LoginCredentials,
  options: LoginOptions = {},
): Promise<Completion> {
  if (announced.loginDisabled) throw new SASLFailure("mechanism-unsupported", "the server has LOGIN disabled");
  if (!wire.secure && options.allowUnprotectedChannel !== true) {
    throw new SASLFailure("channel-not-protected", "LOGIN needs an encrypted channel");
  }
  const command = formatLogin(credentials, { utf8: announced.capabilities.has("IMAP4REV2") });
  return runCommand(masked(wire, credentials.password), command, options);
}

/** The transport without the password where the server quotes it (R-GEN-30), unless it is as short as half of all words. */
function masked(wire: LineTransport, password: string): LineTransport {
  const quoted = quote(password, true);
  const mask = `<${password.length} characters>`;
  return {
    secure: wire.secure,
    get buffered() {
      return wire.buffered;
    },
    write: (text) => wire.write(text),
    async readLine(maxBytes) {
      const line = (await wire.readLine(maxBytes)).replaceAll(quoted, mask);
      return password.length < 4 ? line : line.replaceAll(password, mask);
    },
  };
}

/**
 * Runs a LOGIN command through a server session as PLAIN, so that one policy and one store decide. Call it only where PLAIN
 * is offered: under LOGINDISABLED the arguments are not even looked at (R-IMAP-06, R-LOGIN-04).
 *
 * @returns after the tagged response was written.
 * @throws {SASLFailure} `connection-lost`.
 */
export async function serveLogin(
  wire: LineTransport,
  intf: ServedSession,
  command: Command,
  options: ServeOptions = {},
): Promise<ServeOutcome> {
  const dialect = new TaggedDialect(checkTag(command.tag), options.capabilities);
  let payload: Uint8Array;
  try {
    payload = plainMessage(command);
  } catch (thrown) {
    const error = thrown as SASLFailure;
    intf.refuse?.("PLAIN", error);
    await wire.write(dialect.failure(error));
    return { ok: false, error };
  }
  const session: ServedSession = {
    initiate: () => intf.initiate("PLAIN", payload),
    respond: (message) => intf.respond(message),
    abort: (reason) => intf.abort(reason),
  };
  return serveExchange(wire, session, { mechanism: "PLAIN", initial: undefined, dialect, pipelining: true });
}

function plainMessage(command: Command): Uint8Array {
  const strings = parseStrings(command);
  const [username, password] = strings;
  if (strings.length !== 2 || username === undefined || password === undefined) {
    throw new SASLFailure("malformed-message", "LOGIN takes a user name and a password");
  }
  // NUL separates PLAIN's fields, so it must not come out of LOGIN's.
  if (username.includes("\0") || password.includes("\0")) throw new SASLFailure("malformed-message", "NUL in LOGIN");
  return encodeUtf8(`\0${username}\0${password}`);
}
