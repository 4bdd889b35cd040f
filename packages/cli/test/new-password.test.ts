/** What a new password takes along: every secret made of the old one, and the tokens given for it. */

import { readFileSync } from "node:fs";
import { fileAccounts } from "sasl-store-file";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer } from "../src/server/index.js";
import { Folder, password, type Run, sasl } from "./support.js";

const folder = new Folder();
const [first, second] = [folder.file("first", password), folder.file("second", "some other words")] as const;
const path = `${folder.path}/users`;
const tokens = `${folder.path}/tokens`;
let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    ports: { xmpps: 0 },
    accounts: await fileAccounts(path, { create: true, checkIntervalMs: 0 }),
  });
});
afterAll(async () => {
  await server?.close();
  folder.remove();
});

const user = (...argv: string[]): Promise<Run> => sasl(["user", ...argv, "--store", `file:${path}`]);
const set = (command: "add" | "passwd", file: string, ...more: string[]): Promise<Run> =>
  user(command, "alice", "--password-file", file, "--iterations", "4096", ...more);
const held = (): string => readFileSync(path, "utf8");

function login(file: string): Promise<Run> {
  const url = `xmpps://alice@localhost:${server.ports.xmpps}`;
  const secrets = ["--password-file", file, "--fast-token-file", tokens];
  return sasl(["login", url, "--ca", server.ca, "--json", ...secrets]);
}

async function getToken(file: string): Promise<void> {
  const { json } = await login(file);
  expect(json.fast).toMatchObject({ issued: true });
  expect(held()).toContain("hashedTokens");
}

test("passwd ends the sessions of the old password, and whatever other mechanisms made of it", async () => {
  await set("add", first);
  await getToken(first);
  await set("passwd", second);
  expect(held()).not.toContain("hashedTokens");
  expect((await login(first)).json.error.code).toBe("refused");
  await set("passwd", first, "--mechanisms", "SRP,OTP");
  expect(held()).toMatch(/srp/i);
  expect(held()).toMatch(/otp/i);
  await set("passwd", second);
  expect(held()).not.toMatch(/srp|otp/i);
});

test("so does import --replace", async () => {
  await set("passwd", first);
  const { stdout } = await user("export", "alice", "--format", "postgresql");
  await getToken(first);
  const file = folder.file("moved", stdout);
  expect((await user("import", file, "--format", "postgresql", "--replace")).code).toBe(0);
  expect(held()).not.toContain("hashedTokens");
});
