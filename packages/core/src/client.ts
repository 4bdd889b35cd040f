/**
 * Client mechanisms as an application sees them, and the engine that plays a client half against a peer.
 * The engine alone decides success: the protocol must say it and the half must have returned (R-GEN-10).
 *
 * @module
 */
import type { ClientNames } from "./canonicalize.js";
import type { ChannelBinding } from "./channel-binding.js";
import {
  type CredentialKind,
  type CredentialNeed,
  type CredentialProvider,
  type Credentials,
  missing,
  needOf,
  provide,
} from "./credentials.js";
import type { DowngradeProtection } from "./downgrade-protection.js";
import { asSASLError, type SASLError, SASLFailure } from "./errors.js";
import type { SASLReply } from "./interface.js";
import { BaseContext, type ContextSettings } from "./internal/context.js";
import { type LayerBounds, noLayer, type SecurityLayer } from "./layer.js";
import type { ClientContext, Final, IterationBounds, Mechanism, MechanismInfo } from "./mechanism.js";
import type { MaybePromise } from "./runtime/contract.js";
import type { ScramKeyStore } from "./scram-key-cache.js";
import type { SASLStateMachine } from "./state-machine.js";
import { compareStrength } from "./strength.js";
import type { Tracer } from "./trace.js";

/** What an exchange needs to know beyond its credentials. All of it is optional. */
export interface ClientSettings extends ContextSettings {
  /** Everything the server offered; decides SCRAM's `y` flag (RFC 5802 §6). */
  readonly offered?: readonly string[] | undefined;
  /** What this connection can be bound to. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Binding types the server announced (XEP-0440). */
  readonly serverBindingTypes?: readonly string[] | undefined;
  /** Bounds on SCRAM's iteration count. Default 4096 to 600000; a count outside ends the exchange. */
  readonly iterations?: Partial<IterationBounds> | undefined;
  /** Keeps derived SCRAM keys from one login to the next: `new ScramKeyCache()`, `browserKeyCache()`. */
  readonly keyCache?: ScramKeyStore | undefined;
  /** TLS version of this connection as four hexadecimal digits, `0304` for TLS 1.3: `tlsVersion(socket)` of `sasl-core/node`. */
  readonly tlsVersion?: string | undefined;
  /** Checks what the server announced, and remembers who needs no PLAIN: `downgradeProtection()`. Left out: nobody does. */
  readonly downgradeProtection?: DowngradeProtection | undefined;
  /** Whether what needs a protected channel keeps off others. Default true; false sends passwords in the clear. */
  readonly requireEncryption?: boolean | undefined;
  /** User canonicalisation before any mechanism sees a name: `clientNames([trim(), appendRealm("example.com")])`. */
  readonly names?: ClientNames | undefined;
  /** What a security layer must and may be. Default: there can be none. `authenticate` works it out from its policy. */
  readonly protection?: LayerBounds | undefined;
  /** Sees every message: `tracer(listener)` shows it decoded and without secrets. */
  readonly trace?: Tracer | undefined;
}

/** What one exchange established. */
export interface ClientOutcome {
  readonly mechanism: string;
  /** The user name the credentials gave, if the mechanism asked for one. */
  readonly authcid: string | undefined;
  readonly authzid: string | undefined;
  /** True when the server proved itself, as the mechanism promises. */
  readonly serverVerified: boolean;
  /** Type the exchange was bound to. */
  readonly channelBinding: string | undefined;
  /** The security layer that protects what follows the success; who owns the channel puts it there. */
  readonly layer: SecurityLayer | undefined;
}

/** A mechanism, or a family of them, together with its credentials. Holds no state of an exchange; use it as often as you like. */
export interface SASLMechanism {
  /** The names it covers with their facts, strongest first. */
  readonly variants: readonly MechanismInfo[];
  /** What it can bind to, where it was given that itself. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Why its credentials cannot answer what a variant needs, as far as that is known without asking. */
  missing?(info: MechanismInfo): string | undefined;
  /** The strongest of its names among those offered: the token to pass to {@link authenticate}. */
  anySupported(offered: Iterable<string>): string | undefined;
  /**
   * Plays one exchange.
   *
   * @param machine fresh, for this exchange alone.
   * @param token what {@link anySupported} gave.
   * @throws {AuthenticationFailure} the credentials were turned down.
   * @throws {SASLFailure} everything else; see `code`.
   */
  authenticate(machine: SASLStateMachine, token: string, settings?: ClientSettings): Promise<ClientOutcome>;
  /**
   * The same mechanism with credentials that are asked for anew, after a token was refused (RFC 7628 §3.2.2).
   * Nothing when that would only repeat the refusal.
   */
  again?(failure: SASLError): SASLMechanism | undefined;
}

/** Puts credentials to one mechanism or a family: what `PLAIN(…)` and its like are made with, and your own. */
export function clientMechanism<T extends object = Credentials>(
  mechanisms: readonly Mechanism[],
  given: CredentialProvider<T>,
  channelBinding?: ChannelBinding,
): SASLMechanism {
  const credentials = given as CredentialProvider; // what a mechanism needs is checked when it asks
  const variants = mechanisms.filter((each) => each.client !== undefined).sort(compareStrength);
  return {
    variants,
    channelBinding,
    missing: (info) => (typeof credentials === "function" ? undefined : missing(credentials, info)),
    anySupported(offered) {
      const names = new Set(offered);
      return variants.find((each) => names.has(each.name))?.name;
    },
    authenticate(machine, token, settings = {}) {
      const mechanism = variants.find((each) => each.name === token);
      if (mechanism === undefined) throw new TypeError(`${token} is no name of this mechanism`);
      const all = channelBinding === undefined ? settings : { channelBinding, ...settings };
      return new ClientExchange(mechanism, credentials, machine, all).run();
    },
  };
}

