/**
 * Channel binding: data that both ends of one secure channel know and nobody between them can produce. Source: RFC 5056;
 * the types are RFC 9266 (tls-exporter) and RFC 5929 (tls-server-end-point, tls-unique).
 *
 * On Node, `tlsChannelBinding` of `sasl-core/node` reads it from a TLS socket. Browsers tell nothing of their TLS
 * sessions, so no binding is possible there.
 *
 * @module
 */
import { isBytes } from "./internal/bytes.js";

/** A type as registered with IANA, 1 or more characters of `A-Z`, `a-z`, `0-9`, `.`, `-` (RFC 5802 §7, cb-name). */
export type ChannelBindingType = "tls-exporter" | "tls-server-end-point" | "tls-unique" | (string & {});

/** What one connection can bind to. */
export interface ChannelBinding {
  /** Types usable on this connection, strongest first. Empty when none is. */
  readonly types: readonly ChannelBindingType[];

  /**
   * Binding data of one of `types`: raw octets, no secret, to be read and not changed.
   *
   * @returns `undefined` when it turned out not to be available. Empty data counts as that too (R-CB-09).
   */
  data(type: ChannelBindingType): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/**
 * A provider by hand, for data that comes from elsewhere: a proxy that ends TLS, a browser extension, a test.
 *
 * @param values data by type, strongest type first. Copied. A type whose data is empty or missing is left out: it does
 *   not count as bound (RFC 5056 §2.1, R-CB-09).
 * @throws {TypeError} when a name is no type name, or a value is no `Uint8Array`.
 */
export function channelBinding(values: Readonly<Record<string, Uint8Array | undefined>>): ChannelBinding {
  // A Map, so that no name can reach a property of Object.prototype.
  const held = new Map<ChannelBindingType, Uint8Array>();
  for (const [type, data] of Object.entries(values)) {
    if (!TYPE_NAME.test(type)) throw new TypeError("channel-binding type is not made of letters, digits, '.' and '-'");
    if (data === undefined) continue;
    if (!isBytes(data)) throw new TypeError(`channel-binding data of ${type} is not a Uint8Array`);
    if (data.length > 0) held.set(type, Uint8Array.from(data));
  }
  return { types: [...held.keys()], data: (type) => held.get(type) };
}

/** RFC 5802 §7: cb-name = 1*(ALPHA / DIGIT / "." / "-"). */
const TYPE_NAME = /^[A-Za-z0-9.-]+$/;
