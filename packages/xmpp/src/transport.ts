/**
 * What the application supplies: a way to send one element and to receive the next.
 *
 * @module
 */
import type { ChannelBinding } from "sasl-core";
import type { XMLAdapter } from "./element.js";

/** A stream of elements. `E` is the element type of the application's XML library. */
export interface ElementTransport<E> {
  /** How to read and make elements. */
  readonly adapter: XMLAdapter<E>;
  /** True when the stream below has confidentiality from TLS or an equal layer. */
  readonly secure: boolean;
  /** What this connection can be bound to. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Sends one child element of the stream. */
  send(element: E): void | Promise<void>;
  /**
   * The next child element of the stream, whatever it is; white space between elements is not reported.
   * Called once at a time. Rejects when the stream ends.
   */
  receive(): Promise<E>;
}
