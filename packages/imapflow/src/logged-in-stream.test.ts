/** The connection that is handed over, between two sockets of ours. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { AuthenticationResult } from "sasl-imap";
import { afterEach, expect, test } from "vitest";
import { LoggedInStream } from "./logged-in-stream.js";

const sockets: Socket[] = [];
const servers: Server[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function handOver(head = "", capabilities: readonly string[] = []) {
  const server = createServer((socket) => sockets.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket);
  const [[peer]] = (await Promise.all([once(server, "connection"), once(socket, "connect")])) as [[Socket], unknown];
  socket.pause();
  const result = { capabilities: { capabilities: new Set(capabilities) } } as unknown as AuthenticationResult;
  let onConnect: () => void = () => {};
  const connected = new Promise<void>((resolve) => {
    onConnect = resolve;
  });
  const login = async () => ({ socket, stream: socket, head: Buffer.from(head), result });
  const stream = new LoggedInStream(login, onConnect);
  await connected;
  return { stream, peer, socket };
}

test("what the server sent before it closed reaches a reader who takes his time", async () => {
  const { stream, peer, socket } = await handOver("* 1 EXISTS\r\n");
  const sent = Buffer.alloc(60_000, "x");
  peer.end(sent);
  await once(socket.resume(), "close");
  let heard = "";
  for await (const chunk of stream) heard += String(chunk);
  expect(heard).toBe(`* PREAUTH logged in\r\n* 1 EXISTS\r\n${sent}`);
  expect(stream.destroyed).toBe(true);
});

test("a lot goes through in both directions, however slowly it is read", async () => {
  const { stream, peer } = await handOver();
  const sent = Buffer.alloc(3_000_000, "0123456789abcdef");
  peer.end(sent);
  peer.resume();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(Buffer.concat(chunks).subarray("* PREAUTH logged in\r\n".length).equals(sent)).toBe(true);
  const other = await handOver();
  const received: Buffer[] = [];
  other.peer.on("data", (chunk) => received.push(chunk));
  other.stream.resume().end(sent);
  await once(other.peer, "end");
  expect(Buffer.concat(received).equals(sent)).toBe(true);
});

test("an error of the connection is the stream's, and closes it", async () => {
  const { stream, socket } = await handOver();
  const failed = once(stream, "error");
  socket.destroy(new Error("cut"));
  expect(await failed).toMatchObject([{ message: "cut" }]);
  expect(stream.closed).toBe(true);
});

test("the end of the stream closes the connection", async () => {
  const { stream, peer } = await handOver();
  stream.destroy();
  peer.resume();
  await once(peer, "close");
});

test("capabilities that would end the greeting early, or are none, are left out of it", async () => {
  const { stream } = await handOver("", ["IMAP4REV1", "X]", "X\r\nA1 OK", "ID", '"', "{5}", "(", ""]);
  const [greeting] = await once(stream, "data");
  expect(String(greeting)).toBe("* PREAUTH [CAPABILITY IMAP4REV1 ID] logged in\r\n");
});
