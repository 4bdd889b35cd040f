/**
 * What the application supplies: a way to send one element and to receive the next.
 *
 * @module
 */
import type { ChannelBinding, SecurityLayer } from "sasl-core";
import type { XMLAdapter } from "./element.js";

/** A stream of elements. `E` is the element type of the application's XML library. */
export interface ElementTransport<E> {
  /** How to read and make elements. */
  readonly adapter: XMLAdapter<E>;
  /** True when the stream below has confidentiality from TLS or an equal layer. */
  readonly secure: boolean;
  /** The `from` that this end sent in the header of the stream as it is now; without it there is no SASL2 (XEP-0388 §2.1). */
  readonly from?: string | undefined;
  /** Name of the server as its users give it, for mechanisms that need one: the domain that the stream is to. */
  readonly host?: string | undefined;
  /** TLS version of this connection as four hexadecimal digits, for XEP-0515: `tlsVersion(socket)` of `sasl-core/node`. */
  readonly tlsVersion?: string | undefined;
  /** What this connection can be bound to. */
  readonly channelBinding?: ChannelBinding | undefined;
  /**
   * Puts the security layer that a mechanism agreed on below the stream, from the next octet on in both directions
   * (RFC 6120 §6.6): `authenticate` and `serve` call it right after `success`, before either end starts the stream anew.
   * Left out where there can be none, as over WebSocket; then none is agreed on.
   */
  readonly protect?: ((layer: SecurityLayer) => void) | undefined;
  /**
   * Told after SASL2 has succeeded: features follow in this stream, without a new header (XEP-0388 §2.6.1). With `resumed`
   * an earlier stream goes on, and none follow (XEP-0198 §9.2).
   */
  readonly proceed?: ((how: { readonly resumed: boolean }) => void) | undefined;
  /** Sends one child element of the stream. */
  send(element: E): void | Promise<void>;
  /**
   * The next child element of the stream, whatever it is; white space between elements is not reported.
   * Called once at a time. Rejects when the stream ends.
   */
  receive(): Promise<E>;
}

/** Puts an agreed layer on a stream; going on without it is what an attacker wants. @throws {TypeError} where it carries none. */
export function protectWith<E>(transport: ElementTransport<E>, layer: SecurityLayer): void {
  if (transport.protect === undefined) throw new TypeError("the stream carries no security layer");
  transport.protect(layer);
}
