/**
 * TLS under a socket that is already talking: what a server does after it has agreed to STARTTLS.
 * Source: RFC 6120 §5.4.3, RFC 9051 §6.2.1, RFC 3207 §4.
 *
 * @module
 */
import type { Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type Server, TLSSocket } from "node:tls";
import { SASLFailure } from "../errors.js";

/**
 * Puts TLS under a socket that has nothing unread and no listeners that read. Its error event is listened to.
 *
 * @param signal ends the handshake and destroys the socket when it is aborted.
 * @throws {SASLFailure} `channel-not-protected` when the handshake fails or the socket is gone; it is destroyed.
 */
export type UpgradeSocket = (socket: Socket, signal?: AbortSignal) => Promise<TLSSocket>;

/** Certificate, key, and what else `tls.createSecureContext` takes. */
export interface TLSUpgradeOptions extends SecureContextOptions {
  /**
   * Whether clients are asked for a certificate, which is verified by `ca`. Those without a good one come in all the same:
   * ask `tlsFacts(socket)?.verified`. Default false.
   */
  readonly requestCert?: boolean | undefined;
}

/** Makes the function; once for all connections. @throws what Node throws for a certificate or a key that is none. */
export function tlsUpgrade({ requestCert, ...context }: TLSUpgradeOptions): UpgradeSocket {
  const begin = requestCert ? asking(context) : plain(context);
  return (socket, signal) =>
    new Promise((resolve, reject) => {
      let secured: TLSSocket | undefined;
      const over = (): void => {
        socket.off("close", failed);
        signal?.removeEventListener("abort", failed);
      };
      function failed(cause?: unknown): void {
        over();
        // Node 20 ends the program when a socket is destroyed under a TLS socket that wraps it.
        (secured ?? socket).destroy();
        const known = cause instanceof Error ? cause : undefined;
        reject(new SASLFailure("channel-not-protected", "the TLS handshake failed", { cause: known }));
      }
      socket.on("error", ignore);
      if (socket.destroyed || signal?.aborted) return failed();
      socket.once("close", failed);
      signal?.addEventListener("abort", failed, { once: true });
      secured = begin(socket, failed, (done) => {
        over();
        // What goes wrong with its records a TLS socket tells at most, and stays open.
        done.on("_tlsError", () => done.destroy());
        resolve(done);
      });
      secured?.on("error", failed);
    });
}

/** Begins a handshake; says how it ended. Gives back the TLS socket where there is one already. */
type Begin = (
  socket: Socket,
  failed: (cause?: unknown) => void,
  done: (secured: TLSSocket) => void,
) => TLSSocket | undefined;

function plain(context: SecureContextOptions): Begin {
  const secureContext = createSecureContext(context);
  return (socket, failed, done) => {
    const secured = new TLSSocket(socket, { isServer: true, secureContext });
    secured.once("close", failed).once("secure", () => {
      secured.off("close", failed).off("error", failed);
      done(secured);
    });
    return secured;
  };
}

/**
 * Whether a certificate was verified is something that only a `tls.Server` finds out, so one is made that listens nowhere.
 * Each upgrade is done by an object of its own that inherits from it, all it is made of included, and that hears of its
 * own handshake alone: no two can be mixed up, whatever their addresses are.
 */
function asking(context: SecureContextOptions): Begin {
  const server = createServer({ ...context, requestCert: true, rejectUnauthorized: false });
  // Were it told in spite of that, nobody would know whose handshake it was.
  server.on("secureConnection", (socket) => socket.destroy());
  return (socket, failed, done) => {
    const told = (event: string, ...args: unknown[]): boolean => {
      if (event === "secureConnection") done(args[0] as TLSSocket);
      if (event === "tlsClientError") {
        (args[1] as TLSSocket).destroy();
        failed(args[0]);
      }
      return true;
    };
    const upgrade: Server = Object.create(server, { emit: { value: told } });
    Reflect.apply(server.emit, upgrade, ["connection", socket]);
    return undefined;
  };
}

function ignore(): void {}
