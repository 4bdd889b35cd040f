/**
 * `sasl serve`, in this process.
 *
 * @module
 */

import { startServer, type TestServer } from "sasl-cli/server";
import { memoryAccounts, setPassword } from "sasl-core";
import { hashedTokens, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import { type ChatServer, users } from "./web-chat.js";

/** A server on a port that stays the same when it is started again, as do its accounts. */
export function saslServe(): ChatServer & { readonly port: () => number } {
  const accounts = memoryAccounts(users);
  let server: TestServer | undefined;
  let port = 0;
  return {
    name: "sasl serve",
    tokens: true,
    port: () => port,
    get url() {
      return `ws://localhost:${port}/`;
    },
    async start() {
      server ??= await startServer({ ports: { ws: port }, accounts });
      port = server.ports.ws as number;
    },
    async stop() {
      await server?.close();
      server = undefined;
    },
    async changePassword(user, password) {
      const { mechanisms } = hashedTokens({ accounts });
      await setPassword(accounts, user, password, { mechanisms: [scramSha256, scramSha512, ...mechanisms] });
    },
    async countTokens(user) {
      return (await hashedTokens({ accounts }).list(user)).length;
    },
  };
}
