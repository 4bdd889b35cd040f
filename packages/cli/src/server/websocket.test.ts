import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { websockets } from "./websocket.js";

test.each([
  ["nothing", ""],
  ["half a request", "GET / HTTP/1.1\r\nHost: localhost\r\n"],
])("a client that sends %s is let go", async (_, sent) => {
  const server = createServer(websockets(() => expect.unreachable("no WebSocket was asked for"), 20));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write(sent);
  await once(client.resume(), "close");
  server.close();
  await once(server, "close");
});
