/**
 * Tokens of FAST and second factors in stores that last: what was given out before a restart, what a new password takes along,
 * and what servers of one store do at once.
 */

import { Element } from "ltx";
import { type AccountStore, setPassword } from "sasl-core";
import { hashedTokens, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import { fileAccounts } from "sasl-store-file";
import { sqliteAccounts } from "sasl-store-sql";
import { ltxAdapter, type TaskAbout } from "sasl-xmpp";
import { newTotp, totpCode, totpProperty, totpTask } from "sasl-xmpp/totp";
import { afterAll, describe, expect, test } from "vitest";
import { startServer } from "../src/server/index.js";
import { Folder, password, type Run, sasl } from "./support.js";

interface Opened extends AccountStore {
  close(): Promise<void>;
}

const folder = new Folder();
const passwordFile = folder.file("password", password);
afterAll(() => folder.remove());

const stores: readonly [name: string, open: () => Promise<Opened>][] = [
  ["file", () => fileAccounts(`${folder.path}/users`, { create: true, checkIntervalMs: 0 })],
  ["sqlite", async () => sqliteAccounts(`${folder.path}/users.db`)],
];

describe.each(stores)("%s", (name, open) => {
  const tokenFile = `${folder.path}/tokens-${name}`;

  /** One run of a server over the store as it is on disk. */
  async function served<T>(use: (login: () => Promise<Run>, accounts: Opened) => Promise<T>): Promise<T> {
    const accounts = await open();
    try {
      const server = await startServer({ ports: { xmpps: 0 }, accounts });
      const url = `xmpps://alice@localhost:${server.ports.xmpps}`;
      const secrets = ["--password-file", passwordFile, "--fast-token-file", tokenFile];
      try {
        return await use(() => sasl(["login", url, "--ca", server.ca, "--json", ...secrets]), accounts);
      } finally {
        await server.close();
      }
    } finally {
      await accounts.close();
    }
  }
  const change = (accounts: Opened) =>
    setPassword(accounts, "alice", password, { mechanisms: [scramSha512, scramSha256], iterations: 4096 });

  test("R-FAST-08 R-FAST-12 tokens outlive the server, each rotated one too, and no change of the password", async () => {
    await served(async (login, accounts) => {
      await change(accounts);
      expect((await login()).json.fast).toMatchObject({ used: false, issued: true });
    });
    await served(async (login, accounts) => {
      expect((await login()).json.fast).toMatchObject({ used: true });
      const tokens = hashedTokens({ accounts });
      const [held] = await tokens.list("alice");
      await tokens.rotate("alice", held?.id as string); // one that never arrives
      expect(await tokens.list("alice")).toHaveLength(2);
    });
    await served(async (login, accounts) => {
      expect((await login()).json.fast).toMatchObject({ used: true });
      await change(accounts);
      expect(await hashedTokens({ accounts }).list("alice")).toEqual([]);
    });
    await served(async (login) => {
      expect((await login()).json.fast).toMatchObject({ used: false, issued: true });
    });
  });

  test("R-FAST-07 R-STO-06 of many who use one count at once one is right, and it stays used", async () => {
    const count = 7;
    const id = await served(async (_, accounts) => {
      const tokens = hashedTokens({ accounts });
      const issued = await tokens.issue("alice", { mechanism: "HT-SHA-256-EXPR" });
      const id = issued?.id as string;
      const uses = await Promise.all(Array.from({ length: 5 }, () => tokens.redeem("alice", id, { count })));
      expect(uses.filter(Boolean)).toHaveLength(1);
      return id;
    });
    await served(async (_, accounts) => {
      const tokens = hashedTokens({ accounts });
      expect(await tokens.redeem("alice", id, { count })).toBe(false);
      expect(await tokens.redeem("alice", id, { count: count + 1 })).toBe(true);
    });
  });

  test("R-STO-06 a code of a second factor counts once, whichever of two servers is shown it", async () => {
    const { record } = newTotp({ issuer: "localhost", account: "alice@localhost" });
    const adapter = ltxAdapter(Element);
    const servers = [await open(), await open()];
    try {
      expect(await servers[0]?.store?.("alice", { [totpProperty]: record })).toBe(true);
      const now = () => 1_234_567_890_000;
      const code = adapter.create("code", "urn:x-sasl-xmpp:totp:0", {}, [totpCode(record, now())]);
      const about = { adapter, result: { authcid: "alice" }, signal: new AbortController().signal };
      const shown = [...servers, ...servers].map((accounts) =>
        totpTask({ accounts, now })
          .perform(about as unknown as TaskAbout<Element>, [code])
          .next()
          .then(
            () => "ok",
            ({ code }) => code,
          ),
      );
      expect((await Promise.all(shown)).sort()).toEqual(["ok", "refused", "refused", "refused"]);
    } finally {
      await Promise.all(servers.map((each) => each.close()));
    }
  });
});
