/**
 * What a server's connection is made of, what it is told, and what it hands over.
 *
 * @module
 */
import type { ChannelBinding, SASLServer, ServerConnection, ServerResult } from "sasl-core";
import type { XMLAdapter } from "../element.js";
import type { StreamCondition } from "./conditions.js";
import type { Framing } from "./framing.js";

/** What TLS brought to a connection. */
export interface SecuredChannel {
  readonly channelBinding?: ChannelBinding | undefined;
  /** Who the client's certificate says it is, if it was asked for one and verified. */
  readonly external?: ServerConnection["external"];
}

/** What an `XMPPConnection` works on. */
export interface XMPPConnectionParts<E> extends SecuredChannel {
  readonly framing: Framing<E>;
  readonly adapter: XMLAdapter<E>;
  /** XML text of an element. */
  readonly serialize: (element: E) => string;
  /** True when TLS is there from the start. */
  readonly secure: boolean;
  /** Address of the peer, for logs. */
  readonly remote?: string | undefined;
  /** Puts TLS under the framing. Left out: STARTTLS is not offered. */
  readonly startTLS?: (() => Promise<SecuredChannel>) | undefined;
}

/** How a server treats its connections. */
export interface XMPPConnectionOptions<E> {
  /** Offers the mechanisms and holds the sessions. Its names should go through `bareJid`. */
  readonly server: Pick<SASLServer, "mechanisms" | "session">;
  /** Domains served here, at least one; the first stands in for a `to` that was left out. */
  readonly hosts: readonly string[];
  /** Whether TLS comes first where it can be had. Default true; false offers SASL before STARTTLS as well. */
  readonly requireTLS?: boolean | undefined;
  /** Failed attempts after which another one may follow, 2 to 5 (RFC 6120 §6.4.5). Default 5. */
  readonly maxRetries?: number | undefined;
  /** Longest SASL message, in octets after base64. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
  /** Children of the features of an authenticated stream. Default none. */
  readonly features?:
    | ((result: ServerResult, adapter: XMLAdapter<E>) => readonly E[] | Promise<readonly E[]>)
    | undefined;
  /** Takes over an authenticated stream, after its features. The stream is closed when it returns. */
  readonly onAuthenticated?: ((stream: AuthenticatedStream<E>) => void | Promise<void>) | undefined;
  /** Told of what ended a connection other than the peer's own wish. For logs; what it throws, now or later, is ignored. */
  readonly onError?: ((error: unknown) => void) | undefined;
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
  send(element: E): Promise<void>;
  /** The next element; `undefined` when the stream or the connection has ended. Called once at a time. */
  receive(): Promise<E | undefined>;
  /** Ends the stream, with an error if there is one to tell. */
  close(condition?: StreamCondition, text?: string): void;
}
