import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { saslPlugin } from "./index.js";
import { pathOfFileUrl } from "./plugin.js";

const paths: readonly [url: string, path: string | undefined][] = [
  ["file:users", "users"],
  ["FILE:users", "users"],
  ["file:./a b/users", "./a b/users"],
  ["file:../users", "../users"],
  ["file:/etc/users", "/etc/users"],
  ["file:100%", "100%"],
  ["file:a%20b?c#d", "a%20b?c#d"],
  ["file:///etc/users", "/etc/users"],
  ["file:///a%20b", "/a b"],
  ["file://localhost/etc/users", "/etc/users"],
  ["file:", undefined],
  ["file:a\0b", undefined],
  ["file://elsewhere/etc/users", undefined],
  ["file:///etc/users?mode=x", undefined],
  ["file:///etc/users#x", undefined],
  ["file:///a%2fb", undefined],
  ["file:///a%00b", undefined],
  ["sqlite:users", undefined],
  ["users", undefined],
];
for (const [url, path] of paths) {
  test(`${JSON.stringify(url)} is ${path ?? "refused"}`, () => {
    if (path === undefined) expect(() => pathOfFileUrl(url)).toThrow(TypeError);
    else expect(pathOfFileUrl(url)).toBe(path);
  });
}

test("the plug-in opens what is there and creates nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sasl-store-file-"));
  const path = join(folder, "users");
  const plugin = saslPlugin.stores?.[0];
  await expect(plugin?.open(`file:${path}`)).rejects.toMatchObject({
    code: "temporary",
    message: expect.stringContaining(path),
  });
  await writeFile(path, "alice:{PLAIN}a\n");
  const store = await plugin?.open(pathToFileURL(path).href);
  expect({ ...(await store?.lookup("alice", [])) }).toEqual({ userPassword: "a" });
  await store?.close?.();
  await rm(folder, { recursive: true });
});
