/**
 * Mail servers for the tests: an honest one, and one that says what it is told to.
 *
 * @module
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { createServer as createTlsServer } from "node:tls";
import type { Mechanism } from "sasl-core";
import { type Envelope, memoryAccounts, SASLServer, type ServerResult } from "sasl-smtp";
import { oauthbearer, plain, scramSha256, scramSha256Plus } from "sasl-smtp/mechanisms";
import { SMTPListener } from "sasl-smtp/node";

const read = (name: string): string =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url), "utf8");

/** For `localhost`. */
export const cert: string = read("ecdsa-sha256.cert");
const key: string = read("ec-p256.key");

export const password = "open sesame of forty thieves";
export const token = "token-that-nobody-may-read";
const all: readonly Mechanism[] = [plain, scramSha256, scramSha256Plus, oauthbearer];

/** A server that runs, and what happened at it. */
export interface Running {
  readonly port: number;
  readonly logins: ServerResult[];
  readonly mail: { readonly envelope: Envelope; readonly text: string }[];
  /** Connections that were accepted. */
  readonly sockets: Socket[];
  close(): Promise<void>;
}

/** Ours, with STARTTLS or with TLS from the first octet. */
export async function mailServer(
  channel: "starttls" | "implicit" | "clear",
  mechanisms: readonly Mechanism[] = all,
): Promise<Running> {
  const logins: ServerResult[] = [];
  const mail: Running["mail"] = [];
  const listener = new SMTPListener({
    server: new SASLServer({
      mechanisms,
      accounts: memoryAccounts({ alice: password }),
      tokens: (shown) => (shown === token ? { ok: true, subject: "alice" } : { ok: false, status: "invalid_token" }),
      service: "smtp",
    }),
    ...(channel === "starttls" && { tls: { cert, key } }),
    onAuthenticated: (result) => void logins.push(result),
    async onMessage(envelope, lines) {
      const text: string[] = [];
      for await (const line of lines) text.push(line);
      mail.push({ envelope, text: text.join("\n") });
    },
  });
  const accept = (socket: Socket): void => void listener.accept(socket);
  const server = channel === "implicit" ? createTlsServer({ cert, key }, accept) : createServer(accept);
  return { ...(await listen(server)), logins, mail };
}

/** Says `220`, then to each line what `answer` says; `undefined` hangs up. */
export async function scriptedServer(
  answer: (line: string) => string | undefined | Promise<string | undefined>,
): Promise<Running & { readonly heard: string[] }> {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write("220 ready\r\n");
    createInterface({ input: socket }).on("line", async (line) => {
      heard.push(line);
      const said = await answer(line);
      if (said === undefined) socket.destroy();
      else socket.write(said);
    });
  });
  return { ...(await listen(server)), logins: [], mail: [], heard };
}

async function listen(server: Server): Promise<Pick<Running, "port" | "close" | "sockets">> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => void sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
