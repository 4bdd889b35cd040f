import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeDirectory, LDAP, result } from "../test/fake-directory.js";
import { ldapAccounts } from "./index.js";

const folder = fileURLToPath(new URL("../../core/test/certificates/", import.meta.url));
const cert = readFileSync(`${folder}ecdsa-sha256.cert.pem`, "utf8"); // for localhost
const key = readFileSync(`${folder}ec-p256.key.pem`, "utf8");
const other = readFileSync(`${folder}ed25519.cert.pem`, "utf8");
const base = "dc=example";
const alice = { dn: `uid=alice,${base}`, password: "x", attributes: { uid: ["alice"] } };
const temporary = { kind: "SASLFailure", code: "temporary" };

describe("StartTLS", () => {
  let directory: FakeDirectory;
  beforeEach(async () => {
    directory = new FakeDirectory([alice], { cert, key });
    await directory.start();
  });
  afterEach(() => directory.stop());
  const url = (): string => `ldap://localhost:${directory.port}/${base}`;

  test("comes first, and everything else after it", async () => {
    const store = ldapAccounts({ url: `${url()}????x-starttls`, tls: { ca: cert } });
    expect(await store.checkPassword?.("alice", "x")).toBe(true);
    expect(await store.checkPassword?.("alice", "y")).toBe(false);
    expect(directory.requests.map(({ type }) => type)).toEqual([
      "extended",
      "search",
      "extended",
      "bind",
      "search",
      "bind",
    ]);
    await store.close?.();
    await expect.poll(() => directory.sockets.size).toBe(0);
  });

  const untrusted: readonly [why: string, tls: object][] = [
    ["an authority nobody trusts", {}],
    ["another authority", { ca: other }],
    ["another name", { ca: cert, servername: "ldap.example.org" }],
  ];
  for (const [why, tls] of untrusted) {
    test(`R-STO-04 a certificate by ${why}: nothing is sent, and no connection is left`, async () => {
      const store = ldapAccounts({ url: url(), starttls: true, tls, connectTimeoutMs: 10_000 });
      await expect(store.checkPassword?.("alice", "x")).rejects.toMatchObject(temporary);
      expect(directory.requests.map(({ type }) => type)).toEqual(["extended"]);
      await expect.poll(() => directory.sockets.size).toBe(0);
      await store.close?.();
    });
  }

  const faults: readonly [why: string, answer: (id: number, socket: Socket) => readonly Buffer[]][] = [
    ["refused", (id) => [result(id, LDAP.extended, 2)]],
    ["not answered", () => []],
    ["answered, and nothing follows", (id) => [result(id, LDAP.extended, 0)]],
    // A bind that would succeed, sent in clear by somebody in between.
    ["answered with more behind it", (id) => [Buffer.concat([result(id, LDAP.extended, 0), result(2, LDAP.bind, 0)])]],
    [
      "answered with the beginning of more",
      (id) => [Buffer.concat([result(id, LDAP.extended, 0), Buffer.from([0x30])])],
    ],
    ["answered with noise behind it", (id) => [result(id, LDAP.extended, 0), Buffer.from("noise")]],
    [
      "answered by an end",
      (id, socket) => {
        socket.end(result(id, LDAP.extended, 0));
        return [];
      },
    ],
  ];
  for (const [why, answer] of faults) {
    test(`R-STO-04 ${why}: nothing is sent in clear`, async () => {
      directory.script = ({ id, type }, socket) => (type === "extended" ? answer(id, socket) : undefined);
      const store = ldapAccounts({ url: url(), starttls: true, tls: { ca: cert }, connectTimeoutMs: 1000 });
      await expect(store.checkPassword?.("alice", "x")).rejects.toMatchObject(temporary);
      expect(directory.requests.map(({ type }) => type)).toEqual(["extended"]);
      await expect.poll(() => directory.sockets.size).toBe(0);
      await store.close?.();
    });
  }
});

describe("ldaps: and ldapi:", () => {
  let directory: FakeDirectory;
  let server: Server;
  beforeEach(async () => {
    directory = new FakeDirectory([alice]);
    await directory.start();
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await directory.stop();
  });
  const listen = (where: { path: string } | { port: number }): Promise<void> =>
    new Promise((resolve) => server.listen({ ...where, ...("port" in where ? { host: "localhost" } : {}) }, resolve));

  test("TLS from the start", async () => {
    server = createTlsServer({ cert, key }, (socket) => directory.serve(socket));
    await listen({ port: 0 });
    const url = `ldaps://localhost:${(server.address() as AddressInfo).port}/${base}`;
    const store = ldapAccounts({ url, tls: { ca: cert } });
    expect(await store.checkPassword?.("alice", "x")).toBe(true);
    await store.close?.();
    const fromFile = ldapAccounts(`${url}????x-ca-file=${encodeURIComponent(`${folder}ecdsa-sha256.cert.pem`)}`);
    expect(await fromFile.lookup("alice", ["uid"])).toEqual({ uid: "alice" });
    await fromFile.close?.();
    const untrusting = ldapAccounts({ url });
    await expect(untrusting.lookup("alice", [])).rejects.toMatchObject(temporary);
    await untrusting.close?.();
  });

  test("a socket of this machine", async () => {
    server = createServer((socket) => directory.serve(socket));
    const path = join(tmpdir(), `ldapi-${process.pid}`);
    await listen({ path });
    const store = ldapAccounts(`ldapi://${encodeURIComponent(path)}/${base}`);
    expect(await store.checkPassword?.("alice", "x")).toBe(true);
    await store.close?.();
  });
});
