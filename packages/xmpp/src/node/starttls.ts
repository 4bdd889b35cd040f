/**
 * TLS under a socket that is already talking: the server's half of STARTTLS. Source: RFC 6120 §5.4.3.
 *
 * @module
 */
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type Server, TLSSocket } from "node:tls";
import { SASLFailure } from "sasl-core";

/** Puts TLS under a socket that has nothing unread. Rejects with `connection-lost` when the handshake fails. */
export type UpgradeSocket = (socket: Socket) => Promise<TLSSocket>;

/** For servers that do not ask clients for certificates. */
export function plainUpgrade(options: SecureContextOptions): UpgradeSocket {
  const secureContext = createSecureContext(options);
  return (raw) =>
    new Promise((resolve, reject) => {
      const socket = new TLSSocket(raw, { isServer: true, secureContext });
      const failed = (cause?: unknown) => reject(handshakeFailed(cause));
      socket.once("error", failed).once("close", failed);
      socket.once("secure", () => {
        socket.off("error", failed).off("close", failed);
        resolve(socket);
      });
    });
}

/**
 * For servers that ask. Whether a certificate was verified is something that only a `tls.Server` finds out, so one is
 * made that listens nowhere and is handed the sockets; its connections are told apart by their addresses.
 */
export function certificateUpgrade(options: SecureContextOptions): UpgradeSocket {
  const waiting = new Map<string, { resolve(socket: TLSSocket): void; reject(error: SASLFailure): void }>();
  const take = (socket: Socket) => {
    const address = addressOf(socket);
    const waiter = waiting.get(address);
    waiting.delete(address);
    return waiter;
  };
  const server: Server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (socket) => take(socket)?.resolve(socket));
  return (raw) =>
    new Promise((resolve, reject) => {
      const address = addressOf(raw);
      waiting.set(address, { resolve, reject });
      raw.once("close", () => {
        waiting.delete(address);
        reject(handshakeFailed());
      });
      server.emit("connection", raw);
    });
}

function addressOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function handshakeFailed(cause?: unknown): SASLFailure {
  return new SASLFailure("connection-lost", "the TLS handshake failed", { cause });
}
