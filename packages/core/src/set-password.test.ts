import { describe, expect, test } from "vitest";
import type { AccountProperties, AccountStore, HashingScheme } from "./accounts.js";
import { authenticate } from "./authenticate.js";
import { defineMechanism } from "./mechanism.js";
import {
  cramMd5,
  hashedTokens,
  oauthbearer,
  PLAIN,
  plain,
  SCRAM,
  scramSha1,
  scramSha256,
  scramSha256Plus,
} from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { SASLServer } from "./server.js";
import { passwordChange, setPassword } from "./set-password.js";

const scheme: HashingScheme = {
  name: "reversed",
  recognizes: (stored) => stored.startsWith("$rev$"),
  verify: (password, stored) => stored === `$rev$${[...password].reverse().join("")}`,
  hash: (password) => `$rev$${[...password].reverse().join("")}`,
};
const hashes = (changes: AccountProperties) => changes.authPassword?.map(({ hash }) => hash);

describe("passwordChange", () => {
  test("one verifier for each hash, shared by the variant with channel binding; nothing for PLAIN beside them", async () => {
    const mechanisms = [plain, scramSha256, scramSha256Plus, scramSha1];
    const { changes, unserved } = await passwordChange("secret", { mechanisms, scheme, iterations: 4096 });
    expect(hashes(changes)).toEqual(["SHA-256", "SHA-1"]);
    expect(changes).toMatchObject({ userPassword: undefined, passwordHash: undefined });
    expect(Object.keys(changes)).toEqual(expect.arrayContaining(["userPassword", "passwordHash"])); // removed
    expect(unserved).toEqual([]);
  });

  test("a hash where PLAIN has nothing else", async () => {
    const { changes } = await passwordChange("secret", { mechanisms: [plain], scheme });
    expect(changes).toEqual({ userPassword: undefined, authPassword: undefined, passwordHash: ["$rev$terces"] });
  });

  test("the password itself only where that was asked for; mechanisms that need it are named otherwise", async () => {
    const mechanisms = [cramMd5, scramSha256, oauthbearer];
    const without = await passwordChange("secret", { mechanisms, iterations: 4096 });
    expect(without.changes.userPassword).toBeUndefined();
    expect(without.unserved).toEqual(["CRAM-MD5"]);
    const with_ = await passwordChange("secret", { mechanisms, iterations: 4096, plaintext: true });
    expect(with_.changes.userPassword).toBe("secret");
    expect(hashes(with_.changes)).toEqual(["SHA-256"]);
    expect(with_.unserved).toEqual([]);
  });

  test("no password any more: every secret goes, and so does what a plug-in kept", async () => {
    const own = defineMechanism({
      ...plain,
      name: "X-OWN",
      ownSecrets: ["xOwn"],
      setPassword: () => ({ xOwn: "kept" }),
    });
    const { changes } = await passwordChange(undefined, { mechanisms: [scramSha256, own] });
    const passwords = { userPassword: undefined, authPassword: undefined, passwordHash: undefined };
    const gone = { ...passwords, hashedTokens: undefined, xOwn: undefined };
    expect(changes).toStrictEqual(gone);
  });

  test.each([
    ["", "malformed-message"],
    ["a\0b", "malformed-message"],
    ["\u0007", "malformed-message"],
    ["\u0221", "malformed-message"], // not assigned in Unicode 3.2
  ])("refuses %j", async (password, code) => {
    await expect(passwordChange(password, { mechanisms: [plain], scheme })).rejects.toMatchObject({ code });
  });

  test("an empty password is refused without preparation, too", async () => {
    await expect(passwordChange("", { mechanisms: [plain], scheme, prepare: "none" })).rejects.toMatchObject({
      code: "malformed-message",
    });
  });

  test("too few iterations are a mistake", async () => {
    await expect(passwordChange("x", { mechanisms: [scramSha256], iterations: 4095 })).rejects.toThrow(RangeError);
  });
});

