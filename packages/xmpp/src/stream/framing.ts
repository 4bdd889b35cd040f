/**
 * How a stream of elements lies on a connection: one long document over TCP (RFC 6120 §4), one element for each message
 * over WebSocket (RFC 7395). Clients and servers use the same ones.
 *
 * @module
 */
import type { SecurityLayer } from "sasl-core";
import type { Attributes } from "../element.js";

/** A stream header: attributes of `stream:stream` or `open`, and how the peer declared it. */
export interface StreamHeader {
  /** Attributes by qualified name, without namespace declarations, in an object without a prototype. */
  readonly attributes: Attributes;
  /** Why the header cannot be accepted, if it cannot: a condition of RFC 6120 §4.9.3. */
  readonly objection: "invalid-namespace" | "bad-namespace-prefix" | "bad-format" | undefined;
}

/** What comes next on a stream. */
export type StreamEvent<E> =
  | { readonly type: "open"; readonly header: StreamHeader }
  | { readonly type: "element"; readonly element: E }
  | { readonly type: "close" };

/** One end of a framed connection. */
export interface Framing<E> {
  /**
   * The next event. Called once at a time.
   *
   * @throws {StreamViolation} the peer broke the rules of XML or of the framing, or a limit.
   * @throws {SASLFailure} `connection-lost`; `peer-not-verified` for what does not come through the security layer.
   */
  next(): Promise<StreamEvent<E>>;
  /** Sends a stream header. Attribute values are escaped here. */
  open(attributes: Attributes): void;
  /** Sends one complete element as XML text; resolves when the connection takes more. */
  write(xml: string): void | Promise<void>;
  /** Says that the stream ends. */
  close(): void;
  /**
   * Expects a stream header next (RFC 6120 §4.3.3). What was received already stays.
   *
   * @param authenticated from here on the limits for those who have authenticated hold.
   */
  restart(authenticated?: boolean): void;
  /**
   * The stream goes on as it is, and the limits for those who have authenticated hold (XEP-0388 §2.6.1). Left out: those
   * that hold now go on to hold.
   */
  proceed?(): void;
  /** Throws away what was received and not yet reported; false when there was nothing. For STARTTLS (R-XMPP-20). */
  discard(): boolean;
  /**
   * Puts a security layer on the connection: for what is written from now on, and for every octet that has not been
   * reported, whether it was received already or not (R-GEN-21). Called at most once, right after the element that ends
   * the exchange. Left out: the connection cannot carry one.
   */
  protect?(layer: SecurityLayer): void;
  /** Ends the connection itself, after what was written has gone out. */
  end(): void;
  /** When the peer was heard last, in milliseconds of `Date.now()`, white space included. Left out: not known. */
  readonly heardAt?: number;
  /** Called once when the connection is gone, also while nobody waits in `next`. */
  onLost?: (() => void) | undefined;
}

/** Bounds on what a peer may send (RFC 6120 §13.12, R-XMPP-17). */
export interface XMLLimits {
  /** Longest child element of the stream, and longest header, in octets. RFC 6120 asks for 10000 at least. */
  readonly maxElementBytes: number;
  /** Most elements in one child element of the stream, itself included. */
  readonly maxElements: number;
  /** Deepest nesting below the stream. */
  readonly maxDepth: number;
  /** Most attributes of one element, namespace declarations included. */
  readonly maxAttributes: number;
}

/** Limits until somebody has authenticated: room for a SASL message of 64 KiB in base64, and little more. */
export const defaultXMLLimits: XMLLimits = {
  maxElementBytes: 98_304,
  maxElements: 1000,
  maxDepth: 32,
  maxAttributes: 64,
};

/** Limits afterwards: rosters and archives are long. */
export const authenticatedXMLLimits: XMLLimits = {
  maxElementBytes: 10_485_760,
  maxElements: 100_000,
  maxDepth: 128,
  maxAttributes: 64,
};
