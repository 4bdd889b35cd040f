import { describe, expect, test, vi } from "vitest";
import type { AccountProperties } from "./accounts.js";
import { cramMd5, hashSha1, hashSha256, plain, scramSha1, scramSha256 } from "./mechanisms/index.js";
import { OfferHabits } from "./offer-habits.js";
import { SASLServer, type ServerOptions } from "./server.js";
import { makeScramVerifier } from "./verifier.js";

const secure = { secure: true };
const mechanisms = [scramSha1, scramSha256, cramMd5, plain];
const secret = new Uint8Array(16).fill(7);
const all = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"];
const modern = ["SCRAM-SHA-256", "PLAIN"];
const old = ["SCRAM-SHA-1", "PLAIN"];
const strangers = Array.from({ length: 200 }, (_, index) => `stranger${index}`);

const [sha1, sha256] = await Promise.all([
  makeScramVerifier(hashSha1, "secret", { iterations: 4096 }),
  makeScramVerifier(hashSha256, "secret", { iterations: 4096 }),
]);
const accounts: Readonly<Record<string, AccountProperties>> = {
  modern: { authPassword: [sha256] },
  old: { authPassword: [sha1] },
  clear: { userPassword: "secret" },
  empty: { mail: "nothing to log in with" },
};
const lookup = (name: string) => (Object.hasOwn(accounts, name) ? accounts[name] : undefined);
const serverWith = (options: Partial<ServerOptions> = {}) =>
  new SASLServer({ mechanisms, accounts: { lookup }, secret, ...options });
const shown = async (server: SASLServer, connection = secure) => {
  const lists = new Map<string, string>();
  for (const name of strangers) lists.set(name, String(await server.mechanismsFor(name, connection)));
  return lists;
};
const kinds = (lists: ReadonlyMap<string, string>) => [...new Set(lists.values())].sort();

describe("R-SA2-06 names nobody has", () => {
  test("before any account was seen they get everything, as everybody does", async () => {
    expect(kinds(await shown(serverWith()))).toEqual([String(all)]);
  });

  test("get the lists of accounts, each name always the same", async () => {
    const server = serverWith();
    for (const name of ["modern", "old", "modern"]) await server.mechanismsFor(name, secure);
    const first = await shown(server);
    expect(kinds(first)).toEqual([String(old), String(modern)].sort());
    expect(await shown(server)).toEqual(first);
    const counts = [...first.values()].filter((list) => list === String(modern)).length;
    expect(counts).toBeGreaterThan(50);
    expect(counts).toBeLessThan(150);
  });

  test("keep theirs when another kind is seen, but for its share", async () => {
    const server = serverWith();
    for (const name of ["modern", "old"]) await server.mechanismsFor(name, secure);
    const before = await shown(server);
    await server.mechanismsFor("clear", secure);
    const after = await shown(server);
    expect(kinds(after)).toContain(String(all));
    for (const [name, list] of after) if (list !== String(all)) expect(list).toBe(before.get(name));
  });

  test("get the same from another process, before and after it has seen anybody, where the lists are told", async () => {
    const accountMechanisms = [modern, old];
    const one = serverWith({ accountMechanisms });
    const other = serverWith({ accountMechanisms });
    await other.mechanismsFor("clear", secure);
    await other.mechanismsFor("old", secure);
    const lists = await shown(one);
    expect(kinds(lists)).toEqual([String(old), String(modern)].sort());
    expect(await shown(other)).toEqual(lists);
    const elsewhere = serverWith({ accountMechanisms, secret: new Uint8Array(16).fill(8) });
    expect(await shown(elsewhere)).not.toEqual(lists);
  });

  test("get a frequent list more often", async () => {
    const lists = await shown(serverWith({ accountMechanisms: [modern, old, modern, modern, modern, modern] }));
    const rare = [...lists.values()].filter((list) => list === String(old)).length;
    expect(rare).toBeGreaterThan(5);
    expect(rare).toBeLessThan(70);
  });

  test("are told apart by their canonical names", async () => {
    const server = serverWith({ accountMechanisms: [modern, old] });
    for (const name of strangers.slice(0, 20)) {
      const plainly = await server.mechanismsFor(name, secure);
      expect(await server.mechanismsFor(name.replace("a", "a\u00ad"), secure)).toEqual(plainly);
    }
  });

  test("and accounts with which nothing works are shown the same, and never nothing", async () => {
    const server = serverWith({ accountMechanisms: [modern, ["PLAIN"], ["X-GONE"]] });
    expect([String(modern), "PLAIN"]).toContain(String(await server.mechanismsFor("empty", secure)));
    expect(kinds(await shown(server))).toEqual(["PLAIN", String(modern)]);
    // PLAIN is not offered without TLS: who has nothing else is shown what others have.
    expect(kinds(await shown(server, { secure: false }))).toEqual(["SCRAM-SHA-256"]);
    const gone = serverWith({ accountMechanisms: [["X-GONE"]] });
    expect(kinds(await shown(gone))).toEqual([String(all)]);
  });

  test("real accounts get what works for them", async () => {
    const server = serverWith({ accountMechanisms: [modern] });
    expect(await server.mechanismsFor("old", secure)).toEqual(old);
    expect(await server.mechanismsFor("clear", secure)).toEqual(all);
    expect(await server.workingMechanisms("empty", secure)).toEqual([]);
    expect(await server.workingMechanisms("nobody", secure)).toEqual([]);
    expect(await server.workingMechanisms("old", secure)).toEqual(old);
  });

  test("as much is computed for accounts as for nobody", async () => {
    const server = serverWith({ accountMechanisms: [modern, old] });
    const decoy = vi.spyOn(server.habits, "decoy");
    try {
      await server.mechanismsFor("old", secure);
      const forAccount = decoy.mock.calls.length;
      await server.mechanismsFor("nobody", secure);
      expect(decoy.mock.calls.length).toBe(2 * forAccount);
      expect(forAccount).toBeGreaterThan(0);
    } finally {
      decoy.mockRestore();
    }
  });

  test("what is remembered is bounded", async () => {
    const habits = new OfferHabits(undefined);
    for (let index = 0; index < 1000; index++) habits.learn([`X-${index}`]);
    const decoy = vi.fn(() => new Uint8Array(32));
    expect(await habits.invent(["PLAIN"], decoy)).toEqual(["PLAIN"]);
    expect(decoy).toHaveBeenCalledTimes(32);
  });

  test.each([[[]], [[[]]], [[modern, []]]])("lists that are none are told at once: %j", (accountMechanisms) => {
    expect(() => serverWith({ accountMechanisms })).toThrow(RangeError);
  });
});