describe("setPassword", () => {
  test("R-FAST-12 R-HT-04 tokens go with the password, also where their mechanisms are not named", async () => {
    for (const password of ["new", undefined]) {
      const accounts = memoryAccounts({ tim: "old" });
      const tokens = hashedTokens({ accounts });
      await tokens.issue("tim", { mechanism: "HT-SHA-256-NONE" });
      expect(await tokens.list("tim")).toHaveLength(1);
      await setPassword(accounts, "tim", password, { mechanisms: [scramSha256], iterations: 4096 });
      expect(await tokens.list("tim")).toEqual([]);
    }
  });

  const mechanisms = [scramSha256, plain];
  const login = async (accounts: AccountStore, mechanism: typeof PLAIN | typeof SCRAM, password: string) => {
    const server = new SASLServer({ mechanisms, accounts, passwordSchemes: [scheme] });
    const client = mechanism({ username: "tim", password });
    return authenticate(server.session({ secure: true }), ["SCRAM-SHA-256", "PLAIN"], [client]).then(
      () => "in",
      (error: { code: string }) => error.code,
    );
  };

  test("R-STO-05 after a change the old password and everything made of it are worth nothing", async () => {
    const accounts = memoryAccounts({ tim: { userPassword: "old", passwordHash: ["$rev$dlo"], quota: 5 } });
    await setPassword(accounts, "tim", "new", { mechanisms, iterations: 4096 });
    expect(accounts.lookup("tim", [])).toMatchObject({ quota: 5 });
    for (const mechanism of [PLAIN, SCRAM]) {
      expect(await login(accounts, mechanism, "old")).toBe("refused");
      expect(await login(accounts, mechanism, "new")).toBe("in");
    }
  });

  test("one call writes all of it", async () => {
    const written: AccountProperties[] = [];
    const accounts: AccountStore = {
      lookup: () => undefined,
      store: (_, changes) => written.push(changes) > 0,
    };
    await setPassword(accounts, "tim", "new", { mechanisms: [scramSha1, scramSha256, cramMd5], iterations: 4096 });
    expect(written).toHaveLength(1);
  });

  test("R-STO-06 an account that must be new and is not stays as it is", async () => {
    const accounts = memoryAccounts({ tim: "old" });
    expect(await setPassword(accounts, "tim", "new", { mechanisms, iterations: 4096 }, null)).toBeUndefined();
    expect(accounts.lookup("tim", [])).toEqual({ userPassword: "old" });
  });

  test.each<[why: string, accounts: AccountStore, code: string]>([
    ["a store that cannot write", { lookup: () => undefined }, "mechanism-unsupported"],
    ["nothing that could be stored", memoryAccounts({ tim: "old" }), "no-credentials"],
  ])("%s is said", async (_, accounts, code) => {
    // OAUTHBEARER works without a password, and is no reason to take it away.
    const mechanisms = [cramMd5, oauthbearer];
    await expect(setPassword(accounts, "tim", "new", { mechanisms })).rejects.toMatchObject({ code });
    if (code === "no-credentials") expect(accounts.lookup("tim", [])).toEqual({ userPassword: "old" });
  });
});

