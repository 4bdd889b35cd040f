/**
 * The floor for a server: node:net, no checks, no limits, just enough IMAP for AUTHENTICATE SCRAM-SHA-256 with an
 * initial response. Writes one line of JSON when it listens.
 *
 * @module
 */
import { createServer } from "node:net";
import { ScriptedServer } from "../lib/scripted-server.mjs";

const server = createServer({ noDelay: true }, (socket) => {
  socket.setEncoding("latin1");
  const exchange = new ScriptedServer();
  let tag = "";
  let step = 0;
  let rest = "";
  socket.write("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] ready\r\n");
  socket.on("error", () => socket.destroy());
  socket.on("data", (/** @type {string} */ data) => {
    rest += data;
    for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (step === 0) {
        const words = line.split(" ");
        tag = words[0];
        say(exchange.first(Buffer.from(words[3], "base64").toString()));
      } else if (step === 1) {
        say(exchange.final(Buffer.from(line, "base64").toString()));
      } else {
        socket.write(`${tag} OK [CAPABILITY IMAP4rev1] Logged in\r\n`);
      }
      step++;
    }
  });
  const say = (/** @type {string} */ text) => socket.write(`+ ${Buffer.from(text).toString("base64")}\r\n`);
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(JSON.stringify({ ready: true, imap: port }));
});
process.on("SIGTERM", () => process.exit(0));