/** One exchange from the client's end, and the context its half sees. */
class ClientExchange extends BaseContext implements ClientContext {
  declare readonly mechanism: Mechanism;
  readonly settings: ClientSettings;
  readonly #credentials: CredentialProvider;
  readonly #machine: SASLStateMachine;
  #given: Credentials = {};
  #bound: string | undefined;
  #layer: SecurityLayer | undefined;
  #proven = true;

  constructor(
    mechanism: Mechanism,
    credentials: CredentialProvider,
    machine: SASLStateMachine,
    settings: ClientSettings,
  ) {
    super(mechanism, settings, machine.limits);
    this.settings = settings;
    this.#credentials = credentials;
    this.#machine = machine;
  }

  get secure(): boolean {
    return this.#machine.secure;
  }

  get protection(): LayerBounds {
    return this.settings.protection ?? noLayer;
  }

  // biome-ignore lint/suspicious/noExplicitAny: typed by the two signatures of the contract
  async credentials(kind: CredentialKind | CredentialNeed, about?: Readonly<Record<string, unknown>>): Promise<any> {
    const need = needOf(kind);
    const { signal } = this.#machine;
    const { name, authzid } = this.mechanism;
    const request = { kind: need.kind, mechanism: name, host: this.host, about, signal };
    const given = await provide(this.#credentials, request, { needs: need, authzid });
    const isTrace = need.kind === "trace";
    if (!isTrace) {
      this.checkIdentity(given.username);
      this.checkIdentity(given.authzid);
      this.#given = { ...given, ...(await this.settings.names?.(this, given)) };
    }
    await this.settings.downgradeProtection?.admit(this, this.#given);
    return isTrace ? given : this.#given;
  }

  override prepare(text: string, usage: "stored" | "query", what?: "name" | "password"): MaybePromise<string> {
    return what === "name" && this.settings.names ? text : super.prepare(text, usage, what);
  }

  final(message: Uint8Array): Final {
    return { final: message };
  }

  bound(type: string): void {
    this.#bound = type;
  }

  unproven(): void {
    this.#proven = false;
  }

  layer(layer: SecurityLayer): void {
    if (layer.ssf > this.protection.maxSsf) throw new TypeError(`${this.mechanism.name} agreed to a layer too strong`);
    this.#layer = layer;
  }

  async run(): Promise<ClientOutcome> {
    const { name, security } = this.mechanism;
    try {
      await this.#play();
      // Once more, whether policy got what it wanted (R-GEN-26).
      if ((this.#layer?.ssf ?? 0) < this.protection.minSsf) {
        throw new SASLFailure("peer-not-verified", `${name} brought too weak a security layer`);
      }
    } catch (error) {
      this.end([false, error]);
      await this.#machine.abort().catch(() => {}); // unless it is over; lets go of its timer, too
      throw error instanceof TypeError ? error : asSASLError(error, "aborted", `${name} failed on this side`);
    }
    this.end([true]);
    return {
      mechanism: name,
      authcid: this.#given.username,
      authzid: this.#given.authzid,
      serverVerified: this.#proven && security.includes("mutualAuth"),
      channelBinding: this.#bound,
      layer: this.#layer,
    };
  }

  async #play(): Promise<void> {
    const { name, flow, needsProtection, client } = this.mechanism;
    const { requireEncryption, trace } = this.settings;
    const machine = this.#machine;
    if (needsProtection && requireEncryption !== false && !machine.secure) {
      throw new SASLFailure("channel-not-protected", `${name} needs an encrypted channel`); // R-PLAIN-06
    }
    const half = (client as NonNullable<Mechanism["client"]>)(this);
    try {
      let reply: SASLReply | undefined;
      for (;;) {
        const turn = await machine.until(half.next(reply?.payload));
        const final = (turn.value as Partial<Final> | undefined)?.final;
        const said = final ?? (turn.value as Uint8Array | undefined);
        if (reply?.state === "success") {
          if (turn.done && !said) return;
          throw earlySuccess();
        }
        if (!reply && flow === (said ? "server-first" : "client-first")) {
          throw new TypeError(`the first turn of ${name} is not ${flow}`); // RFC 4422 §5 item 2a
        }
        // Additional data that came as a challenge gets the empty answer (RFC 4422 §5 item 2b).
        const payload = reply ? (said ?? new Uint8Array(0)) : said;
        trace?.(this.mechanism, "send", reply ? "response" : "initiate", payload);
        try {
          reply = await (reply ? machine.respond(payload as Uint8Array) : machine.initiate(name, payload));
          trace?.(this.mechanism, "receive", reply.state, reply.payload);
        } catch (error) {
          await half.throw(error); // it may know more about a failure on the wire
          throw error;
        }
        if (turn.done) {
          if (reply.state === "success" && !reply.payload?.length) return;
          throw new SASLFailure("unexpected-message", "the server goes on after the end");
        }
        if (reply.state === "success" && !final) throw earlySuccess();
      }
    } finally {
      half.return(undefined).catch(() => {});
    }
  }
}

function earlySuccess(): SASLError {
  return new SASLFailure("peer-not-verified", "the server said success too early");
}
