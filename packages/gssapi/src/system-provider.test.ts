import { authenticate, memoryAccounts, SASLServer, SASLStateMachine } from "sasl-core";
import { GSSAPI, type GssProvider, gssapiMechanism, krb5Oid } from "sasl-core/mechanisms";
import { isMechanism } from "sasl-core/plugin";
import { expect, test } from "vitest";
import * as entry from "./index.js";
import { libraryProvider } from "./library-provider.js";
import { oidContent, oidText } from "./oid.js";
import { systemProvider } from "./system-provider.js";

const absent = (): GssProvider => {
  throw new Error("it is not installed");
};
const connection = { secure: false, layers: true };

test("all four mechanisms are here, with both halves", () => {
  const mechanisms = Object.values(entry as Record<string, unknown>).filter(isMechanism);
  expect(mechanisms.map(({ name }) => name).sort()).toEqual(["GS2-KRB5", "GS2-KRB5-PLUS", "GSS-SPNEGO", "GSSAPI"]);
  for (const { client, server } of mechanisms) expect([typeof client, typeof server]).toEqual(["function", "function"]);
});

test("R-GSS-02 where nothing can be loaded servers offer nothing, and clients try something else", async () => {
  const provider = systemProvider([absent, absent]);
  const server = new SASLServer({ mechanisms: [gssapiMechanism({ provider })], accounts: memoryAccounts({}) });
  expect(server.mechanisms(connection)).toEqual([]);
  const settings = { service: "imap", host: "localhost" };
  const client = GSSAPI({ provider });
  const login = client.authenticate(new SASLStateMachine(server.session(connection)), "GSSAPI", settings);
  await expect(login).rejects.toMatchObject({ code: "no-credentials" });
  const chosen = authenticate(server.session(connection), ["GSSAPI"], [client], settings);
  await expect(chosen).rejects.toMatchObject({ code: "no-credentials" });
  expect(() => provider.accept({ mechanism: krb5Oid })).toThrow(expect.objectContaining({ code: "temporary" }));
});

test("the first that can be loaded is taken, once and when it is needed", () => {
  const loaded: string[] = [];
  const maker = (name: string, found?: GssProvider) => () => {
    loaded.push(name);
    return found ?? absent();
  };
  const second = { ...systemProvider([absent]), bindsChannels: false, protectsData: false, canAccept: () => true };
  const provider = systemProvider([maker("one"), maker("two", second), maker("three")]);
  expect(loaded).toEqual([]);
  expect([provider.canAccept(krb5Oid), provider.bindsChannels, provider.protectsData]).toEqual([true, false, false]);
  expect(loaded).toEqual(["one", "two"]);
});

test("a library that is not there is no provider", () => {
  expect(() => libraryProvider({ library: "libno-such-gssapi.so.99" })).toThrow();
});

test("OIDs", () => {
  for (const [oid, hex] of [
    [krb5Oid, "2a864886f712010202"],
    ["1.3.6.1.5.5.2", "2b0601050502"],
    ["1.2.752.43.13.29", "2a85702b0d1d"],
  ] as const) {
    expect(Buffer.from(oidContent(oid)).toString("hex")).toBe(hex);
    expect(oidText(oidContent(oid))).toBe(oid);
  }
});
