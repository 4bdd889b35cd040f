import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { type FastToken, fast } from "sasl-xmpp";
import { fastTokenFile } from "sasl-xmpp/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rejection } from "../../test/support.js";

const token: FastToken = {
  mechanism: "HT-SHA-256-NONE",
  token: "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm",
  expires: Date.UTC(2026, 1, 1),
  userAgent: "d4565fa7-4d72-4749-b3d3-740edbf87770",
  count: 3,
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sasl-fast-"));
  path = join(folder, "tokens.json");
});
afterEach(() => rm(folder, { recursive: true }));

describe("a file of FAST tokens", () => {
  test("keeps tokens from one run of a program to the next", async () => {
    const store = fastTokenFile(path);
    expect(await store.get("alice@example.com")).toBeUndefined();
    await store.set("alice@example.com", token);
    await store.set("bob@example.com", { ...token, count: 0 });
    const later = fastTokenFile(path);
    expect(await later.get("alice@example.com")).toEqual(token);
    await later.set("alice@example.com", undefined);
    expect(await later.get("alice@example.com")).toBeUndefined();
    expect(await store.get("bob@example.com")).toEqual({ ...token, count: 0 });
  });

  test("R-FAST-13 only its owner can read it, whatever it was before", async () => {
    await writeFile(path, "{}");
    await chmod(path, 0o644);
    await fastTokenFile(path).set("alice@example.com", token);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["tokens.json"]);
  });

  test("replaces the file as a whole: who has it open reads the old one", async () => {
    const store = fastTokenFile(path);
    await store.set("alice@example.com", token);
    const { ino } = await stat(path);
    await store.set("alice@example.com", { ...token, count: 4 });
    expect((await stat(path)).ino).not.toBe(ino);
  });

  test("a link stays one", async () => {
    const link = join(folder, "link.json");
    await writeFile(path, "{}");
    await symlink(path, link);
    await fastTokenFile(link).set("alice@example.com", token);
    expect(await fastTokenFile(path).get("alice@example.com")).toEqual(token);
  });

  test("many changes at once are all there", async () => {
    const store = fastTokenFile(path);
    const names = Array.from({ length: 20 }, (_, i) => `user${i}@example.com`);
    await Promise.all(names.map((name, count) => store.set(name, { ...token, count })));
    expect((await Promise.all(names.map((name) => store.get(name)))).map((each) => each?.count)).toEqual([
      ...names.keys(),
    ]);
  });

  test("removing what is not there makes no file", async () => {
    await fastTokenFile(path).set("alice@example.com", undefined);
    expect(await readdir(folder)).toEqual([]);
  });

  test("accounts with the names of JavaScript's own are accounts", async () => {
    const store = fastTokenFile(path);
    for (const name of ["__proto__", "constructor", "toString"]) expect(await store.get(name)).toBeUndefined();
    await store.set("__proto__", token);
    expect(await fastTokenFile(path).get("__proto__")).toEqual(token);
    expect(await store.get("count")).toBeUndefined();
  });

  const broken: readonly [what: string, content: string][] = [
    ["nothing", ""],
    ["half a file", JSON.stringify({ a: token }).slice(0, -20)],
    ["a list", JSON.stringify([token])],
    ["a text", JSON.stringify("tokens")],
    ["a token without an expiry", JSON.stringify({ a: { ...token, expires: undefined } })],
    ["a token without a name of a mechanism", JSON.stringify({ a: { ...token, mechanism: "" } })],
    ["a token that is a number", JSON.stringify({ a: { ...token, token: 7 } })],
    ["a count below 0", JSON.stringify({ a: { ...token, count: -1 } })],
    ["a token that is null", JSON.stringify({ a: null })],
  ];
  test.each(broken)("refuses %s, shows nothing of it and leaves it alone", async (_, content) => {
    await writeFile(path, content);
    const store = fastTokenFile(path);
    for (const call of [async () => store.get("a"), async () => store.set("a", token)]) {
      const error = await rejection(call());
      expect(error).toMatchObject({ code: "temporary" });
      expect(inspect(error, { depth: 9 })).not.toContain(String(token.token).slice(0, 8));
    }
    expect(await readFile(path, "utf8")).toBe(content);
  });

  test("says that it cannot write, leaves no draft, and goes on when it can", async () => {
    const store = fastTokenFile(join(folder, "nowhere", "tokens.json"));
    expect(await rejection(Promise.resolve(store.set("a", token)))).toMatchObject({ code: "temporary" });
    expect(await readdir(folder)).toEqual([]);
    await mkdir(join(folder, "nowhere"));
    await store.set("a", token);
    expect(await readdir(join(folder, "nowhere"))).toEqual(["tokens.json"]);
  });

  test("is a store for fast", () => {
    expect(fast({ store: fastTokenFile(path) })).toHaveProperty("logout");
  });
});
