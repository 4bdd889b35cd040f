/** The chat client leaves and comes back: first with the password, then with a token, at a server of our own. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryAccounts, SASLServer } from "sasl-core";
import { bareJid, bind2Server, fastServer } from "sasl-xmpp";
import { hashedTokens, plain, scramSha256, scramSha256Plus } from "sasl-xmpp/mechanisms";
import { XMPPListener } from "sasl-xmpp/node";
import { generate } from "selfsigned";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { main } from "./main.js";

const PASSWORD = "correct horse battery staple";
const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }]);
let folder = "";
let text = "";
const closing: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sasl-chat-"));
  text = "";
  writeFileSync(join(folder, "ca.pem"), cert);
  vi.stubEnv("SASL_PASSWORD", PASSWORD);
  for (const name of ["log", "error"] as const) {
    vi.spyOn(console, name).mockImplementation((...words) => {
      text += `${words.join(" ")}\n`;
    });
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  for (const close of closing.splice(0)) await close();
  rmSync(folder, { recursive: true });
});

/** A server that sends every message back. @returns the tokens it gave, and how to log in to it. */
async function service() {
  const accounts = memoryAccounts({ alice: PASSWORD });
  const tokens = hashedTokens({ accounts });
  const hosts = ["localhost"];
  const mechanisms = [plain, scramSha256, scramSha256Plus, ...tokens.mechanisms];
  const listener = new XMPPListener({
    hosts,
    tls: { cert, key },
    server: new SASLServer({ mechanisms, accounts, service: "xmpp", canonicalizers: [bareJid(hosts)] }),
    sasl2: { inline: [fastServer({ tokens }), bind2Server()] },
    async onAuthenticated(stream) {
      for (let each = await stream.receive(); each; each = await stream.receive()) await stream.send(each);
    },
  });
  const server = createServer((socket) => listener.accept(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    listener.close();
    server.close();
  });
  const url = `xmpp://alice@127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = [url, "--domain", "localhost", "--ca", join(folder, "ca.pem")];
  const state = join(folder, "state");
  return { tokens, args, state };
}

const password =
  /logged in as alice@localhost\/chat-client\S+ with SCRAM-SHA-256-PLUS\nby the password in 2 round trips, [\d.]+ ms\n/;
const token =
  /logged in as alice@localhost\/chat-client\S+ with HT-SHA-512-EXPR\nby the token in 1 round trip, [\d.]+ ms\n/;

describe("chat-client comes back", () => {
  test("with a token bound to the channel, in one round trip", async () => {
    const { args, tokens } = await service();
    expect([await main([...args, "--reconnect"]), text]).toEqual([0, expect.stringMatching(password)]);
    expect(text).toMatch(new RegExp(`${password.source}Hello, me\n${token.source}Hello, me\n$`));
    expect(await tokens.list("alice")).toMatchObject([{ count: 1 }]);
  });

  test("without the password, from a folder that nobody else can read and that does not hold it", async () => {
    const { args, state } = await service();
    expect(await main([...args, "--state", state])).toBe(0);
    expect(text).toMatch(password);
    expect(statSync(state).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(state)) {
      expect(statSync(join(state, file)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(state, file), "utf8")).not.toContain(PASSWORD);
    }
    vi.stubEnv("SASL_PASSWORD", undefined);
    text = "";
    expect([await main([...args, "--state", state]), text]).toEqual([0, expect.stringMatching(token)]);
  });

  test("with the password on the same connection when the token was revoked, and then with a new one", async () => {
    const { args, state, tokens } = await service();
    await main([...args, "--state", state]);
    await tokens.revoke("alice");
    text = "";
    expect(await main([...args, "--state", state])).toBe(0);
    expect(text).toMatch(/with SCRAM-SHA-256-PLUS\nby the password in 3 round trips/);
    expect(await main([...args, "--state", state])).toBe(0);
    expect(text).toMatch(token);
  });

  test("not at all when the token was revoked and there is no password", async () => {
    const { args, state, tokens } = await service();
    await main([...args, "--state", state]);
    await tokens.revoke("alice");
    vi.stubEnv("SASL_PASSWORD", undefined);
    text = "";
    expect(await main([...args, "--state", state])).toBe(2);
    expect(text).toBe("chat-client: there is no token to log in with: give the password once\n");
  });

  test("with a word on what to do when the password is wrong", async () => {
    const { args } = await service();
    vi.stubEnv("SASL_PASSWORD", `${PASSWORD}?`);
    expect(await main(args)).toBe(1);
    expect(text).toBe("chat-client: the server reports not-authorized; check the user name and the password\n");
  });
});
