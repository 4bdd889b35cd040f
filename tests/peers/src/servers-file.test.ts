import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { endpointOf } from "./servers.js";
import { readServers } from "./servers-file.js";

const folder = mkdtempSync(join(tmpdir(), "servers-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(content: unknown): ReturnType<typeof readServers> {
  const file = join(folder, "servers.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return readServers(file);
}

const entry = { server: "dovecot", host: "127.0.0.1", ca: "ca.pem", ports: { imap: 143 } };

describe("the file of servers", () => {
  test("reads the example", () => {
    const servers = readServers(fileURLToPath(new URL("../servers.example.json", import.meta.url)));
    expect(servers.map(({ kind }) => kind)).toEqual(["dovecot", "postfix", "prosody13"]);
    expect(servers[0]?.certificates.get("alice")?.cert).toMatch(/\/peers\/client-alice\.pem$/);
  });

  test("makes endpoints of the ports named, and none of others", () => {
    const [server] = read({ servers: [entry] });
    if (server === undefined) throw new Error("no server");
    expect(endpointOf(server, "imap", "imap", "starttls")).toEqual({
      server: "dovecot",
      protocol: "imap",
      channel: "starttls",
      host: "127.0.0.1",
      port: 143,
      ca: join(folder, "ca.pem"),
      domain: "localhost",
      plus: "none",
    });
    expect(endpointOf(server, "imaps", "imap", "implicit")).toBeUndefined();
  });

  const malformed: readonly [why: string, content: unknown, message: RegExp][] = [
    ["no JSON", "{", /servers\.json: /],
    ["no list", { servers: {} }, /"servers" must be a list/],
    ["an entry that is no object", { servers: [1] }, /servers\[0\] must be an object/],
    ["an unknown kind", { servers: [entry, { ...entry, server: "exim" }] }, /servers\[1\]: "server" must be one of/],
    ["no host", { servers: [{ ...entry, host: undefined }] }, /"host" must be a text/],
    ["no authority", { servers: [{ ...entry, ca: "" }] }, /"ca" must be a text/],
    ["no ports", { servers: [{ ...entry, ports: undefined }] }, /"ports" must be an object/],
    ["a port out of range", { servers: [{ ...entry, ports: { imap: 65_536 } }] }, /port imap is no port/],
    [
      "a certificate without a key",
      { servers: [{ ...entry, certificates: { alice: { cert: "a" } } }] },
      /"key" of certificate alice/,
    ],
    ["a token that is no text", { servers: [{ ...entry, tokens: { HS256: 1 } }] }, /token HS256 must be a text/],
  ];
  for (const [why, content, message] of malformed) {
    test(`refuses ${why}`, () => {
      expect(() => read(content)).toThrow(message);
    });
  }

  test("R-LIM-04 takes names such as __proto__ as names", () => {
    const [server] = read(
      `{"servers":[{"server":"postfix","host":"h","ca":"c","ports":{"__proto__":25,"submission":587}}]}`,
    );
    expect(server?.ports.get("submission")).toBe(587);
    expect(server?.ports.get("__proto__")).toBe(25);
  });
});
