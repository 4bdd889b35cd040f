/** A way to a server that can be cut, held up and closed: what a store sees of a database that goes down. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class UnreliableProxy {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #listensAt = 0;
  #holding = false;
  /** What clients have sent, as Latin-1. */
  sent = "";

  /** @param port of the server on the loopback address. */
  constructor(port: number) {
    this.#port = port;
  }

  get port(): number {
    return this.#listensAt;
  }

  /** Connections open at present, both ways counted once. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Lets clients in, at the same port as before. */
  open(): Promise<void> {
    this.#holding = false;
    return new Promise((resolve, reject) => {
      const server = createServer((client) => this.#join(client, connect(this.#port, "127.0.0.1")));
      server.once("error", reject).listen(this.#listensAt, "127.0.0.1", () => {
        this.#listensAt = (server.address() as { port: number }).port;
        resolve();
      });
      this.#server = server;
    });
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts every connection and refuses new ones. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    this.#server = undefined;
    this.cut();
    return closed;
  }

  /** From now on nothing passes in either direction, and nobody is told. */
  hold(): void {
    this.#holding = true;
  }

  /** New connections pass again; those held up stay so. */
  letPass(): void {
    this.#holding = false;
  }

  #join(client: Socket, server: Socket): void {
    let held = false;
    const pass = (from: Socket, to: Socket, note: (chunk: Buffer) => void): void => {
      this.#sockets.add(from);
      from.on("data", (chunk) => {
        held ||= this.#holding;
        if (held) return;
        note(chunk);
        to.write(chunk);
      });
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    };
    pass(client, server, (chunk) => {
      this.sent += chunk.toString("latin1");
    });
    pass(server, client, () => {});
  }
}
