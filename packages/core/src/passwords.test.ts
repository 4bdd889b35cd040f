import { describe, expect, test } from "vitest";
import { codeAfter, codeOf, connection, everybody, logIn, pairing, serverWith, sessionFor } from "../test/support.js";
import type { AccountProperties, AccountStore, ScramVerifier } from "./accounts.js";
import { decodeBase64 } from "./internal/base64.js";
import { decodeUtf8, encodeUtf8 } from "./internal/text.js";
import * as all from "./mechanisms/index.js";
import { hashSha1, hashSha256, hashSha512, plain, type ScramHash, scramSha1, scramSha256 } from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { makeScramVerifier } from "./verifier.js";

const password = "tanstaaftanstaaf";
const right = `\0tim\0${password}`;
const good = await makeScramVerifier(hashSha256, password, { iterations: 4096 });

describe("a password against a verifier", () => {
  const hashes = Object.values(all).filter((each): each is ScramHash => typeof each === "object" && "digest" in each);
  test("all six hashes are there", () => expect(hashes).toHaveLength(6));
  test.each(hashes)("R-SCRAM-26 $name serves PLAIN, no password is stored", async (hash) => {
    const accounts = everybody({ authPassword: [await makeScramVerifier(hash, password, { iterations: 4096 })] });
    expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", [right])).toBe("success");
    expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", ["\0tim\0wrong"])).toBe("refused");
  });

  test("where both are stored, the password decides", async () => {
    const accounts = everybody({ userPassword: "another one", authPassword: [good] });
    expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", [right])).toBe("refused");
    expect(await codeAfter(sessionFor(plain, { accounts }), "PLAIN", ["\0tim\0another one"])).toBe("success");
  });

  test("R-GEN-31 an account with a verifier for another hash has none", async () => {
    const accounts = everybody({ authPassword: [good] });
    const client = pairing("SCRAM-SHA-1");
    expect(await codeOf(logIn(client, sessionFor(scramSha1, { accounts })))).toBe("refused");
  });
});

describe("R-STO-04 R-STO-08 a malformed verifier is a temporary fault, for both mechanisms that read it", () => {
  const bytes = (length: number) => new Uint8Array(length).fill(7);
  const rows: readonly [why: string, change: Record<string, unknown>][] = [
    ["an empty stored key", { storedKey: bytes(0) }],
    ["a stored key too short", { storedKey: bytes(31) }],
    ["a stored key too long", { storedKey: bytes(33) }],
    ["no stored key", { storedKey: undefined }],
    ["a stored key in base64", { storedKey: "AAAA" }],
    ["a stored key of wider elements", { storedKey: new Uint16Array(32) }],
    ["a server key of another hash", { serverKey: bytes(20) }],
    ["no server key", { serverKey: null }],
    ["an empty salt", { salt: bytes(0) }],
    ["a salt that is text", { salt: "salt" }],
    ["no count", { iterations: undefined }],
    ["a count of NaN", { iterations: Number.NaN }],
    ["a count of 0", { iterations: 0 }],
    ["a negative count", { iterations: -4096 }],
    ["a fraction for a count", { iterations: 4096.5 }],
    ["a count that is text", { iterations: "4096" }],
    ["an infinite count", { iterations: Number.POSITIVE_INFINITY }],
    ["a count nobody can pay", { iterations: 4_000_000_000 }],
  ];
  test.each(rows)("%s", async (_, change) => {
    const accounts = everybody({ authPassword: [{ ...good, ...change } as ScramVerifier] });
    const server = serverWith([plain, scramSha256], { accounts });
    expect(await codeAfter(server.session(connection), "PLAIN", [right])).toBe("temporary");
    expect(await codeAfter(server.session(connection), "SCRAM-SHA-256", ["n,,n=tim,r=abc"])).toBe("temporary");
  });

  test("it teaches nothing about real ones", async () => {
    let properties: AccountProperties = { authPassword: [{ ...good, iterations: 9 ** 9, salt: bytes(99) }] };
    const server = serverWith([scramSha256], { accounts: { lookup: () => properties } });
    await codeAfter(server.session(connection), "SCRAM-SHA-256", ["n,,n=tim,r=abc"]);
    properties = {};
    const reply = await server.session(connection).initiate("SCRAM-SHA-256", encodeUtf8("n,,n=tim,r=abc"));
    expect(decodeUtf8(reply.payload as Uint8Array)).toMatch(/,i=10000$/);
  });

  const passedOver: readonly [why: string, hash: unknown][] = [
    ["a hash nobody here knows", "SHA-3-999"],
    ["a name every object inherits", "__proto__"],
  ];
  test.each(passedOver)("%s is passed over, the account then has none", async (_, hash) => {
    const odd = { ...good, hash } as ScramVerifier;
    const alone = serverWith([plain, scramSha256], { accounts: everybody({ authPassword: [odd] }) });
    expect(await codeAfter(alone.session(connection), "PLAIN", [right])).toBe("refused");
    expect(await codeOf(logIn(pairing("SCRAM-SHA-256"), alone.session(connection)))).toBe("refused");
    const beside = serverWith([plain], { accounts: everybody({ authPassword: [odd, good] }) });
    expect(await codeAfter(beside.session(connection), "PLAIN", [right])).toBe("success");
  });
});

