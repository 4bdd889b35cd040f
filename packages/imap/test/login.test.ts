import { memoryAccounts, SASLServer } from "sasl-core";
import * as mechanisms from "sasl-core/mechanisms";
import { linePair } from "sasl-lines";
import { expect, test } from "vitest";
import { authenticate, greet, IMAPConnection } from "../src/index.js";

const accounts = memoryAccounts({ alice: "wonderland" });
const server = new SASLServer({
  mechanisms: [mechanisms.plain, mechanisms.scramSha256, mechanisms.login],
  accounts,
  service: "imap",
});

for (const name of ["PLAIN", "SCRAM-SHA-256", "LOGIN"]) {
  for (const password of ["wonderland", "wrong"]) {
    test(`${name} with ${password}`, async () => {
      const { client, server: end } = linePair({ secure: true });
      const seen: unknown[] = [];
      const connection = new IMAPConnection(end, { server, onAuthenticated: (result) => void seen.push(result) });
      const running = connection.run();
      const { announced } = await greet(client);
      const credentials = { username: "alice", password };
      const list = [mechanisms.PLAIN(credentials), mechanisms.SCRAM(credentials), mechanisms.LOGIN(credentials)];
      const result = authenticate(client, announced, list.filter((each) => each.variants.some((v) => v.name === name)));
      if (password === "wrong") await expect(result).rejects.toMatchObject({ code: "refused" });
      else {
        expect(await result).toMatchObject({ mechanism: name, authcid: "alice" });
        await running;
        expect(seen).toMatchObject([{ mechanism: name, authcid: "alice" }]);
      }
      client.close();
    });
  }
}
