/**
 * A server's connection up to the login: greeting, CAPABILITY, STARTTLS, AUTHENTICATE, LOGIN. What comes after is the
 * program's. Source: RFC 9051 §3.1, §6.1, §6.2; R-IMAP-01 to R-IMAP-09, R-IMAP-18.
 *
 * @module
 */
import {
  type ExternalIdentity,
  isSASLError,
  type SASLServer,
  type ServeOutcome,
  type ServerConnection,
  type ServerResult,
} from "sasl-core";
import type { MaybePromise, Perishable, ServerTransport, Sweep } from "sasl-lines";
import { type Command, type CommandLimits, readCommand } from "./command.js";
import { announce } from "./discovery.js";
import { serveLogin } from "./login.js";
import { serve } from "./server.js";

/** What all connections of one listener have in common. Make it once. */
export interface IMAPConnectionOptions<W extends ServerTransport = ServerTransport> extends CommandLimits {
  readonly server: SASLServer;
  /** The rest of the connection: called once, after the OK to the login was written. The connection is closed when it returns. */
  readonly onAuthenticated: (result: ServerResult, connection: IMAPConnection<W>) => MaybePromise<void>;
  /**
   * Begins TLS; `startTlsServer` of `sasl-lines/node` does it. The signal is aborted when time is up. Left out: STARTTLS is
   * neither offered nor accepted.
   */
  readonly startTls?: ((wire: W, signal: AbortSignal) => Promise<W>) | undefined;
  /** What the channel proved about the client, such as a certificate; asked after TLS has begun. */
  readonly external?: ((wire: W) => ExternalIdentity | undefined) | undefined;
  /** Capabilities besides those of authentication, before and after the login. Default `IMAP4rev1`, `LITERAL-`. */
  readonly capabilities?: readonly string[] | undefined;
  /** Text of the greeting. Default `IMAP server ready`. */
  readonly greeting?: string | undefined;
  /** Failed attempts after which the connection is closed, at least 3. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Commands before the login after which the connection is closed. Default 100. */
  readonly maxCommands?: number | undefined;
  /** Time for the login, in milliseconds. Default 60000. Counts only with `sweep`. */
  readonly loginTimeoutMs?: number | undefined;
  /** Time without a command after the login, in milliseconds. Default 1800000 (RFC 9051 §5.4). Counts only with `sweep`. */
  readonly idleTimeoutMs?: number | undefined;
  /** Ends connections that have run out of time; one for any number of listeners. Left out: no time limits. */
  readonly sweep?: Sweep | undefined;
}

/** One connection. */
export class IMAPConnection<W extends ServerTransport = ServerTransport> implements Perishable {
  readonly #options: IMAPConnectionOptions<W>;
  /** Address of the peer, for logs. */
  readonly remote: string | undefined;
  #wire: W;
  #deadline: number;
  #failures = 0;
  #result: ServerResult | undefined;
  /** Set while TLS begins. */
  #handshake: AbortController | undefined;

  constructor(wire: W, options: IMAPConnectionOptions<W>, remote?: string) {
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
      if (await this.#login()) await this.#options.onAuthenticated(this.#result as ServerResult, this);
    } catch (error) {
      if (!isSASLError(error)) throw error;
    } finally {
      this.#options.sweep?.delete(this);
      this.#wire.close();
    }
  }

  /**
   * Reads the next command after the login. Answers by itself what cannot be read, what is about authentication (R-IMAP-06),
   * CAPABILITY and LOGOUT.
   *
   * @returns `undefined` when the connection is over.
   * @throws {SASLFailure} `connection-lost`.
   */
  async nextCommand(): Promise<Command | undefined> {
    for (;;) {
      this.#deadline = Date.now() + (this.#options.idleTimeoutMs ?? 1_800_000);
      const command = await this.#read();
      if (command === "over") return undefined;
      if (command === "fault") continue;
      if (["AUTHENTICATE", "LOGIN", "STARTTLS"].includes(command.name)) {
        await this.#wire.write(`${command.tag} BAD Already authenticated\r\n`);
      } else if (command.name === "CAPABILITY") await this.#tell(command.tag);
      else return command;
    }
  }

