/**
 * The server end: what is offered on a connection, and one session for each.
 * Announcing a mechanism and accepting it are one decision (R-GEN-03, RFC 4422 §6.1.2).
 *
 * @module
 */

import { randomBytes } from "#runtime";
import type { AccountStore, TokenVerifier } from "./accounts.js";
import type { ChannelBinding } from "./channel-binding.js";
import type { SASLErrorCode } from "./errors.js";
import type { ContextSettings } from "./internal/context.js";
import { type Limits, limitsFrom } from "./limits.js";
import type { ExternalIdentity, Mechanism } from "./mechanism.js";
import type { MaybePromise } from "./runtime/contract.js";
import { ScramHabits } from "./scram-habits.js";
import { SASLServerSession } from "./session.js";
import { compareStrength, isWeaker, type Strength, strengthOf } from "./strength.js";
import type { Throttle } from "./throttle.js";

/** What a server offers. Everything left out takes the safe side. */
export interface ServerPolicy {
  /** Keep mechanisms that an eavesdropper could use off unprotected channels. Default true; false accepts passwords in the clear. */
  readonly requireEncryption?: boolean | undefined;
  /** Nothing weaker than this. Default `anonymous`: everything that was configured. */
  readonly minStrength?: Strength | undefined;
  /** `prefer` (default), `require`: only bound mechanisms; `disable`: none, for a server behind a TLS proxy. */
  readonly channelBinding?: "disable" | "prefer" | "require" | undefined;
}

/** Who wants to act as whom, for an authorization check (RFC 4422 §3.4.1). */
export interface AuthorizationRequest {
  readonly authcid: string;
  /** Prepared, not empty, and not the same as `authcid`. */
  readonly authzid: string;
  readonly mechanism: string;
  readonly remote: string | undefined;
}

/** How one exchange came out, for logs and audits. Holds nothing secret, and more than the peer was told. */
export interface ServerEvent {
  readonly service: string | undefined;
  readonly mechanism: string;
  readonly ok: boolean;
  /** The name given, where it got that far; not proved unless `ok`. */
  readonly authcid: string | undefined;
  readonly authzid: string | undefined;
  readonly channelBinding: string | undefined;
  readonly remote: string | undefined;
  readonly code: SASLErrorCode | undefined;
  readonly detail: string | undefined;
}

/** A server's configuration; one for each service. */
export interface ServerOptions extends ContextSettings {
  /** What may be offered at all. */
  readonly mechanisms: readonly Mechanism[];
  readonly accounts: AccountStore;
  /** Who ANONYMOUS becomes. Left out: nobody may be anonymous (R-ANON-01). */
  readonly anonymous?: string | undefined;
  /** Judge of bearer tokens. Left out: none is accepted. */
  readonly tokens?: TokenVerifier | undefined;
  /** Whether `authcid` may act as somebody else. Left out: never. */
  readonly authorize?: ((request: AuthorizationRequest) => MaybePromise<boolean>) | undefined;
  /**
   * Maps a prepared name to its canonical form, for authcid and authzid alike; must be idempotent. Throws a SASLError for
   * a name that cannot be used on this connection, such as one of another domain than its `host`. Left out: as it is.
   */
  readonly canonicalize?:
    | ((name: string, role: "authcid" | "authzid", connection: ServerConnection) => MaybePromise<string>)
    | undefined;
  readonly policy?: ServerPolicy | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /**
   * Key behind the salts unknown users get, at least 16 octets. Give the same one to all processes and keep it over
   * restarts, or these salts change and give unknown users away. Default: random for this object.
   */
  readonly secret?: Uint8Array | undefined;
  /**
   * Counts that the stored SCRAM verifiers have, each at least 4096: names nobody has are shown one of them, always the
   * same for a name. Left out: 10000 until a stored verifier has been seen, then its count, which gives a name away that
   * was tried before and after.
   */
  readonly scramIterations?: number | readonly number[] | undefined;
  /** How fast peers may try; `sasl-throttle` has one. Left out: as fast as they can. */
  readonly throttle?: Throttle | undefined;
  /** Called once for each exchange. What it throws is ignored. */
  readonly onOutcome?: ((event: ServerEvent) => void) | undefined;
}

