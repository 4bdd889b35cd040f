/**
 * A server's connection up to the login: greeting, CAPABILITY, STARTTLS, AUTHENTICATE, LOGIN. What comes after is the
 * program's. Source: RFC 9051 §3.1, §6.1, §6.2; R-IMAP-01 to R-IMAP-09, R-IMAP-18.
 *
 * @module
 */
import type { SASLFailure, ServerResult } from "sasl-core";
import { LineConnection, type LineConnectionOptions, type MaybePromise, type ServerTransport } from "sasl-lines";
import {
  type Command,
  type CommandFault,
  type CommandLimits,
  completeCommand,
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
    if (this.result) return [...capabilities];
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
      const command = await this.#usable(await readCommand(this.wire, this.options));
      if (command === "over") return undefined;
      if (command === "fault") continue;
      if (["AUTHENTICATE", "LOGIN", "STARTTLS"].includes(command.name)) {
        await this.wire.write(`${command.tag} BAD Already authenticated\r\n`);
      } else if (command.name === "CAPABILITY") await this.#tell(command.tag);
      else return command;
    }
  }

  override get greeting(): string {
    return `* OK [CAPABILITY ${this.capabilities.join(" ")}] ${this.options.greeting ?? "IMAP server ready"}\r\n`;
  }

  protected override farewell(reason: "time" | "line-end" | "attempts"): string {
    return `* BYE ${farewells[reason]}\r\n`;
  }

  protected override async turn(line: string | SASLFailure): Promise<boolean> {
    const read = typeof line === "string" ? await completeCommand(this.wire, line, this.options) : tooLong;
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
      await this.wire.write(command.reply);
      return command.fatal ? "over" : "fault";
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
      case "LOGIN":
        if (this.#plainOffered)
          return this.attempt((session) => serveLogin(this.wire, session, command, this.#serving));
        this.failed(); // R-IMAP-06: the arguments are not looked at
        return this.wire.write(`${tag} NO [PRIVACYREQUIRED] LOGIN is disabled\r\n`);
      default:
        return this.wire.write(`${tag} BAD Unknown command, or not before authentication\r\n`);
    }
  }

  get #serving(): ServeOptions {
    return { maxLineBytes: this.options.maxLineBytes, capabilities: () => this.options.capabilities ?? afterLogin };
  }

  get #plainOffered(): boolean {
    return this.options.server.mechanisms(this.about()).includes("PLAIN");
  }
}

const afterLogin: readonly string[] = ["IMAP4rev1", "LITERAL-"];

const farewells = { time: "Time is up", "line-end": "Lines end with CRLF", attempts: "Too many attempts" } as const;
