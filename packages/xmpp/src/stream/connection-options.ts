/**
 * What a server's connection is made of, what it is told, and what it hands over.
 *
 * @module
 */
import type { SASLErrorCode, SASLServer, ServerConnection, ServerResult } from "sasl-core";
import type { XMLAdapter } from "../element.js";
import type { UserAgent } from "../sasl2/contract.js";
import type { SASL2ServerOptions } from "../sasl2/server.js";
import type { StreamCondition } from "./conditions.js";
import type { Framing } from "./framing.js";

/**
 * What is known about a connection: what it can be bound to, its TLS version, where SCRAM is to tell it, its strength, whom a
 * verified certificate stands for, the peer's address, a policy of its own. See `ServerConnection` of `sasl-core`.
 */
export type SecuredChannel = Partial<
  Omit<ServerConnection, "secure" | "successData" | "host" | "layers" | "announced">
>;

/** What an `XMPPConnection` works on. */
export interface XMPPConnectionParts<E> extends SecuredChannel {
  readonly framing: Framing<E>;
  readonly adapter: XMLAdapter<E>;
  /** XML text of an element. */
  readonly serialize: (element: E) => string;
  /** True when TLS is there from the start. */
  readonly secure: boolean;
  /**
   * Puts TLS under the framing. What it resolves to replaces what was known before, the address apart. The signal is
   * aborted when the connection is ended. Left out: STARTTLS is not offered.
   */
  readonly startTLS?: ((signal: AbortSignal) => Promise<SecuredChannel>) | undefined;
}

/** How a server treats its connections. */
export interface XMPPConnectionOptions<E> {
  /** Offers the mechanisms and holds the sessions. Its names should go through `bareJid`. */
  readonly server: Pick<SASLServer, "mechanisms" | "session"> & Partial<Pick<SASLServer, "mechanismsFor">>;
  /** Domains served here, at least one; the first stands in for a `to` that was left out. */
  readonly hosts: readonly string[];
  /**
   * Offer an account of this host that the stream header names (`from`) what works for it, by `mechanismsFor` of the server:
   * the same list in both profiles, and nothing else is accepted on this stream. It costs a look-up for each stream, before
   * anybody has logged in. A name nobody has gets the list of an account: say in the server's `accountMechanisms` which there
   * are, and keep its `secret`, or strangers may be told apart by what they get at another time. Where accounts cannot be
   * looked up, everything is offered, and `onError` told. Not for servers where users act as others by an authzid: it is
   * whom the header names, and its list need not be theirs. Default false: everybody is offered the same.
   */
  readonly offerByAccount?: boolean | undefined;
  /**
   * Whether SCRAM tells clients what was announced (XEP-0474), and the TLS version where that is known (XEP-0515). Default
   * true; false is for clients that fail when they hear it, and lets somebody who is believed to be this server take the
   * strong mechanisms off its lists without being noticed.
   */
  readonly downgradeProtection?: boolean | undefined;
  /** Whether TLS comes first where it can be had. Default true; false offers SASL before STARTTLS as well. */
  readonly requireTLS?: boolean | undefined;
  /** Failed attempts after which the stream is closed, 3 to 6: RFC 6120 §6.4.5 wants 2 to 5 retries. Default 6. */
  readonly maxAttempts?: number | undefined;
  /** Time for the login, tasks apart, in milliseconds, at least 1. Default 60000. Counts where somebody asks for `expired`. */
  readonly loginTimeoutMs?: number | undefined;
  /**
   * Time without an octet after the login, in milliseconds, at least 1. Counts where somebody asks for `expired`. Left out:
   * no limit, for clients that are there and say nothing are usual in XMPP.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** Longest SASL message, in octets after base64. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * SASL2 beside SASL1 (XEP-0388), on protected streams: with inline features and tasks, without any by default. `false`:
   * SASL1 alone, which knows neither. Whoever has a task to do is turned down in SASL1.
   */
  readonly sasl2?: SASL2ServerOptions | false | undefined;
  /** Children of the features of an authenticated stream, told which resource is bound already. Default none. */
  readonly features?:
    | ((
        result: ServerResult,
        adapter: XMLAdapter<E>,
        resource: string | undefined,
      ) => readonly E[] | Promise<readonly E[]>)
    | undefined;
  /** Takes over an authenticated stream, after its features. The stream is closed when it returns. */
  readonly onAuthenticated?: ((stream: AuthenticatedStream<E>) => void | Promise<void>) | undefined;
  /** Told once, when the connection is over. What it throws is ignored. */
  readonly onEnd?: ((end: ConnectionEnd) => void) | undefined;
  /**
   * Told of what ended a connection other than the peer's own wish, and of offers that could not be made by account. For
   * logs; what it throws, now or later, is ignored.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** How a connection ended, for an audit log beside `onOutcome` of the server. Holds nothing secret. */
export interface ConnectionEnd {
  /**
   * Why it ended. `undefined`: the client said that it leaves, or the program was done with it. `timed-out`;
   * `limit-exceeded`: too many attempts, or more than the limits of XML; `connection-lost`: the client is gone;
   * `channel-not-protected`: the handshake of TLS failed; `incorrect-encoding`, `unexpected-message`: it broke the rules of
   * XML, of streams or of the order in them; `peer-not-verified`: what came did not verify in the security layer; `aborted`: it was ended from outside; `temporary`: a fault of the program.
   */
  readonly code: SASLErrorCode | undefined;
  readonly remote: string | undefined;
  /** Whether the connection was protected at its end. */
  readonly secure: boolean;
  /** Who was logged in; `undefined` for a connection that ended without a login. */
  readonly result: ServerResult | undefined;
  /** Attempts that failed. */
  readonly failures: number;
}

/** A stream whose client is known. */
export interface AuthenticatedStream<E> {
  readonly adapter: XMLAdapter<E>;
  /** Who it is, as the SASL server says. */
  readonly result: ServerResult;
  /** Bare JID, normalised. */
  readonly jid: string;
  /** Domain the client connected to. */
  readonly host: string;
  /** How it logged in: RFC 6120 §6, or XEP-0388. */
  readonly profile: "sasl1" | "sasl2";
  /** What an inline feature bound; `undefined` before a resource is bound. */
  readonly resource: string | undefined;
  /** An earlier stream of the client goes on here (XEP-0198 §9.2): no features were sent, and none are to be waited for. */
  readonly resumed: boolean;
  /** What the client said of itself, with SASL2. Not for other entities (R-SA2-07). */
  readonly userAgent: UserAgent;
  send(element: E): Promise<void>;
  /** The next element; `undefined` when the stream or the connection has ended. Called once at a time. */
  receive(): Promise<E | undefined>;
  /** Whether the client closed the stream itself, which ends a session that could have been resumed (XEP-0198 §7). */
  left(): boolean;
  /** Ends the stream, with an error if there is one to tell. */
  close(condition?: StreamCondition, text?: string): void;
}
