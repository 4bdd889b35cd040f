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
      if (raw.destroyed) throw handshakeFailed();
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
 * made that listens nowhere. Each upgrade is done by an object of its own that inherits from it, all it is made of
 * included, and that hears of its own handshake alone: no two can be mixed up, whatever their addresses are.
 */
export function certificateUpgrade(options: SecureContextOptions): UpgradeSocket {
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  // Were it told in spite of that, nobody would know whose handshake it was.
  server.on("secureConnection", (socket) => socket.destroy());
  return (raw) =>
    new Promise((resolve, reject) => {
      if (raw.destroyed) throw handshakeFailed();
      raw.once("close", () => reject(handshakeFailed()));
      const told = (event: string, ...args: unknown[]): boolean => {
        if (event === "secureConnection") resolve(args[0] as TLSSocket);
        if (event === "tlsClientError") {
          reject(handshakeFailed(args[0]));
          raw.destroy();
        }
        return true;
      };
      const upgrade: Server = Object.create(server, { emit: { value: told } });
      Reflect.apply(server.emit, upgrade, ["connection", raw]);
    });
}

function handshakeFailed(cause?: unknown): SASLFailure {
  return new SASLFailure("connection-lost", "the TLS handshake failed", { cause });
}
