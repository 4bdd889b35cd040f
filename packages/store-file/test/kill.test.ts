/**
 * Writers in processes of their own: killed at any moment, and all at once.
 */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as baseTest, describe } from "vitest";
import { fileAccounts } from "../src/index.js";
import { compileChild, linesOf } from "./run-child.js";

const KILLS = 40;
/** Files of their own, whose writers are killed at the same time. */
const LANES = 2;

/** Each test in a folder of its own, all at the same time: their processes spend most of their time waiting. */
const test = baseTest.extend<{ folder: string; path: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "sasl-store-file-"));
    await use(folder);
    await rm(folder, { recursive: true, force: true });
  },
  path: async ({ folder }, use) => {
    const path = join(folder, "users");
    await (await fileAccounts(path, { create: true })).close();
    await use(path);
  },
});

describe.concurrent("R-STO-07 a killed writer", () => {
  test.for(Array.from({ length: LANES }, (_, lane) => [lane + 1] as const))(
    `${KILLS / LANES} times: what was committed is there, the file is whole, the next gets the lock (%i)`,
    { timeout: 60_000 },
    async (_, { folder, path, expect }) => {
      const startWriter = await compileChild("writer");
      const committed: string[] = [];
      const store = await fileAccounts(path);
      for (let kill = 0; kill < KILLS / LANES; kill++) {
        // Two writers, of which one waits for the other now and then.
        const children = [startWriter(path, `a${kill}-`, "100000"), startWriter(path, `b${kill}-`, "100000")];
        const said = await Promise.all(
          children.map((child) => linesOf(child, () => setTimeout(() => child.kill("SIGKILL"), Math.random() * 25))),
        );
        expect(said.flat().length).toBeGreaterThan(0);
        committed.push(...said.flat());
        // The one that lives on gets the lock of the dead without waiting for it to grow old.
        expect(await store.store(`after${kill}`, { userPassword: "x" }, null)).toBe(true);
        committed.push(`after${kill}`);
        for (const name of said.flat()) {
          expect({ ...(await store.lookup(name)) }).toMatchObject({ userPassword: `of ${name}`, note: { of: name } });
        }
      }
      await store.close();
      const again = await fileAccounts(path);
      for (const name of committed) expect(await again.lookup(name), name).toBeDefined();
      for await (const name of again.list()) expect(await again.lookup(name), name).toBeDefined();
      // One write may have been committed and not yet said, for each kill of each writer.
      expect(again.size).toBeGreaterThanOrEqual(committed.length);
      expect(again.size).toBeLessThanOrEqual(committed.length + (2 * KILLS) / LANES);
      await again.close();
      expect((await readFile(path, "latin1")).endsWith("\n")).toBe(true);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      // A store that is opened anew clears away what was left.
      const last = await fileAccounts(path);
      await last.store("last", { userPassword: "x" });
      await last.close();
      expect(await readdir(folder)).toEqual(["users"]);
    },
  );

  test("that was stopped with the lock is taken for dead, and what it had begun comes to nothing", async ({
    folder,
    path,
    expect,
  }) => {
    const startHolder = await compileChild("holder");
    const holder = startHolder(path);
    const ended = linesOf(holder);
    await new Promise<void>((resolve) => holder.stdout?.once("data", () => resolve()));
    holder.kill("SIGSTOP");
    const store = await fileAccounts(path);
    expect(await store.store("alice", { userPassword: "x" })).toBe(true);
    await store.close();
    holder.kill("SIGKILL");
    await ended;
    expect(await readdir(folder)).toEqual(["users"]);
  }, 30_000);
});

test.concurrent("R-STO-06 four processes that write at once lose nothing", async ({ folder, path, expect }) => {
  const startWriter = await compileChild("writer");
  const said = await Promise.all(["a", "b", "c", "d"].map((prefix) => linesOf(startWriter(path, prefix, "40"))));
  expect(said.flat()).toHaveLength(160);
  const store = await fileAccounts(path);
  expect(store.size).toBe(160);
  for (const name of said.flat()) expect(await store.lookup(name), name).toMatchObject({ userPassword: `of ${name}` });
  await store.close();
  expect(await readdir(folder)).toEqual(["users"]);
}, 30_000);

test.concurrent("R-STO-06 of those that expect the same, one wins", async ({ path, expect }) => {
  await writeFile(path, "counter:\n", { mode: 0o600 });
  const startCounter = await compileChild("counter");
  const said = await Promise.all([1, 2, 3].map(() => linesOf(startCounter(path, "counter", "25"))));
  const values = said
    .flat()
    .map(Number)
    .sort((a, b) => a - b);
  expect(values).toEqual(Array.from({ length: 75 }, (_, i) => i + 1));
}, 30_000);