  /** Capabilities as they are now. */
  get capabilities(): string[] {
    const { capabilities = ["IMAP4rev1", "LITERAL-"], server, startTls } = this.#options;
    if (this.#result) return [...capabilities];
    const names = server.mechanisms(this.#about());
    return announce(names, { capabilities, startTls: startTls !== undefined && !this.#wire.secure });
  }

  expired(now: number): boolean {
    return now > this.#deadline;
  }

  expire(): void {
    try {
      void Promise.resolve(this.#wire.write("* BYE Time is up\r\n")).catch(() => {});
    } catch {
      // The connection is gone already.
    }
    this.#handshake?.abort();
    this.#wire.close();
  }

  /** True when somebody is logged in, false when the connection is over. */
  async #login(): Promise<boolean> {
    const { greeting = "IMAP server ready", maxAttempts = 3, maxCommands = 100 } = this.#options;
    await this.#wire.write(`* OK [CAPABILITY ${this.capabilities.join(" ")}] ${greeting}\r\n`);
    for (let commands = 0; commands < maxCommands; commands++) {
      const command = await this.#read();
      if (command === "over") return false;
      if (command === "fault") continue;
      await this.#answer(command);
      if (this.#result) return true;
      if (this.#failures >= maxAttempts) break;
    }
    await this.#wire.write("* BYE Too many attempts\r\n");
    return false;
  }

  /** Reads a command; writes what there is to say to one that cannot be read, and to LOGOUT. */
  async #read(): Promise<Command | "fault" | "over"> {
    const command = await readCommand(this.#wire, this.#options);
    if ("reply" in command) {
      await this.#wire.write(command.reply);
      return command.fatal ? "over" : "fault";
    }
    if (command.name !== "LOGOUT") return command;
    await this.#wire.write(`* BYE Logging out\r\n${command.tag} OK Logged out\r\n`);
    return "over";
  }

  async #tell(tag: string): Promise<void> {
    await this.#wire.write(`* CAPABILITY ${this.capabilities.join(" ")}\r\n${tag} OK Done\r\n`);
  }

  async #answer(command: Command): Promise<void> {
    const { tag, name } = command;
    switch (name) {
      case "CAPABILITY":
        return this.#tell(tag);
      case "NOOP":
        await this.#wire.write(`${tag} OK Done\r\n`);
        return;
      case "STARTTLS":
        return this.#startTls(command);
      case "AUTHENTICATE":
        return this.#attempt((session) => serve(this.#wire, session, command, this.#serving));
      case "LOGIN":
        // R-IMAP-06: with LOGIN disabled the arguments are not looked at.
        if (!this.#plainOffered) {
          this.#failures++;
          await this.#wire.write(`${tag} NO [PRIVACYREQUIRED] LOGIN is disabled\r\n`);
          return;
        }
        return this.#attempt((session) => serveLogin(this.#wire, session, command, this.#serving));
      default:
        await this.#wire.write(`${tag} BAD Unknown command, or not before authentication\r\n`);
    }
  }

  async #attempt(run: (session: ReturnType<SASLServer["session"]>) => Promise<ServeOutcome>): Promise<void> {
    const session = this.#options.server.session(this.#about());
    const outcome = await run(session);
    if (outcome.ok) this.#result = session.result;
    else this.#failures++;
  }

  async #startTls({ tag, arguments: given }: Command): Promise<void> {
    const { startTls } = this.#options;
    if (startTls === undefined || this.#wire.secure || given !== "") {
      await this.#wire.write(`${tag} BAD STARTTLS is not possible\r\n`);
      return;
    }
    this.#wire.discard(); // R-IMAP-09
    this.#handshake = new AbortController();
    await this.#wire.write(`${tag} OK Begin TLS\r\n`);
    this.#wire = await startTls(this.#wire, this.#handshake.signal);
    this.#handshake = undefined;
  }

  get #serving(): { maxLineBytes: number | undefined; capabilities: () => string[] } {
    const { maxLineBytes, capabilities = ["IMAP4rev1", "LITERAL-"] } = this.#options;
    return { maxLineBytes, capabilities: () => [...capabilities] };
  }

  get #plainOffered(): boolean {
    return this.#options.server.mechanisms(this.#about()).includes("PLAIN");
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
