/**
 * What a line protocol needs of a connection. Source: RFC 5321 §2.3.8, RFC 9051 §2.2.
 *
 * A client that owns its reader implements {@link LineTransport}: one property and two methods. Servers need
 * {@link ServerTransport}, which adds what only they do: literals, pipelined input, closing.
 *
 * @module
 */
import type { ChannelBinding } from "sasl-core";

/** A value now or later. */
export type MaybePromise<T> = T | Promise<T>;

/** One end of a connection that carries lines. */
export interface LineTransport {
  /**
   * True when nobody on the way can read along and the peer is who the caller thinks it is: TLS with a verified
   * certificate, or an equal layer. Secrets in the clear are sent over nothing else.
   */
  readonly secure: boolean;
  /** What this connection can bind to; left out when it cannot. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Octets that have arrived and were not read yet. Left out: not known. */
  readonly buffered?: number | undefined;

  /**
   * The next line, without its CRLF. One call at a time.
   *
   * @param maxBytes most octets before the CRLF, at least 1.
   * @returns the octets as UTF-8 text, ill-formed ones as U+FFFD, which nothing in these protocols is made of.
   * @throws {SASLFailure} `limit-exceeded` for a longer line, of which the rest is dropped; `incorrect-encoding` for a CR
   *   or LF on its own (R-SMTP-21), after which nothing more can be read; `connection-lost` at the end of the input.
   */
  readLine(maxBytes: number): MaybePromise<string>;

  /**
   * Sends text as UTF-8, CRLFs included.
   *
   * @returns a promise only when the caller has to wait before sending more.
   * @throws {SASLFailure} `connection-lost`.
   */
  write(text: string): MaybePromise<void>;
}

/** What a server does beyond reading and writing lines. */
export interface ServerTransport extends LineTransport {
  readonly buffered: number;
  /** Strength of what protects the connection, in bits; see `ServerConnection` of `sasl-core`. Left out: not known. */
  readonly externalSsf?: number | undefined;
  /** Address of the peer, while the connection lasts. Left out: not known. */
  readonly remote?: string | undefined;
  /** Called when the connection is gone, also while nobody reads. A transport that does not know calls nobody. */
  onLost?: (() => void) | undefined;

  /**
   * Exactly `count` octets: an IMAP literal. Memory grows with what arrives, never with what was announced.
   *
   * @returns a new array that the caller owns.
   * @throws {SASLFailure} `connection-lost` when the input ends before.
   */
  readBytes(count: number): MaybePromise<Uint8Array>;

  /** Drops what has arrived and was not read. */
  discard(): void;

  /** Sends what is still to be sent and closes; pending and later reads fail with `connection-lost`. Harmless when repeated. */
  close(): void;
}