describe("R-SCRAM-25 a user nobody has", () => {
  const serverFirst = async (accounts: AccountStore, names: readonly string[], options = {}) => {
    const server = serverWith([scramSha256, scramSha1], { accounts, nonce: () => "SERVER", ...options });
    const said: string[] = [];
    for (const name of names) {
      const reply = await server.session(connection).initiate("SCRAM-SHA-256", encodeUtf8(`n,,n=${name},r=abc`));
      said.push(decodeUtf8(reply.payload as Uint8Array));
    }
    return said;
  };
  const parts = (message: string) => {
    const [, nonce, salt, count] = /^r=(\w+),s=([^,]+),i=(\d+)$/.exec(message) as unknown as [
      string,
      string,
      string,
      string,
    ];
    return { nonce, salt: decodeBase64(salt), count: Number(count) };
  };

  test("gets the same salt on every try, another name another one", async () => {
    const [first, second, other] = await serverFirst(memoryAccounts(), ["anna", "anna", "eve"]);
    expect(first).toBe(second);
    expect(first).not.toBe(other);
    expect(parts(first as string).salt).toHaveLength(16);
  });

  test("gets it under the form preparation gives its name", async () => {
    const [plainName, softHyphen] = await serverFirst(memoryAccounts(), ["anna", "an\u00adna"]);
    expect(plainName).toBe(softHyphen);
  });

  test("a secret of one's own keeps it over restarts, another one changes it", async () => {
    const secret = new Uint8Array(32).fill(1);
    const before = await serverFirst(memoryAccounts(), ["anna"], { secret });
    expect(await serverFirst(memoryAccounts(), ["anna"], { secret })).toEqual(before);
    expect(await serverFirst(memoryAccounts(), ["anna"], { secret: new Uint8Array(32).fill(2) })).not.toEqual(before);
    expect(await serverFirst(memoryAccounts(), ["anna"])).not.toEqual(before);
    expect(() => serverWith([scramSha256], { secret: new Uint8Array(15) })).toThrow(RangeError);
  });

  test("has another salt for another hash", async () => {
    const server = serverWith([scramSha256, scramSha1], { accounts: memoryAccounts(), nonce: () => "S" });
    const salts = [];
    for (const name of ["SCRAM-SHA-256", "SCRAM-SHA-1"]) {
      const reply = await server.session(connection).initiate(name, encodeUtf8("n,,n=anna,r=abc"));
      salts.push(/s=([^,]+)/.exec(decodeUtf8(reply.payload as Uint8Array))?.[1]);
    }
    expect(salts[0]).not.toBe(salts[1]);
  });

  test.each([16, 24, 40])("has a count and a salt length as stored ones have: %s octets", async (length) => {
    const salt = new Uint8Array(length).fill(5);
    const verifier = await makeScramVerifier(hashSha256, password, { iterations: 12345, salt });
    const [known, unknown] = await serverFirst(memoryAccounts({ tim: { authPassword: [verifier] } }), ["tim", "anna"]);
    expect(parts(known as string)).toEqual({ nonce: "abcSERVER", salt, count: 12345 });
    expect(parts(unknown as string)).toMatchObject({ nonce: "abcSERVER", count: 12345 });
    expect(parts(unknown as string).salt).toHaveLength(length);
  });

  test("an account with a password and no verifier has a stable salt as well", async () => {
    const [first, second] = await serverFirst(memoryAccounts({ tim: password }), ["tim", "tim"], {
      scramIterations: 5000,
    });
    expect(first).toBe(second);
    expect(parts(first as string).count).toBe(5000);
  });

  test("R-GEN-31 fails as a wrong password does: same code, same message, same moment", async () => {
    const stores = [memoryAccounts({ tim: password }), memoryAccounts({ tim: { authPassword: [good] } })];
    for (const accounts of stores) {
      const failures: unknown[] = [];
      for (const credentials of [
        { username: "tim", password: "wrong" },
        { username: "anna", password },
      ]) {
        const session = sessionFor(scramSha256, { accounts });
        const calls: number[] = [];
        const wire = {
          secure: true,
          initiate: (name: string, payload?: Uint8Array) => {
            calls.push(0);
            return session.initiate(name, payload);
          },
          respond: (payload: Uint8Array) => {
            calls.push(1);
            return session.respond(payload);
          },
          abort: () => session.abort(),
        };
        const error = await logIn(pairing("SCRAM-SHA-256"), wire, {}, credentials).then(
          () => undefined,
          (thrown: { code: string; message: string; detail?: string; cause?: unknown }) => thrown,
        );
        failures.push([calls, error?.code, error?.message, error?.detail, error?.cause]);
      }
      expect(failures[0]).toEqual([[0, 1], "refused", "wrong proof", undefined, undefined]);
      expect(failures[1]).toEqual(failures[0]);
    }
  });

  test("costs a derivation where accounts keep verifiers, as a known one does", async () => {
    const accounts = memoryAccounts({ tim: { authPassword: [good] } });
    const server = serverWith([plain], { accounts });
    await codeAfter(server.session(connection), "PLAIN", [right]);
    const took = async (message: string) => {
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 8; run++) {
        const start = performance.now();
        await codeAfter(server.session(connection), "PLAIN", [message]);
        best = Math.min(best, performance.now() - start);
      }
      return best;
    };
    const known = await took("\0tim\0wrong");
    // A derivation takes a millisecond or more; none takes next to nothing.
    expect(await took("\0anna\0wrong")).toBeGreaterThan(known / 4);
  });
});

