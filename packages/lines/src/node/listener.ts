/**
 * A server's connections over Node's sockets: TLS, time limits and shutting down for any number of them.
 *
 * @module
 */
import type { Socket } from "node:net";
import { type SecureContextOptions, TLSSocket } from "node:tls";
import type { ExternalIdentity } from "sasl-core";
import { tlsFacts, tlsUpgrade } from "sasl-core/node";
import type { ConnectionFacts, LineConnection, LineConnectionOptions } from "../connection.js";
import { Sweep } from "../sweep.js";
import { type NodeLineTransport, nodeLineTransport } from "./socket.js";

/** What a listener does for its connections. */
export interface LineListenerOptions {
  /** Certificate and key for STARTTLS. Left out: STARTTLS is not offered. */
  readonly tls?: SecureContextOptions | undefined;
  /**
   * Says whom a verified client certificate stands for (EXTERNAL); asked only about clients that have one. With it,
   * STARTTLS asks clients for a certificate and checks it against `tls.ca`; a direct TLS server of yours does so by its
   * own options.
   */
  readonly external?: ((socket: TLSSocket) => ExternalIdentity | undefined) | undefined;
  /**
   * What to know about a connection beside what the socket tells, such as a policy of its own. Asked each time something
   * is announced or decided, and so again after TLS has begun, with the TLS socket; keep it quick.
   */
  readonly connection?: ((socket: Socket) => ConnectionFacts) | undefined;
  /** Told of what the program's own functions threw, which ended a connection. Default: it is passed over. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Options that the listener fills in. */
type Filled = "startTls" | "sweep" | "connection";

const serverRole = Object.freeze({ role: "server" });

/** Takes accepted sockets: those of `net` for STARTTLS, those of `tls` after their handshake. A subclass knows the protocol. */
export abstract class LineListener<
  C extends LineConnection<NodeLineTransport, O>,
  O extends LineConnectionOptions<NodeLineTransport>,
> {
  readonly #options: O;
  readonly #onError: ((error: unknown) => void) | undefined;
  /** Holds every connection, as long as it lasts. */
  readonly #sweep: Sweep;

  /** @throws what Node throws for a certificate or a key that is none. */
  constructor({ tls, external, connection, onError, ...options }: LineListenerOptions & Omit<O, Filled>) {
    this.#onError = onError;
    const least = Math.min(options.loginTimeoutMs ?? 1000, options.idleTimeoutMs ?? 1000, 1000);
    this.#sweep = new Sweep(least);
    const upgrade = tls && tlsUpgrade({ ...tls, requestCert: external !== undefined });
    const facts = ({ socket }: NodeLineTransport): ConnectionFacts => {
      const asked = external && socket instanceof TLSSocket && tlsFacts(socket)?.verified === true;
      return { ...(asked ? { external: external(socket) } : {}), ...connection?.(socket) };
    };
    const filled: Pick<LineConnectionOptions<NodeLineTransport>, Filled> = {
      sweep: this.#sweep,
      connection: external || connection ? facts : undefined,
      startTls:
        upgrade &&
        (async (wire, signal) => nodeLineTransport(await upgrade(wire.release().socket, signal), serverRole)),
    };
    this.#options = { ...options, ...filled } as unknown as O;
  }

  /** Connections at present. */
  get size(): number {
    return this.#sweep.held.size;
  }

  /** Serves one socket to its end. Errors of the socket are handled here. */
  accept(socket: Socket): C {
    const connection = this.connect(nodeLineTransport(socket, serverRole), this.#options);
    const run = (): void => {
      connection.run().catch((error: unknown) => this.#report(error));
    };
    // What is written at once goes out before the session tickets of TLS 1.3, and a client that waits with select() for
    // what comes behind them waits for ever.
    if (socket instanceof TLSSocket) setImmediate(run);
    else run();
    return connection;
  }

  /** Tells every client that the server shuts down, and ends the connections. */
  close(): void {
    for (const connection of [...this.#sweep.held]) (connection as C).end();
  }

  /** A connection of the protocol. */
  protected abstract connect(wire: NodeLineTransport, options: O): C;

  #report(error: unknown): void {
    try {
      this.#onError?.(error);
    } catch {
      // A log that fails must not decide who is served.
    }
  }
}
