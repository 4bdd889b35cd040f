/**
 * A server's connection: greeting, EHLO, STARTTLS, AUTH, and mail from those who are logged in. Sources: RFC 5321 §4.1, §4.3;
 * RFC 3207 §4; RFC 4954 §4, §6; R-SMTP-01, -02, -15, -19 to -21.
 *
 * @module
 */
import {
  type ExternalIdentity,
  isSASLError,
  type SASLServer,
  type ServerConnection,
  type ServerResult,
} from "sasl-core";
import type { MaybePromise, Perishable, ServerTransport, Sweep } from "sasl-lines";
import { announce } from "./discovery.js";
import { type Envelope, MailTransaction, type MessageHandler, SYNTAX } from "./mail.js";
import { serve } from "./server.js";

/** What all connections of one listener have in common. Make it once. */
export interface SMTPConnectionOptions<W extends ServerTransport = ServerTransport> {
  readonly server: SASLServer;
  /** Our name in the greeting. Default `localhost`. */
  readonly host?: string | undefined;
  /** Told once, after the reply to the login was written. */
  readonly onAuthenticated?: ((result: ServerResult, connection: SMTPConnection<W>) => MaybePromise<void>) | undefined;
  /** Takes mail. Left out: mail is accepted and dropped. */
  readonly onMessage?: MessageHandler | undefined;
  /**
   * Begins TLS; `startTlsServer` of `sasl-lines/node` does it. The signal is aborted when time is up. Left out: STARTTLS is
   * neither offered nor accepted.
   */
  readonly startTls?: ((wire: W, signal: AbortSignal) => Promise<W>) | undefined;
  /** What the channel proved about the client, such as a certificate; asked after TLS has begun. */
  readonly external?: ((wire: W) => ExternalIdentity | undefined) | undefined;
  /** Whether somebody who is logged in may name other submitters in MAIL FROM AUTH=. Default: nobody (RFC 4954 §5). */
  readonly trusts?: ((result: ServerResult) => boolean) | undefined;
  /** Extensions besides AUTH and STARTTLS. Default `PIPELINING`, `8BITMIME`, `ENHANCEDSTATUSCODES`. */
  readonly extensions?: readonly string[] | undefined;
  /** Takes answers that were sent ahead of their challenge; see `ServeOptions`. Default false. */
  readonly allowPipelinedResponses?: boolean | undefined;
  /** Longest line, in octets. Default 12288 (R-SMTP-10). */
  readonly maxLineBytes?: number | undefined;
  /** Largest message, in octets. Default 10485760. */
  readonly maxMessageBytes?: number | undefined;
  /** Failed attempts after which the connection is closed, at least 3 (R-SMTP-20). Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Commands before the login after which the connection is closed. Default 100. */
  readonly maxCommands?: number | undefined;
  /** Time for the login, in milliseconds. Default 60000. Counts only with `sweep`. */
  readonly loginTimeoutMs?: number | undefined;
  /** Time without a command after the login, in milliseconds. Default 300000 (RFC 5321 §4.5.3.2.7). Counts only with `sweep`. */
  readonly idleTimeoutMs?: number | undefined;
  /** Ends connections that have run out of time; one for any number of listeners. Left out: no time limits. */
  readonly sweep?: Sweep | undefined;
}

/** Commands that need no login (RFC 4954 §6, at 530). */
const open: ReadonlySet<string> = new Set(["EHLO", "HELO", "STARTTLS", "AUTH", "NOOP", "RSET", "QUIT"]);

/** One connection. */
export class SMTPConnection<W extends ServerTransport = ServerTransport> implements Perishable {
  readonly #options: SMTPConnectionOptions<W>;
  /** Address of the peer, for logs. */
  readonly remote: string | undefined;
  #wire: W;
  #deadline: number;
  #greeted = false;
  #commands = 0;
  #failures = 0;
  #result: ServerResult | undefined;
  #mail: MailTransaction | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;