describe("autoTransition", () => {
  const serverWith = (accounts: AccountStore, faults: unknown[] = []) =>
    new SASLServer({
      mechanisms: [scramSha256, scramSha1, plain],
      accounts,
      passwordSchemes: [scheme],
      autoTransition: true,
      scramIterations: 4096,
      onFault: (error) => faults.push(error),
    });
  const loginTo = (server: SASLServer, mechanism: typeof PLAIN | typeof SCRAM, password = "secret") =>
    authenticate(
      server.session({ secure: true }),
      ["SCRAM-SHA-256", "PLAIN"],
      [mechanism({ username: "tim", password })],
    );
  const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

  test("after a login that showed the password the account has what was missing, and SCRAM works", async () => {
    const accounts = memoryAccounts({ tim: { passwordHash: ["$rev$terces"], quota: 5 } });
    const server = serverWith(accounts);
    await expect(loginTo(server, SCRAM)).rejects.toMatchObject({ code: "refused" });
    await loginTo(server, PLAIN);
    await expect.poll(() => hashes(accounts.lookup("tim", []) as AccountProperties)).toEqual(["SHA-256", "SHA-1"]);
    expect(accounts.lookup("tim", [])).toMatchObject({ quota: 5, passwordHash: ["$rev$terces"] });
    await loginTo(server, SCRAM);
  });

  test("a wrong password writes nothing, and nor does an account that has everything", async () => {
    const writes: unknown[] = [];
    const { changes } = await passwordChange("secret", { mechanisms: [scramSha256, scramSha1], iterations: 4096 });
    const accounts = { lookup: () => changes, store: (name: string) => writes.push(name) > 0 };
    const server = serverWith(accounts);
    await loginTo(server, PLAIN);
    await expect(loginTo(server, PLAIN, "wrong")).rejects.toMatchObject({ code: "refused" });
    await settled();
    expect(writes).toEqual([]);
  });

  test("R-STO-06 a password that was changed meanwhile is not brought back", async () => {
    const inner = memoryAccounts({ tim: { passwordHash: ["$rev$terces"] } });
    let changed = false;
    const accounts: AccountStore = {
      ...inner,
      lookup: (name, requests) => inner.lookup(name, requests),
      store(name, changes, expected) {
        inner.store(name, { passwordHash: ["$rev$wen"] }); // somebody was faster
        changed = true;
        return inner.store(name, changes, expected);
      },
    };
    await loginTo(serverWith(accounts), PLAIN);
    await expect.poll(() => changed).toBe(true);
    expect(inner.lookup("tim", [])).toEqual({ passwordHash: ["$rev$wen"] });
  });

  test("where the store judged the password itself nothing is kept that could contradict it", async () => {
    const writes: unknown[] = [];
    const accounts: AccountStore = {
      lookup: () => ({}),
      checkPassword: (_, password) => password === "secret",
      store: (name) => writes.push(name) > 0,
    };
    await loginTo(serverWith(accounts), PLAIN);
    await settled();
    expect(writes).toEqual([]);
  });

  test("a record that changes under the login does not bring the old password back", async () => {
    const row = { passwordHash: ["$rev$terces"] };
    const expected: unknown[] = [];
    const accounts: AccountStore = {
      lookup: () => row,
      store(_, __, wanted) {
        expected.push(wanted?.passwordHash);
        return false;
      },
    };
    const server = new SASLServer({
      mechanisms: [scramSha256, plain],
      accounts,
      autoTransition: true,
      passwordSchemes: [
        {
          ...scheme,
          verify(password, stored) {
            row.passwordHash = ["$rev$wen"];
            return scheme.verify(password, stored);
          },
        },
      ],
    });
    await loginTo(server, PLAIN);
    await expect.poll(() => expected).toEqual([["$rev$terces"]]);
  });

  test("a derivation that fails changes nothing at all, and the login stands", async () => {
    const writes: unknown[] = [];
    const faults: unknown[] = [];
    const accounts: AccountStore = {
      lookup: () => ({ passwordHash: ["$rev$terces"] }),
      store: (name) => writes.push(name) > 0,
    };
    const broken = defineMechanism({
      ...scramSha1,
      setPassword: () => {
        throw new Error("no entropy");
      },
    });
    const server = new SASLServer({
      mechanisms: [scramSha256, broken, plain],
      accounts,
      passwordSchemes: [scheme],
      autoTransition: true,
      onFault: (error) => faults.push(error),
    });
    await loginTo(server, PLAIN);
    await expect.poll(() => faults).toEqual([expect.objectContaining({ message: "no entropy" })]);
    expect(writes).toEqual([]);
  });
});
