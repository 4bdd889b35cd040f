/**
 * A server's connection up to the login: greeting, CAPABILITY, STARTTLS, AUTHENTICATE, LOGIN. What comes after is the
 * program's. Source: RFC 9051 §3.1, §6.1, §6.2; R-IMAP-01 to R-IMAP-09, R-IMAP-18.
 *
 * @module
 */
import { SASLFailure, type ServerResult } from "sasl-core";
import {
  type Farewell,
  LineConnection,
  type LineConnectionOptions,
  type MaybePromise,
  type ServerTransport,
} from "sasl-lines";
import {
  type Command,
  type CommandFault,
  type CommandLimits,
  completeCommand,
  type Objection,
  readCommand,
  tooLong,
} from "./command.js";
import { announce } from "./discovery.js";
import { serveLogin } from "./login.js";
import { type ServeOptions, serve } from "./server.js";

/** What all connections of one listener have in common. Make it once. */
export interface IMAPConnectionOptions<W extends ServerTransport = ServerTransport>
  extends LineConnectionOptions<W>,
    CommandLimits {
  /** The rest of the connection: called once, after the OK to the login was written. The connection is closed when it returns. */
  readonly onAuthenticated: (result: ServerResult, connection: IMAPConnection<W>) => MaybePromise<void>;
  /** Capabilities besides those of authentication, before and after the login. Default `IMAP4rev1`, `LITERAL-`. */
  readonly capabilities?: readonly string[] | undefined;
  /** Text of the greeting. Default `IMAP server ready`. */
  readonly greeting?: string | undefined;
}

/** One connection. Call `run()`. */
export class IMAPConnection<W extends ServerTransport = ServerTransport> extends LineConnection<
  W,
  IMAPConnectionOptions<W>
> {
  /** Capabilities as they are now. */
  get capabilities(): string[] {
    const { capabilities = ["IMAP4rev1", "LITERAL-"], server } = this.options;
    if (this.result) return [...new Set([...capabilities, ...this.offered.map((name) => `AUTH=${name}`)])];
    return announce(server.mechanisms(this.about()), { capabilities, startTls: this.canStartTls });
  }

  /**
   * Reads the next command after the login. Answers by itself what cannot be read, what is about authentication (R-IMAP-06),
   * CAPABILITY and LOGOUT.
   *
   * @returns `undefined` when the connection is over.
   * @throws {SASLFailure} when nothing more can be read; let it pass, `run()` knows what to do.
   */
  async nextCommand(): Promise<Command | undefined> {
    for (;;) {
      this.touch();
      const command = await this.#usable(await readCommand(this.wire, this.options, againstSecond));
      if (command === "over") return undefined;
      if (command === "fault") continue;
      if (againstSecond(command.name)) {
        await this.wire.write(`${command.tag} ${already.reply}\r\n`);
      } else if (command.name === "CAPABILITY") await this.#tell(command.tag);
      else return command;
    }
  }

  override get greeting(): string {
    return `* OK [CAPABILITY ${this.capabilities.join(" ")}] ${this.options.greeting ?? "IMAP server ready"}\r\n`;
  }

  protected override farewell(reason: Farewell): string {
    return `* BYE ${farewells[reason]}\r\n`;
  }

  protected override async turn(line: string | SASLFailure): Promise<boolean> {
    const against = (name: string): Objection | undefined => this.#objection(name);
    const read = typeof line === "string" ? await completeCommand(this.wire, line, this.options, against) : tooLong();
    const command = await this.#usable(read);
    if (typeof command === "string") return command === "fault";
    await this.#answer(command);
    if (this.result === undefined) return true;
    this.touch();
    await this.options.onAuthenticated(this.result, this);
    return false;
  }

  /** Writes what there is to say to a command that cannot be read, and to LOGOUT. */
  async #usable(command: Command | CommandFault): Promise<Command | "fault" | "over"> {
    if ("reply" in command) {
      const { reply, fatal, commandName: name, error } = command;
      const text = fatal ? `${reply}* BYE Nothing more can be read\r\n` : reply;
      if (this.result || (name !== "AUTHENTICATE" && name !== "LOGIN")) await this.wire.write(text);
      else await this.#deny(name === "LOGIN" ? "PLAIN" : "", text, error);
      return fatal ? "over" : "fault";
    }
    if (command.name !== "LOGOUT") return command;
    await this.wire.write(`* BYE Logging out\r\n${command.tag} OK Logged out\r\n`);
    return "over";
  }

  async #tell(tag: string): Promise<void> {
    await this.wire.write(`* CAPABILITY ${this.capabilities.join(" ")}\r\n${tag} OK Done\r\n`);
  }

  async #answer(command: Command): Promise<unknown> {
    const { tag, name } = command;
    switch (name) {
      case "CAPABILITY":
        return this.#tell(tag);
      case "NOOP":
        return this.wire.write(`${tag} OK Done\r\n`);
      case "STARTTLS":
        // R-IMAP-09
        if (this.canStartTls && command.arguments === "") return this.startTls(`${tag} OK Begin TLS\r\n`);
        return this.wire.write(`${tag} BAD STARTTLS is not possible\r\n`);
      case "AUTHENTICATE":
        return this.attempt((session) => serve(this.wire, session, command, this.#serving));
      case "LOGIN": {
        const against = this.#objection(name); // R-IMAP-06: the arguments are not looked at
        if (against) return this.#deny("PLAIN", `${tag} ${against.reply}\r\n`, against.error);
        return this.attempt((session) => serveLogin(this.wire, session, command, this.#serving));
      }
      default:
        return this.wire.write(`${tag} ${unknown.reply}\r\n`);
    }
  }

  /** What there is against a command with arguments of any length; LOGIN is one under the name of PLAIN. */
  #objection(name: string): Objection | undefined {
    if (name !== "LOGIN") return unknown;
    if (this.#plainOffered) return undefined;
    if (this.secure) {
      const error = new SASLFailure("mechanism-unsupported", "LOGIN is disabled");
      return { reply: "NO [CANNOT] LOGIN is disabled", error };
    }
    const error = new SASLFailure("channel-not-protected", "LOGIN is disabled without TLS");
    return { reply: "NO [PRIVACYREQUIRED] LOGIN is disabled", error };
  }

  /** Turns an attempt down that no session could take, counts it and has it logged. @param reply with CRLF. */
  #deny(mechanism: string, reply: string, error: SASLFailure): Promise<boolean> {
    return this.attempt(async (session) => {
      session.refuse(mechanism, error);
      await this.wire.write(reply);
      return { ok: false, error };
    });
  }

  get #serving(): ServeOptions {
    return { maxLineBytes: this.options.maxLineBytes, capabilities: () => this.options.capabilities ?? afterLogin };
  }

  get #plainOffered(): boolean {
    return this.options.server.mechanisms(this.about()).includes("PLAIN");
  }
}

const unknown: Objection = {
  reply: "BAD Unknown command, or not before authentication",
  error: new SASLFailure("unexpected-message", "a command that is unknown before authentication"),
};

const already: Objection = {
  reply: "BAD Already authenticated",
  error: new SASLFailure("unexpected-message", "a second authentication"),
};

/** R-IMAP-06 */
function againstSecond(name: string): Objection | undefined {
  return name === "AUTHENTICATE" || name === "LOGIN" || name === "STARTTLS" ? already : undefined;
}

const afterLogin: readonly string[] = ["IMAP4rev1", "LITERAL-"];

const farewells: Readonly<Record<Farewell, string>> = {
  time: "Time is up",
  "line-end": "Lines end with CRLF",
  attempts: "Too many attempts",
  shutdown: "The server shuts down",
};
