import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { memoryAccounts } from "sasl-core";
import { hashedTokens, PLAIN, plain, scramSha256, scramSha256Plus } from "sasl-core/mechanisms";
import {
  authenticate,
  type FastToken,
  type FastTokenStore,
  fast,
  fastServer,
  memoryFastTokens,
  sasl2,
} from "sasl-xmpp";
import { fastTokenFile, SocketStream } from "sasl-xmpp/node";
import { afterEach, describe, expect, test } from "vitest";
import { phone } from "../../test/fast.js";
import { type Loopback, loopback } from "../../test/loopback.js";

const alice = "alice@localhost";
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A listener that gives tokens, and logins at it. */
async function service() {
  const accounts = memoryAccounts({ alice: "open sesame" });
  const tokens = hashedTokens({ accounts });
  const mechanisms = [plain, scramSha256, scramSha256Plus, ...tokens.mechanisms];
  const here: Loopback = await loopback({
    direct: true,
    sasl: { accounts, mechanisms },
    sasl2: { inline: [fastServer({ tokens })] },
  });
  closing.push(() => here.close());

  async function login(store: FastTokenStore, options: ConnectionOptions = {}) {
    const socket = await here.connectTLS(options);
    closing.push(() => socket.destroy());
    const stream = new SocketStream(socket, { domain: "localhost", from: alice });
    const features = await stream.open();
    const feature = fast({ store });
    const profile = sasl2({ userAgent: { id: phone }, inline: [feature] });
    const mechanism = PLAIN({ username: "alice", password: "open sesame" });
    // Nothing but FAST's own rule keeps a token off an unverified channel.
    const policy = { requireEncryption: false };
    const result = await authenticate(stream, features, [mechanism], { sasl2: profile, policy });
    await stream.restart();
    return { ...result, fast: result.inline.get(feature) };
  }
  return { login, tokens };
}

describe("FAST over TLS", () => {
  test("R-FAST-13 R-FAST-14 a login with the password, and one with the token from a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sasl-fast-"));
    closing.push(() => rm(folder, { recursive: true }));
    const path = join(folder, "tokens.json");
    const { login, tokens } = await service();
    expect(await login(fastTokenFile(path))).toMatchObject({
      profile: "sasl2",
      mechanism: "PLAIN",
      fast: { used: false },
    });
    expect(await login(fastTokenFile(path))).toMatchObject({
      profile: "sasl2",
      mechanism: "HT-SHA-512-EXPR",
      channelBinding: "tls-exporter",
      fast: { used: true },
    });
    expect(await tokens.list("alice")).toMatchObject([{ client: phone, count: 1 }]);
    await tokens.revoke("alice");
    expect(await login(fastTokenFile(path))).toMatchObject({ mechanism: "PLAIN", fast: { used: false } });
  });

  test("R-FAST-14 neither asks for a token nor uses one where the certificate is not verified", async () => {
    const { login, tokens } = await service();
    const store = memoryFastTokens();
    const unverified = () => login(store, { rejectUnauthorized: false, ca: [] });
    expect(await unverified()).toMatchObject({ profile: "sasl1" });
    expect(await tokens.list("alice")).toEqual([]);
    await login(store);
    const kept = (await store.get(alice)) as FastToken;
    expect(await unverified()).toMatchObject({ profile: "sasl1", mechanism: "PLAIN" });
    expect(await store.get(alice)).toEqual(kept);
  });
});