  constructor(wire: W, options: SMTPConnectionOptions<W>, remote?: string) {
    if ((options.maxAttempts ?? 3) < 3) throw new RangeError("a client may fail three times at least");
    this.#wire = wire;
    this.#options = options;
    this.remote = remote;
    this.#deadline = Date.now() + (options.loginTimeoutMs ?? 60_000);
  }

  /** The transport as it is now: another one after TLS has begun. */
  get wire(): W {
    return this.#wire;
  }

  /** Who is logged in. */
  get result(): ServerResult | undefined {
    return this.#result;
  }

  /** Runs the connection to its end. Rejects with what `onAuthenticated` throws, a `SASLError` excepted, and with nothing else. */
  async run(): Promise<void> {
    this.#options.sweep?.add(this);
    try {
      await this.#wire.write(`220 ${this.#host} ESMTP\r\n`);
      while (await this.#next()) {
        // Each turn is one command.
      }
    } catch (error) {
      if (!isSASLError(error)) throw error; // everything else is the client's doing
      if (error.code === "incorrect-encoding") this.#last("500 5.5.2 Lines end with CRLF"); // R-SMTP-21
    } finally {
      this.#options.sweep?.delete(this);
      this.#wire.close();
    }
  }

  expired(now: number): boolean {
    return now > this.#deadline;
  }

  expire(): void {
    this.#last(`421 4.4.2 ${this.#host} Time is up`);
    this.#handshake?.abort();
    this.#wire.close();
  }

  /** Says something that nobody may be there to hear. */
  #last(reply: string): void {
    try {
      void Promise.resolve(this.#wire.write(`${reply}\r\n`)).catch(() => {});
    } catch {
      // The connection is gone already.
    }
  }

