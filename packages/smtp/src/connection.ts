/**
 * A server's connection: greeting, EHLO, STARTTLS, AUTH, and mail from those who are logged in. Sources: RFC 5321 §4.1, §4.3;
 * RFC 3207 §4; RFC 4954 §4, §6; R-SMTP-01, -02, -15, -19 to -21.
 *
 * @module
 */
import type { SASLFailure, ServerResult } from "sasl-core";
import {
  type Farewell,
  LineConnection,
  type LineConnectionOptions,
  type MaybePromise,
  type ServerTransport,
} from "sasl-lines";
import { announce } from "./discovery.js";
import { type Envelope, MailTransaction, type MessageHandler } from "./mail.js";
import { serve } from "./server.js";

/** What all connections of one listener have in common. Make it once. */
export interface SMTPConnectionOptions<W extends ServerTransport = ServerTransport> extends LineConnectionOptions<W> {
  /** Our name in the greeting. Default `localhost`. */
  readonly host?: string | undefined;
  /** Told once, after the reply to the login was written. */
  readonly onAuthenticated?: ((result: ServerResult, connection: SMTPConnection<W>) => MaybePromise<void>) | undefined;
  /** Takes mail. Left out: mail is accepted and dropped. */
  readonly onMessage?: MessageHandler | undefined;
  /** Whether somebody who is logged in may name other submitters in MAIL FROM AUTH=. Default: nobody (RFC 4954 §5). */
  readonly trusts?: ((result: ServerResult) => boolean) | undefined;
  /** Extensions besides AUTH and STARTTLS. Default `PIPELINING`, `8BITMIME`, `ENHANCEDSTATUSCODES`. */
  readonly extensions?: readonly string[] | undefined;
  /** Takes answers that were sent ahead of their challenge; see `ServeOptions`. Default false. */
  readonly allowPipelinedResponses?: boolean | undefined;
  /** Largest message, in octets. Default 10485760. */
  readonly maxMessageBytes?: number | undefined;
}

/** Commands that need no login (RFC 4954 §6, at 530). */
const open: ReadonlySet<string> = new Set(["EHLO", "HELO", "STARTTLS", "AUTH", "NOOP", "RSET", "QUIT"]);

const known: ReadonlySet<string> = new Set([...open, "MAIL", "RCPT", "DATA", "VRFY", "EXPN", "HELP", "BDAT", "ETRN"]);

/** One connection. Call `run()`. */
export class SMTPConnection<W extends ServerTransport = ServerTransport> extends LineConnection<
  W,
  SMTPConnectionOptions<W>
> {
  #greeted = false;
  #mail: MailTransaction | undefined;

  override get greeting(): string {
    return `220 ${this.#host} ESMTP\r\n`;
  }

  protected override farewell(reason: Farewell): string {
    return farewells[reason].replace("HOST", this.#host);
  }

  protected override async turn(line: string | SASLFailure): Promise<boolean> {
    if (typeof line !== "string") return this.#say("500 5.5.2 Line is too long");
    if (line === "") return this.#say("500 5.5.2 No command");
    const [verb, args] = split(line);
    if (verb === "QUIT") return this.#say(`221 2.0.0 ${this.#host} Bye`, false);
    if (!this.result && !open.has(verb) && known.has(verb)) return this.#say("530 5.7.0 Authentication required"); // R-SMTP-11
    await this.#answer(verb, args);
    return true;
  }

  get #host(): string {
    return this.options.host ?? "localhost";
  }

  async #say(reply: string, more = true): Promise<boolean> {
    await this.wire.write(`${reply}\r\n`);
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
    if (!/^[\x21-\x7e]+$/.test(args)) return this.#say(`501 5.5.4 Syntax: ${verb} name`);
    this.#greeted = true;
    this.#mail = undefined; // RFC 5321 §4.1.4
    if (verb === "HELO") return this.#say(`250 ${this.#host}`);
    const { extensions = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"], server } = this.options;
    // R-SMTP-01: as things are now, so a list from before TLS is never repeated after it. After a layer it is, to be compared.
    const names = this.result ? this.offered : server.mechanisms(this.about());
    const lines = [this.#host, ...announce(names, { extensions, startTls: this.canStartTls })];
    return this.#say(lines.map((line, at) => `250${at + 1 < lines.length ? "-" : " "}${line}`).join("\r\n"));
  }

  async #startTls(args: string): Promise<unknown> {
    if (args !== "") return this.#say("501 5.5.4 STARTTLS takes no parameters"); // R-SMTP-15
    if (this.options.startTls === undefined) return this.#say("502 5.5.1 TLS is not available");
    if (!this.canStartTls) return this.#say("503 5.5.1 TLS cannot begin now");
    this.#greeted = false; // RFC 3207 §4.2: back to the state after the greeting
    return this.startTls("220 2.0.0 Begin TLS\r\n");
  }

  async #authenticate(args: string): Promise<unknown> {
    // R-SMTP-02; a transaction needs a login, so there is none before one.
    if (this.result) return this.#say("503 5.5.1 Already authenticated");
    if (!this.#greeted) return this.#say("503 5.5.1 EHLO first");
    await this.attempt((session) => serve(this.wire, session, args, this.options));
    const { result } = this as { result: ServerResult | undefined };
    if (result?.layer) this.#greeted = false; // R-SMTP-14; there is no mail before a login
    return result && this.options.onAuthenticated?.(result, this);
  }

  async #mailCommand(verb: "MAIL" | "RCPT" | "DATA", args: string): Promise<unknown> {
    const result = this.result as ServerResult;
    if (!this.#greeted) return this.#say("503 5.5.1 EHLO first");
    if (verb === "MAIL") {
      if (this.#mail) return this.#say("503 5.5.1 A mail transaction is going on");
      const mail = MailTransaction.begin(args, this.options.trusts?.(result) ?? false, this.options);
      if (typeof mail === "string") return this.#say(mail);
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
    return this.#say(await mail.receive(this.wire, envelope, this.options, () => this.touch()));
  }
}

const farewells: Readonly<Record<Farewell, string>> = {
  time: "421 4.4.2 HOST Time is up\r\n",
  "line-end": "500 5.5.2 Lines end with CRLF\r\n", // R-SMTP-21
  attempts: "421 4.7.0 HOST Too many attempts\r\n", // R-SMTP-20
  shutdown: "421 4.3.2 HOST The server shuts down\r\n", // RFC 5321 §3.8
};

function split(line: string): [verb: string, args: string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line.toUpperCase(), ""] : [line.slice(0, at).toUpperCase(), line.slice(at + 1).trimEnd()];
}
