/**
 * One client and one server of a mechanism with a wire between them that can be listened to and bent.
 *
 * @module
 */
import type { ChannelBinding } from "../channel-binding.js";
import { type ClientOutcome, type ClientSettings, clientMechanism } from "../client.js";
import type { CredentialProvider } from "../credentials.js";
import { isSASLError } from "../errors.js";
import type { SASLInterface, SASLReply } from "../interface.js";
import type { Mechanism } from "../mechanism.js";
import { channelOf, SASLServer, type ServerConnection, type ServerEvent, type ServerOptions } from "../server.js";
import type { SASLServerSession } from "../session.js";
import { SASLStateMachine } from "../state-machine.js";
import { layerBounds } from "../strength.js";
import { type TraceEvent, tracer } from "../trace.js";
import { ComplianceFailure, expect, messageOf, within } from "./checks.js";
import { chance } from "./random.js";

/** What a mechanism is tried with. */
export interface BenchOptions {
  /** Credentials with which a login succeeds. */
  readonly credentials: CredentialProvider;
  /** The server's configuration, beside its mechanisms. */
  readonly server: Omit<ServerOptions, "mechanisms" | "random" | "nonce" | "onOutcome">;
  /** The connection both ends are on. Default: a secure one. */
  readonly connection?: Partial<ServerConnection> | undefined;
  /** The client's settings, beside those that `server` and `connection` imply. */
  readonly client?: Omit<ClientSettings, "random" | "nonce" | "trace"> | undefined;
  /** The canonical name a success is for. Default: `username` of the credentials. */
  readonly identity?: string | undefined;
  /** The other half, where the mechanism has one alone. */
  readonly counterpart?: Mechanism | undefined;
  /** Longest time for one exchange, in milliseconds. Default 10000. */
  readonly timeoutMs?: number | undefined;
}

/** One message on the wire. */
export interface WireMessage {
  readonly from: "client" | "server";
  /** Counts the messages of this side, from 0. */
  readonly index: number;
  readonly kind: "initial" | "response" | "challenge" | "success";
  readonly payload: Uint8Array | undefined;
}

/** Bends what goes over the wire. */
export interface Bend {
  /** What arrives at the server in place of the client's message. */
  readonly client?: (message: WireMessage) => Uint8Array | undefined;
  /** What arrives at the client in place of the server's reply; throws for a failure. */
  readonly server?: (reply: SASLReply, index: number) => SASLReply | Promise<SASLReply>;
  /** Whether the server gets this message a second time, as an answer to what it said to the first. */
  readonly again?: (message: WireMessage) => boolean;
}

/** How an exchange is to be played. */
export interface Play extends Bend {
  readonly seed: number;
  readonly credentials?: CredentialProvider | undefined;
  readonly successData?: boolean | undefined;
  /** Gives up the exchange from the client's end. */
  readonly signal?: AbortSignal | undefined;
  /** A session that has had exchanges before. Default: a new one. */
  readonly session?: SASLServerSession | undefined;
  /** A mechanism in place of the one under test. */
  readonly mechanism?: Mechanism | undefined;
  readonly accounts?: ServerOptions["accounts"] | undefined;
}

/** How it came out. */
export interface Played {
  /** Set when the client was convinced. */
  readonly outcome: ClientOutcome | undefined;
  /** Set when it was not. */
  readonly error: unknown;
  /** What the server's session failed with. */
  readonly refusals: readonly unknown[];
  readonly session: SASLServerSession;
  /** As they were sent, before anything was bent. */
  readonly messages: readonly WireMessage[];
  readonly events: readonly ServerEvent[];
  readonly trace: readonly TraceEvent[];
}

/** A mechanism with both halves, and what it is tried with. */
export class Bench {
  readonly mechanism: Mechanism;
  readonly options: BenchOptions;
  readonly identity: string;
  readonly timeoutMs: number;

  constructor(mechanism: Mechanism, options: BenchOptions) {
    const { counterpart, credentials, timeoutMs = 10_000 } = options;
    const client = mechanism.client ?? counterpart?.client;
    const server = mechanism.server ?? counterpart?.server;
    expect(client !== undefined && server !== undefined, "it has one half alone: give a `counterpart` with the other");
    this.mechanism =
      mechanism.client && mechanism.server ? mechanism : { ...counterpart, ...mechanism, client, server };
    const identity = options.identity ?? (typeof credentials === "function" ? undefined : credentials.username);
    expect(identity !== undefined, "give the `identity` that a success is for");
    this.options = options;
    this.identity = identity;
    this.timeoutMs = timeoutMs;
  }