  get #host(): string {
    return this.#options.host ?? "localhost";
  }

  /** Reads and answers one command. False when the connection is over. */
  async #next(): Promise<boolean> {
    const line = await this.#read();
    const { maxCommands = 100, maxAttempts = 3, idleTimeoutMs = 300_000 } = this.#options;
    if (this.#result) this.#deadline = Date.now() + idleTimeoutMs;
    else if (++this.#commands > maxCommands) return this.#say(`421 4.7.0 ${this.#host} Too many commands`, false);
    if (line === "") return this.#say("500 5.5.2 No command");
    const [verb, args] = split(line);
    if (verb === "QUIT") return this.#say(`221 2.0.0 ${this.#host} Bye`, false);
    if (!this.#result && !open.has(verb) && known.has(verb)) return this.#say("530 5.7.0 Authentication required"); // R-SMTP-11
    await this.#answer(verb, args);
    if (this.#failures < maxAttempts || this.#result) return true;
    return this.#say(`421 4.7.0 ${this.#host} Too many failed attempts`, false); // R-SMTP-20
  }

  /** The next line that is not too long; those that are, are answered. */
  async #read(): Promise<string> {
    for (;;) {
      try {
        return await this.#wire.readLine(this.#options.maxLineBytes ?? 12_288);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== "limit-exceeded") throw error;
        await this.#say("500 5.5.2 Line is too long");
      }
    }
  }

  async #say(reply: string, more = true): Promise<boolean> {
    await this.#wire.write(`${reply}\r\n`);
    return more;
  }

  async #answer(verb: string, args: string): Promise<unknown> {
    switch (verb) {
      case "EHLO":
      case "HELO":
        return this.#hello(verb, args);
      case "STARTTLS":
        return this.#startTls(args);
      case "AUTH":
        return this.#authenticate(args);
      case "NOOP":
        return this.#say("250 2.0.0 OK");
      case "RSET":
        this.#mail = undefined;
        return this.#say("250 2.0.0 OK");
      case "VRFY":
        return this.#say("252 2.5.0 Cannot verify, send mail and see");
      case "MAIL":
      case "RCPT":
      case "DATA":
        return this.#mailCommand(verb, args);
      default:
        return this.#say(known.has(verb) ? "502 5.5.1 Not implemented" : "500 5.5.2 Unknown command");
    }
  }

  #hello(verb: string, args: string): Promise<boolean> {
    if (!/^[\x21-\x7e]+ *$/.test(args)) return this.#say(`501 5.5.4 Syntax: ${verb} name`);
    this.#greeted = true;
    this.#mail = undefined; // RFC 5321 §4.1.4
    if (verb === "HELO") return this.#say(`250 ${this.#host}`);
    const { extensions = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"], startTls } = this.#options;
    // R-SMTP-01: as things are now, so a list from before TLS is never repeated after it.
    const names = this.#result ? [] : this.#options.server.mechanisms(this.#about());
    const offered = startTls !== undefined && !this.#wire.secure && !this.#result;
    const lines = [this.#host, ...announce(names, { extensions, startTls: offered })];
    return this.#say(lines.map((line, at) => `250${at + 1 < lines.length ? "-" : " "}${line}`).join("\r\n"));
  }

  async #startTls(args: string): Promise<unknown> {
    const { startTls } = this.#options;
    if (args !== "") return this.#say("501 5.5.4 STARTTLS takes no parameters"); // R-SMTP-15
    if (startTls === undefined) return this.#say("502 5.5.1 TLS is not available");
    if (this.#wire.secure || this.#result) return this.#say("503 5.5.1 TLS cannot begin now");
    this.#wire.discard(); // RFC 3207 §4.2
    this.#handshake = new AbortController();
    await this.#say("220 2.0.0 Begin TLS");
    this.#greeted = false; // RFC 3207 §4.2: back to the state after the greeting
    this.#mail = undefined;
    this.#wire = await startTls(this.#wire, this.#handshake.signal);
    this.#handshake = undefined;
    return undefined;
  }

  async #authenticate(args: string): Promise<unknown> {
    // R-SMTP-02
    if (this.#result) return this.#say("503 5.5.1 Already authenticated");
    if (this.#mail) return this.#say("503 5.5.1 Not within a mail transaction");
    if (!this.#greeted) return this.#say("503 5.5.1 EHLO first");
    const session = this.#options.server.session(this.#about());
    const outcome = await serve(this.#wire, session, args, this.#options);
    if (!outcome.ok) {
      this.#failures++;
      return undefined;
    }
    this.#result = session.result as ServerResult;
    return this.#options.onAuthenticated?.(this.#result, this);
  }

  async #mailCommand(verb: "MAIL" | "RCPT" | "DATA", args: string): Promise<unknown> {
    const result = this.#result as ServerResult;
    if (!this.#greeted) return this.#say("503 5.5.1 EHLO first");
    if (verb === "MAIL") {
      if (this.#mail) return this.#say("503 5.5.1 A mail transaction is going on");
      const mail = MailTransaction.begin(args, this.#options.trusts?.(result) ?? false);
      if (mail === undefined) return this.#say(SYNTAX);
      this.#mail = mail;
      return this.#say("250 2.1.0 OK");
    }
    if (this.#mail === undefined) return this.#say("503 5.5.1 MAIL first");
    if (verb === "RCPT") return this.#say(this.#mail.recipient(args));
    if (args !== "") return this.#say("501 5.5.4 DATA takes no parameters");
    if (this.#mail.recipients.length === 0) return this.#say("554 5.5.1 No valid recipients");
    const mail = this.#mail;
    this.#mail = undefined;
    const envelope: Envelope = { from: mail.from, recipients: mail.recipients, submitter: mail.submitter, result };
    await this.#say("354 End with a dot on a line of its own");
    return this.#say(await mail.receive(this.#wire, envelope, this.#options));
  }

  #about(): ServerConnection {
    const wire = this.#wire;
    const { external } = this.#options;
    return {
      secure: wire.secure,
      channelBinding: wire.channelBinding,
      external: external?.(wire),
      successData: false,
      remote: this.remote,
    };
  }
}

const known: ReadonlySet<string> = new Set([...open, "MAIL", "RCPT", "DATA", "VRFY", "EXPN", "HELP", "BDAT", "ETRN"]);

function split(line: string): [verb: string, args: string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line.toUpperCase(), ""] : [line.slice(0, at).toUpperCase(), line.slice(at + 1).trimEnd()];
}