/** What is known about one connection, at the moment a mechanism is announced or begun. */
export interface ServerConnection {
  /** True when the channel has confidentiality from TLS or an equal layer. */
  readonly secure: boolean;
  readonly channelBinding?: ChannelBinding | undefined;
  /** What the channel proved about the peer, such as a verified client certificate. */
  readonly external?: ExternalIdentity | undefined;
  /** Whether the protocol can carry data with success (XMPP can, IMAP and SMTP cannot). Default false. */
  readonly successData?: boolean | undefined;
  /** Address of the peer, for logs. */
  readonly remote?: string | undefined;
  /** The host the peer asked for, where the protocol knows several of them (XMPP); for `canonicalize`. */
  readonly host?: string | undefined;
}

/** A service's authentication. Make one, then ask it for what to announce and for a session on each connection. */
export class SASLServer {
  readonly limits: Limits;
  readonly #options: ServerOptions;
  readonly #habits: ScramHabits;
  readonly #mechanisms: ReadonlyMap<string, Mechanism>;

  /** @throws {RangeError} for a secret under 16 octets or two mechanisms of one name. */
  constructor(options: ServerOptions) {
    this.#options = options;
    this.limits = limitsFrom(options.limits);
    this.#habits = new ScramHabits(options.secret ?? randomBytes(32), options.scramIterations);
    const able = options.mechanisms.filter((each) => each.server !== undefined).sort(compareStrength);
    this.#mechanisms = new Map(able.map((each) => [each.name, each]));
    if (this.#mechanisms.size !== able.length) throw new RangeError("two mechanisms have the same name");
  }

  /** A method and no property, so that no inspection gets to accounts and the secret (R-GEN-30). @internal */
  options(): ServerOptions {
    return this.#options;
  }

  /** What unknown users are shown. @internal */
  get habits(): ScramHabits {
    return this.#habits;
  }

  /** Names to announce on this connection as it is now, strongest first; when there is none, announce nothing. */
  mechanisms(connection: ServerConnection): readonly string[] {
    const names: string[] = [];
    for (const each of this.#mechanisms.values()) {
      if (this.#objection(each, connection) === undefined) names.push(each.name);
    }
    return names;
  }

  /** The mechanism, if it would be announced, or the code that says why not. @internal */
  choose(name: string, connection: ServerConnection): Mechanism | SASLErrorCode {
    const mechanism = this.#mechanisms.get(name);
    if (mechanism === undefined) return "mechanism-unsupported";
    return this.#objection(mechanism, connection) ?? mechanism;
  }

  /** A session for one connection. It keeps nothing until a mechanism is named. */
  session(connection: ServerConnection): SASLServerSession {
    return new SASLServerSession(this, connection);
  }

  #objection(mechanism: Mechanism, connection: ServerConnection): SASLErrorCode | undefined {
    const { requireEncryption = true, minStrength, channelBinding = "prefer" } = this.#options.policy ?? {};
    const { external } = connection;
    const { anonymous, tokens } = this.#options;
    if (mechanism.possible && !mechanism.possible({ external, anonymous, verifiesTokens: tokens !== undefined })) {
      return "mechanism-unsupported";
    }
    if (mechanism.needsProtection && requireEncryption && !connection.secure) return "channel-not-protected";
    if (minStrength && isWeaker(strengthOf(mechanism), minStrength)) return "mechanism-too-weak";
    if (mechanism.channelBinding) {
      const able = channelBinding !== "disable" && (connection.channelBinding?.types.length ?? 0) > 0;
      return able ? undefined : "mechanism-unsupported";
    }
    return channelBinding === "require" ? "mechanism-too-weak" : undefined;
  }
}
