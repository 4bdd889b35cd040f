/** Node.js: sockets, TLS sockets inside the library's wrapper, WebSockets of whatever package. */
import { Socket } from "node:net";
import { checkServerIdentity, TLSSocket } from "node:tls";
import { tlsChannelBinding, tlsVersion } from "sasl-core/node";
import type { Channel, Destination, LibrarySocket } from "./channel.js";

export function channelOf({ socket }: LibrarySocket, to: Destination): Channel {
  if (!(socket instanceof TLSSocket)) return { trusted: true }; // whoever opened a `wss:` has looked at the certificate
  return {
    trusted: isTrusted(socket, to),
    channelBinding: tlsChannelBinding(socket),
    tlsVersion: tlsVersion(socket),
  };
}

/**
 * RFC 6120 §13.7.2.1: the certificate is for the domain, or for the host that the user named. With neither in `service`
 * the library connects to what DNS says, and checks the certificate against that.
 */
function isTrusted(socket: TLSSocket, { service = "", domain = "" }: Destination): boolean {
  if (!socket.authorized) return false;
  return service.startsWith("xmpps://") || checkServerIdentity(domain, socket.getPeerCertificate()) === undefined;
}

export function canStartTLS(socket: LibrarySocket): boolean {
  return socket instanceof Socket && !(socket instanceof TLSSocket);
}

export function letGo(socket: LibrarySocket): () => void {
  if (!(socket instanceof Socket)) return () => {};
  const listeners = socket.listeners("close") as (() => void)[];
  return () => {
    for (const listener of listeners) socket.removeListener("close", listener);
  };
}

export function drop(socket: LibrarySocket): void {
  const inner = (socket instanceof Socket ? socket : socket.socket) as
    | Partial<Socket & WebSocketLike>
    | null
    | undefined;
  if (inner?.destroy) inner.destroy();
  else if (inner?.terminate) inner.terminate();
  else inner?.close?.();
}

/** A WebSocket; that of `ws` can end a connection whose other side does not. */
interface WebSocketLike {
  terminate(): void;
  close(): void;
}