  /** A server of its own for each exchange, whose chance follows from the seed. */
  server(play: Pick<Play, "seed" | "mechanism" | "accounts">, onOutcome?: (event: ServerEvent) => void): SASLServer {
    const { accounts = this.options.server.accounts, mechanism = this.mechanism, seed } = play;
    const { bytes } = chance(seed ^ 0x5e7);
    return new SASLServer({
      secret: new Uint8Array(32),
      ...this.options.server,
      accounts,
      mechanisms: [mechanism],
      random: bytes,
      ...(onOutcome && { onOutcome }),
    });
  }

  connection(successData = false): ServerConnection {
    return { secure: true, ...this.options.connection, successData };
  }

  /** Plays an exchange to its end; whatever that is, both ends have settled. */
  async play(play: Play): Promise<Played> {
    const { signal, credentials = this.options.credentials, mechanism = this.mechanism } = play;
    const events: ServerEvent[] = [];
    const trace: TraceEvent[] = [];
    const session =
      play.session ?? this.server(play, (event) => events.push(event)).session(this.connection(play.successData));
    const messages: WireMessage[] = [];
    const refusals: unknown[] = [];
    const machine = new SASLStateMachine(this.#wire(session, play, messages, refusals), { signal });
    const { host, service, port, prepare } = this.options.server;
    const binding: ChannelBinding | undefined = this.options.connection?.channelBinding;
    const settings: ClientSettings = {
      protection: layerBounds(this.options.server.policy ?? {}, channelOf(this.connection())),
      host,
      service,
      port,
      prepare,
      channelBinding: binding,
      offered: [mechanism.name],
      ...this.options.client,
      random: chance(play.seed ^ 0xc11e).bytes,
      trace: tracer((event) => trace.push(event)),
    };
    const exchange = clientMechanism([mechanism], credentials).authenticate(machine, mechanism.name, settings);
    const ended = { outcome: undefined as ClientOutcome | undefined, error: undefined as unknown };
    await within(
      this.timeoutMs,
      exchange.then(
        (outcome) => {
          ended.outcome = outcome;
        },
        (error: unknown) => {
          ended.error = error;
        },
      ),
    );
    return { ...ended, refusals, session, messages, events, trace };
  }

  /** Plays an exchange that must succeed, at both ends and for the right identity. */
  async succeed(play: Play): Promise<Played> {
    const played = await this.play(play);
    if (played.error !== undefined) {
      throw new ComplianceFailure(`the right credentials fail: ${messageOf(played.error)}`, { cause: played.error });
    }
    this.expectIdentity(played);
    expect(played.session.result !== undefined, "the client is convinced, and the server has authenticated nobody");
    return played;
  }

  /** Where the server has authenticated somebody, it is the one it should be. */
  expectIdentity({ session: { result } }: Played): void {
    if (result === undefined) return;
    const { authcid, authzid } = result;
    const right = authcid === this.identity && authzid === this.identity;
    expect(
      right,
      `a success for ${JSON.stringify(authcid)} acting as ${JSON.stringify(authzid)}, not for ${JSON.stringify(this.identity)}`,
    );
  }

  /** Whatever failed, failed with an error that says what it is. */
  expectTypedErrors({ error, refusals }: Played): void {
    for (const each of error === undefined ? refusals : [error, ...refusals]) {
      expect(isSASLError(each), `what is thrown is no SASL error: ${messageOf(each)}`);
      const { cause } = each;
      const fault =
        (each.code === "temporary" || each.code === "aborted") && cause !== undefined && !isSASLError(cause);
      expect(!fault, `a half threw ${messageOf(cause)}, which is no SASL error`);
    }
  }

  #wire(session: SASLServerSession, bend: Bend, messages: WireMessage[], refusals: unknown[]): SASLInterface {
    const counts = { client: 0, server: 0 };
    const say = async (
      kind: "initial" | "response",
      payload: Uint8Array | undefined,
      send: (payload: Uint8Array | undefined) => Promise<SASLReply>,
    ) => {
      const message: WireMessage = { from: "client", index: counts.client++, kind, payload };
      messages.push(message);
      const arrives = bend.client ? bend.client(message) : payload;
      let reply: SASLReply;
      try {
        reply = await send(arrives);
        if (reply.state === "challenge" && bend.again?.(message)) reply = await session.respond(arrives as Uint8Array);
      } catch (error) {
        refusals.push(error);
        throw error;
      }
      const index = counts.server++;
      if (reply.state !== "failure")
        messages.push({ from: "server", index, kind: reply.state, payload: reply.payload });
      return bend.server ? bend.server(reply, index) : reply;
    };
    return {
      secure: session.secure,
      layers: session.layers,
      initiate: (name, payload) => say("initial", payload, (arrives) => session.initiate(name, arrives)),
      respond: (payload) => say("response", payload, (arrives) => session.respond(arrives as Uint8Array)),
      abort: () => session.abort(),
    };
  }
}
