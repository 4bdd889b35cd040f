/**
 * TLS for accepted sockets, at once or after STARTTLS: one context for all ports, client certificates verified by the same
 * code that Node's own servers use.
 *
 * @module
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import { SASLFailure } from "sasl-core";

const HANDSHAKE_TIMEOUT_MS = 30_000;

interface Waiting {
  resolve(socket: TLSSocket): void;
  reject(error: SASLFailure): void;
}

/** Puts TLS on sockets. Sockets are handed to a `tls.Server` that listens nowhere, as its documentation allows. */
export class TlsLayer {
  readonly #server: Server;
  /** By the ends of the connection, which a TLS socket shares with the socket below it. */
  readonly #waiting = new Map<string, Waiting>();

  /** @param options certificate, key, and what else `tls.createServer` takes. */
  constructor(options: TlsOptions) {
    this.#server = createServer({ handshakeTimeout: HANDSHAKE_TIMEOUT_MS, minVersion: "TLSv1.2", ...options });
    this.#server.on("secureConnection", (socket) => {
      socket.setNoDelay(true);
      const waiting = this.#take(keyOf(socket));
      if (waiting === undefined) socket.destroy();
      // What is written at once goes out before the session tickets of TLS 1.3; a client that waits with select() and then
      // reads a record would wait for ever behind them.
      else setImmediate(() => waiting.resolve(socket));
    });
    this.#server.on("tlsClientError", (_, socket) => void socket.destroy());
  }

  /**
   * Runs the handshake.
   *
   * @param socket connected, read by nobody else; the TLS socket owns it from now on.
   * @throws {SASLFailure} `connection-lost` when the handshake fails; the socket is closed then.
   */
  secure(socket: Socket): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const key = keyOf(socket);
      const lost = (): void => {
        this.#take(key);
        reject(new SASLFailure("connection-lost", "the TLS handshake failed"));
      };
      if (socket.destroyed) return lost();
      socket.on("error", () => {});
      socket.once("close", lost);
      this.#waiting.set(key, {
        resolve(secured) {
          socket.off("close", lost);
          resolve(secured);
        },
        reject,
      });
      this.#server.emit("connection", socket);
    });
  }

  #take(key: string): Waiting | undefined {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    return waiting;
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
