/**
 * What a line protocol needs of a connection. Source: RFC 5321 §2.3.8, RFC 9051 §2.2.
 *
 * A client that owns its reader implements {@link LineTransport}: one property and two methods. Servers need
 * {@link ServerTransport}, which adds what only they do: literals, pipelined input, closing.
 *
 * @module
 */
import type { ChannelBinding, SecurityLayer } from "sasl-core";

/** A value now or later. */
export type MaybePromise<T> = T | Promise<T>;

/** One end of a connection that carries lines. */
export interface LineTransport {
  /**
   * True when nobody on the way can read along and the peer is who the caller thinks it is: TLS with a verified
   * certificate, or a security layer that encrypts. Secrets in the clear are sent over nothing else.
   */
  readonly secure: boolean;
  /** What this connection can bind to; left out when it cannot. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Octets that have arrived and were not read yet, those before a security layer included. Left out: not known. */
  readonly buffered?: number | undefined;

  /**
   * The next line, without its CRLF. One call at a time.
   *
   * @param maxBytes most octets before the CRLF, at least 1.
   * @returns the octets as UTF-8 text, ill-formed ones as U+FFFD, which nothing in these protocols is made of.
   * @throws {SASLFailure} `limit-exceeded` for a longer line, of which the rest is dropped; `incorrect-encoding` for a CR
   *   or LF on its own (R-SMTP-21), after which nothing more can be read; `connection-lost` at the end of the input;
   *   `peer-not-verified` for a frame that does not verify, after which the connection is closed (R-GEN-23).
   */
  readLine(maxBytes: number): MaybePromise<string>;

  /**
   * Sends text as UTF-8, CRLFs included.
   *
   * @returns a promise only when the caller has to wait before sending more.
   * @throws {SASLFailure} `connection-lost`.
   */
  write(text: string): MaybePromise<void>;

  /**
   * Puts a security layer on the connection, in place of one that is there (R-GEN-24). Everything that was not read yet and
   * all that follows is taken for the layer's, and all that is written from now on goes through it: call it right after the
   * line behind which it begins was read, or handed to `write` (R-GEN-21). Left out: this connection can carry none, and no
   * mechanism agrees to one.
   *
   * @param layer fresh out of an exchange (`result.layer`).
   * @throws {TypeError} while a read is pending.
   */
  protect?(layer: SecurityLayer): void;
}

/**
 * Puts the layer in force that an exchange has ended with; where it has ended with none, what is in force stays.
 *
 * @throws {TypeError} for a transport that can carry none, of which the exchange was told something else.
 */
export function protectWire(wire: LineTransport, layer: SecurityLayer | undefined): void {
  if (layer === undefined) return;
  if (wire.protect === undefined) throw new TypeError("this transport cannot carry the security layer agreed on");
  wire.protect(layer);
}

/** What a server does beyond reading and writing lines. */
export interface ServerTransport extends LineTransport {
  readonly buffered: number;
  /**
   * Strength of what protects the connection, in bits, a security layer included; see `ServerConnection` of `sasl-core`.
   * Left out: not known.
   */
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
