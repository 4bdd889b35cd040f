/**
 * What a connection protects, as far as the runtime tells. `channel-node.ts` looks at Node's TLS sockets, `channel-web.ts` is
 * for browsers, where nobody tells; the `imports` map of package.json picks one.
 *
 * @module
 */
import type { ElementTransport } from "sasl-xmpp";

/** The socket of the library: Node's own, or its wrapper around one. */
export interface LibrarySocket {
  /** Of a wrapper: what is inside. */
  readonly socket?: unknown;
  end?(): unknown;
}

/** Where the connection was to go. */
export interface Destination {
  readonly service?: string | undefined;
  readonly domain?: string | undefined;
}

/** Facts about the connection for the transport. */
export type Channel = Pick<ElementTransport<unknown>, "channelBinding" | "tlsVersion"> & {
  /** False where the certificate was not found to be the server's, whatever the library thinks of it. */
  readonly trusted: boolean;
};

/** Answers for a connection that is up. @throws {SASLFailure} `connection-lost` when it is not any more. */
export declare function channelOf(socket: LibrarySocket, to: Destination): Channel;

/** Whether the library answers an offer of STARTTLS on it. */
export declare function canStartTLS(socket: LibrarySocket): boolean;

/**
 * Before TLS is put on a socket. @returns what takes off the library's listeners for its end: with them it counts as the end
 * of whatever connection there is by then, and is followed by another, also after `stop()`.
 */
export declare function letGo(socket: LibrarySocket): () => void;

/** Drops a connection at once. */
export declare function drop(socket: LibrarySocket): void;
