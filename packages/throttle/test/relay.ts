/** A way to a server that can be cut and blocked, where the server itself is to stay up. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Listens on a port of its own and passes everything on. */
export class Relay {
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #blocked = false;
  #port = 0;

  constructor(target: string) {
    this.#target = new URL(target);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Connections are possible (again). */
  async open(): Promise<void> {
    this.#blocked = false;
    this.#server = createServer((from) => {
      const to = connect(Number(this.#target.port), this.#target.hostname);
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.on("data", (chunk) => {
          if (!this.#blocked) other.write(chunk);
        });
        one.on("error", () => {});
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    }).listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as { readonly port: number }).port;
  }

  /** From now on nothing passes, and nothing is closed. */
  block(): void {
    this.#blocked = true;
  }

  /** All connections break, and no new ones are possible. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server === undefined) return;
    server.close();
    await once(server, "close");
  }
}
