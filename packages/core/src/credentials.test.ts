import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { codeOf } from "../test/support.js";
import {
  type CredentialKind,
  type CredentialProvider,
  type CredentialRequest,
  type Credentials,
  missing,
  provide,
} from "./credentials.js";

const keys = {
  hash: "SHA-256",
  salt: new Uint8Array(1),
  iterations: 1,
  clientKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
};
const request = (kind: CredentialKind): CredentialRequest => ({
  kind,
  mechanism: "X",
  host: undefined,
  signal: undefined,
});

const rows: readonly [kind: CredentialKind, given: Credentials, enough: boolean][] = [
  ["password", { username: "tim", password: "x" }, true],
  ["password", { username: "tim" }, false],
  ["password", { password: "x" }, false],
  ["password", { username: "tim", password: undefined }, false],
  ["scram", { username: "tim", password: "x" }, true],
  ["scram", { username: "tim", keys }, true],
  ["scram", { username: "tim" }, false],
  ["scram", { keys, password: "x" }, false],
  ["token", { token: "x" }, true],
  ["token", { username: "tim", password: "x" }, false],
  ["trace", {}, true],
  ["identity", {}, true],
];

describe.each(rows)("%s from %o: %s", (kind, given, enough) => {
  const providers: readonly [how: string, provider: CredentialProvider][] = [
    ["a plain object", given],
    ["a function", () => given],
    ["a function that answers later", async () => given],
    ["a promise of another realm", () => runInNewContext("Promise.resolve(given)", { given }) as Promise<Credentials>],
  ];
  test.each(providers)("by %s", async (_, provider) => {
    const asked = async () => provide(provider, request(kind), { needs: kind });
    if (enough) expect(await asked()).toBe(given);
    else expect(await codeOf(asked())).toBe("no-credentials");
  });

  test("known beforehand", () => {
    expect(missing(given, { needs: kind })).toBe(enough ? undefined : `the credentials hold no ${kind}`);
  });
});

test("a provider may refuse", async () => {
  for (const provider of [() => undefined, async () => undefined]) {
    expect(await codeOf((async () => provide(provider, request("token"), { needs: "token" }))())).toBe(
      "no-credentials",
    );
  }
});

test("a provider is asked once, for one kind, by name", async () => {
  const provider = vi.fn(() => ({ token: "x" }));
  await provide(provider, request("token"), { needs: "token" });
  expect(provider.mock.calls).toEqual([[request("token")]]);
});

test("R-GEN-30 a failure does not repeat what was given", async () => {
  const asked = async () => provide({ password: "tanstaaftanstaaf" }, request("password"), { needs: "password" });
  await expect(asked()).rejects.toThrow(expect.not.stringContaining("tanstaaf") as never);
});

test("R-PLAIN-05 acting as somebody else needs a mechanism that can say so", async () => {
  const given = { username: "tim", password: "x", authzid: "ursel" };
  expect(missing(given, { needs: "password" })).toBe("it cannot act as somebody else");
  expect(missing(given, { needs: "password", authzid: true })).toBeUndefined();
  expect(await codeOf(provide(() => given, request("password"), { needs: "password" }))).toBe("no-credentials");
});

test("a provider that fails is a temporary fault, with its cause", async () => {
  const cause = new TypeError("fetch failed");
  const failing = provide(() => Promise.reject(cause), request("token"), { needs: "token" });
  await expect(failing).rejects.toMatchObject({ code: "temporary", cause });
});
