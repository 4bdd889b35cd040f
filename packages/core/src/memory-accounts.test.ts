import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { memoryAccounts } from "./memory-accounts.js";

describe("memoryAccounts", () => {
  test("holds a password, or properties", async () => {
    const accounts = memoryAccounts({ tim: "secret", anna: { userPassword: "x", disabled: true } });
    expect(await accounts.lookup("tim", [])).toEqual({ userPassword: "secret" });
    expect(await accounts.lookup("anna", [])).toEqual({ userPassword: "x", disabled: true });
    expect(await accounts.lookup("TIM", [])).toBeUndefined();
    expect([...accounts.list()].sort()).toEqual(["anna", "tim"]);
  });

  test("writes, changes and removes", async () => {
    const accounts = memoryAccounts();
    accounts.store("tim", { userPassword: "secret", mail: "tim@example.com" });
    accounts.store("tim", { userPassword: undefined });
    expect(await accounts.lookup("tim", [])).toEqual({ mail: "tim@example.com" });
    expect(accounts.remove("tim")).toBe(true);
    expect(accounts.remove("tim")).toBe(false);
    expect(await accounts.lookup("tim", [])).toBeUndefined();
  });

  test("R-LIM-04 has nobody under the names every object inherits", async () => {
    const accounts = memoryAccounts({ tim: "secret" });
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(await accounts.lookup(name, [])).toBeUndefined();
    }
    accounts.store("__proto__", { userPassword: "x" });
    expect(await accounts.lookup("__proto__", [])).toEqual({ userPassword: "x" });
    expect(await accounts.lookup("tim", [])).toEqual({ userPassword: "secret" });
    expect(Object.prototype).not.toHaveProperty("userPassword");
  });

  test("does not see later changes of what it was given", async () => {
    const given = { userPassword: "secret" };
    const accounts = memoryAccounts({ tim: given });
    given.userPassword = "changed";
    expect(await accounts.lookup("tim", [])).toEqual({ userPassword: "secret" });
  });

  test("R-GEN-30 shows no password", () => {
    const accounts = memoryAccounts({ tim: "tanstaaf" });
    expect(inspect(accounts, { depth: null, showHidden: true, getters: true })).not.toContain("tanstaaf");
    expect(JSON.stringify(accounts)).not.toContain("tanstaaf");
  });
});
