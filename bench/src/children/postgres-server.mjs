/**
 * A mail server as one would write it, with its accounts in PostgreSQL: `postgres-server.mjs URL`. Writes one line of JSON
 * when it listens.
 *
 * @module
 */
import { createServer } from "node:net";
import { IMAPConnection, SASLServer } from "sasl-imap";
import { scramSha256 } from "sasl-imap/mechanisms";
import { nodeLineTransport } from "sasl-imap/node";
import { postgresAccounts } from "sasl-store-sql";

const accounts = await postgresAccounts(process.argv[2] ?? "", { migrate: "check" });
const options = {
  server: new SASLServer({ mechanisms: [scramSha256], accounts, service: "imap" }),
  async onAuthenticated() {}, // the load closes the connection when it is in
};
const server = createServer({ noDelay: true }, (socket) => {
  void new IMAPConnection(nodeLineTransport(socket, { role: "server" }), options).run();
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(JSON.stringify({ ready: true, imap: port }));
});