describe("makeScramVerifier", () => {
  test("R-SCRAM-27 at least 10000 rounds and 16 random octets of salt", async () => {
    const [first, second] = [await makeScramVerifier(hashSha1, "x"), await makeScramVerifier(hashSha1, "x")];
    expect(first.iterations).toBeGreaterThanOrEqual(10_000);
    expect(first.salt).toHaveLength(16);
    expect(first.salt).not.toEqual(second.salt);
    expect(first.storedKey).toHaveLength(20);
    expect(Object.keys(first).sort()).toEqual(["hash", "iterations", "salt", "serverKey", "storedKey"]);
  });

  test("R-SCRAM-27 refuses less than what is safe", async () => {
    const misuse = [
      { iterations: 4095 },
      { iterations: Number.NaN },
      { iterations: 5000.5 },
      { salt: new Uint8Array(15) },
    ];
    for (const options of misuse) await expect(makeScramVerifier(hashSha1, "x", options)).rejects.toThrow(RangeError);
  });

  test("R-SCRAM-24 prepares the password as a stored string, unless told otherwise", async () => {
    const salt = new Uint8Array(16);
    const keys = async (text: string, prepare?: "none") =>
      (await makeScramVerifier(hashSha256, text, { salt, iterations: 4096, prepare })).storedKey;
    expect(await keys("I\u00adX")).toEqual(await keys("\u2168"));
    expect(await keys("I\u00adX", "none")).not.toEqual(await keys("IX", "none"));
    await expect(keys("a\x07")).rejects.toMatchObject({ code: "malformed-message" });
    await expect(keys("\u00ad")).rejects.toMatchObject({ code: "malformed-message" });
    await expect(keys("\u0221")).rejects.toMatchObject({ code: "malformed-message" }); // unassigned in Unicode 3.2
    await expect(makeScramVerifier(hashSha512, "\ud800")).rejects.toMatchObject({ code: "incorrect-encoding" });
  });
});
