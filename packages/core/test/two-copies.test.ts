/** Two copies of the package in one program: no class, symbol or module state of one may hurt the other. */
import { describe, expect, test, vi } from "vitest";
import * as here from "../src/index.js";
import * as hereMechanisms from "../src/mechanisms/index.js";

vi.resetModules();
const there = await import("../src/index.js");
const thereMechanisms = await import("../src/mechanisms/index.js");

test("they are two", () => {
  expect(there.SASLFailure).not.toBe(here.SASLFailure);
  expect(thereMechanisms.plain).not.toBe(hereMechanisms.plain);
});

const copies = [
  { from: "here", to: "there", client: here, clients: hereMechanisms, server: there, servers: thereMechanisms },
  { from: "there", to: "here", client: there, clients: thereMechanisms, server: here, servers: hereMechanisms },
];

describe.each(copies)("a client from $from at a server from $to", ({ client, clients, server, servers }) => {
  const user = { username: "tim", password: "tanstaaftanstaaf" };
  const make = () =>
    new server.SASLServer({
      mechanisms: [servers.scramSha256, servers.plain, servers.login, servers.cramMd5],
      accounts: client.memoryAccounts({ tim: user.password }), // a store of the other copy
    });

  test.each(["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"])("%s", async (name) => {
    const session = make().session({ secure: true });
    const mechanisms = [clients.SCRAM(user), clients.PLAIN(user), clients.LOGIN(user), clients.CRAM_MD5(user)];
    expect((await client.authenticate(session, [name], mechanisms)).mechanism).toBe(name);
    expect(session.result?.authcid).toBe("tim");
  });

  test("errors keep kind and code, and stop or go on as they should", async () => {
    const session = make().session({ secure: true });
    const wrong = { username: "tim", password: "wrong" };
    const error = await client
      .authenticate(session, ["PLAIN"], [clients.PLAIN(wrong)])
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(server.AuthenticationFailure);
    expect(error).not.toBeInstanceOf(client.AuthenticationFailure);
    expect(client.isSASLError(error)).toBe(true);
    expect(error).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
    // An unknown mechanism of the other copy is still harmless.
    const limited = new server.SASLServer({
      mechanisms: [servers.plain],
      accounts: server.memoryAccounts({ tim: user.password }),
    });
    const outcome = await client.authenticate(
      limited.session({ secure: true }),
      ["PLAIN", "LOGIN"],
      [clients.LOGIN(user), clients.PLAIN(user)],
      { order: "given" },
    );
    expect(outcome).toMatchObject({ mechanism: "PLAIN", skipped: [{ mechanism: "LOGIN" }] });
  });

  test("a mechanism of one copy runs in the engine of the other", async () => {
    const session = make().session({ secure: true });
    const outcome = await server.authenticate(session, ["SCRAM-SHA-256"], [clients.SCRAM(user)], {
      keyCache: new client.ScramKeyCache(),
    });
    expect(outcome.serverVerified).toBe(true);
    const mixed = new server.SASLServer({
      mechanisms: [clients.plain],
      accounts: server.memoryAccounts({ tim: user.password }),
    });
    const second = await client.authenticate(mixed.session({ secure: true }), ["PLAIN"], [clients.PLAIN(user)]);
    expect(second.mechanism).toBe("PLAIN");
  });
});
