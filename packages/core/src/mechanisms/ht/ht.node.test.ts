import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { codeOf } from "../../../test/support.js";
import { authenticate } from "../../authenticate.js";
import { memoryAccounts } from "../../memory-accounts.js";
import { tlsChannelBinding } from "../../node/index.js";
import { SASLServer } from "../../server.js";
import { HT, hashedTokens, htSha256 } from "./index.js";

const file = (name: string) => readFileSync(new URL(`../../../test/certificates/${name}.pem`, import.meta.url));

test("R-HT-05 a resumed session whose master secret may not be extended binds nothing, and so no bound HT works", async () => {
  const accounts = memoryAccounts({ tim: {} });
  const tokens = hashedTokens({ accounts, hashes: [htSha256] });
  const service = new SASLServer({ mechanisms: tokens.mechanisms, accounts });
  const ca = file("rsa-sha256.cert");
  const listener = createServer({ key: file("rsa.key"), cert: ca, maxVersion: "TLSv1.2" });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const sockets: TLSSocket[] = [];

  async function pair(more: ConnectionOptions = {}) {
    const accepted = once(listener, "secureConnection");
    const client = connect({ host: "127.0.0.1", port, servername: "localhost", ca, ...more });
    await once(client, "secureConnect");
    const [server] = (await accepted) as [TLSSocket];
    sockets.push(client, server);
    const connection = { secure: true, channelBinding: tlsChannelBinding(server, { role: "server" }) };
    const names = service.mechanisms(connection);
    const login = async (mechanism: string) => {
      const { token = "" } = (await tokens.issue("tim", { mechanism })) ?? {};
      const options = { channelBinding: tlsChannelBinding(client, { role: "client" }) };
      const session = service.session(connection);
      await authenticate(session, [mechanism], [HT({ username: "tim", token }, { hashes: [htSha256] })], options);
      return session.result?.channelBinding;
    };
    return { client, names, login };
  }

  try {
    const first = await pair();
    expect(first.names).toEqual(["HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"]);
    expect(await first.login("HT-SHA-256-UNIQ")).toBe("tls-unique");
    expect(await first.login("HT-SHA-256-ENDP")).toBe("tls-server-end-point");

    const resumed = await pair({ session: first.client.getSession() as Buffer });
    expect(resumed.client.isSessionReused()).toBe(true);
    expect(resumed.names).toEqual(["HT-SHA-256-ENDP", "HT-SHA-256-NONE"]); // the server still knows its certificate
    for (const mechanism of ["HT-SHA-256-UNIQ", "HT-SHA-256-EXPR", "HT-SHA-256-ENDP"]) {
      expect(await codeOf(resumed.login(mechanism))).toBe("no-common-mechanism");
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
});
