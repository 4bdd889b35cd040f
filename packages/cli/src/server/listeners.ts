/**
 * Ports, and the sockets that came in through them.
 *
 * @module
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { CommandError } from "../errors.js";
import type { ServiceName } from "./index.js";

/** Listens on any number of ports of one address. */
export class Listeners {
  readonly #host: string;
  readonly #accept: (socket: Socket, name: ServiceName) => void;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #ports: Partial<Record<ServiceName, number>> = {};

  constructor(host: string, accept: (socket: Socket, name: ServiceName) => void) {
    this.#host = host;
    this.#accept = accept;
  }

  get ports(): Readonly<Partial<Record<ServiceName, number>>> {
    return this.#ports;
  }

  /** @throws {CommandError} when that is not possible. */
  listen(name: ServiceName, port: number): Promise<void> {
    const sockets = this.#sockets;
    const forget = function (this: Socket): void {
      sockets.delete(this);
    };
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("close", forget).on("error", ignore);
      this.#accept(socket, name);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(listenError(error, this.#host, port)));
      server.listen({ host: this.#host, port, backlog: BACKLOG }, () => {
        server.removeAllListeners("error").on("error", ignore);
        this.#ports[name] = (server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }
}

/** Connections that wait to be accepted. */
const BACKLOG = 1024;

/** A socket that fails is closed too, and its reader is told. */
function ignore(): void {}

function listenError(error: unknown, host: string, port: number): CommandError {
  const { code } = error as NodeJS.ErrnoException;
  const where = `port ${port} of ${host}`;
  switch (code) {
    case "EADDRINUSE":
      return new CommandError("address-in-use", `${where} is in use; take another one, or 0 for any`, { cause: error });
    case "EACCES":
      return new CommandError(
        "address-in-use",
        `you may not listen on ${where}; below 1024 that takes special rights`,
        {
          cause: error,
        },
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CommandError("host-not-found", `${host} is no address of this machine; see --host`, { cause: error });
    default:
      return new CommandError("host-unreachable", `cannot listen on ${where} (${code ?? "unknown error"})`, {
        cause: error,
      });
  }
}
