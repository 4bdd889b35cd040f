import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { passwdFileFormat } from "sasl-formats";
import { afterAll, describe, expect, test, vi } from "vitest";
import { Folder, password, sasl, serveAll } from "./support.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const all = Array.from(readme.matchAll(/^```(\w*)\n(.*?)^```$/gms), ([, language, code]) => ({ language, code }));
const blocks = (language: string): string[] =>
  all.filter((block) => block.language === language).map(({ code }) => code as string);

const programs = fileURLToPath(new URL("../node_modules/.readme/", import.meta.url));
const folder = new Folder();
afterAll(() => {
  rmSync(programs, { recursive: true, force: true });
  folder.remove();
});

describe("README", () => {
  test("its program runs as it stands", async () => {
    const [program] = blocks("ts");
    mkdirSync(programs, { recursive: true });
    const file = `${programs}program.ts`;
    writeFileSync(file, program as string);
    const said: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((...words) => void said.push(words.join(" ")));
    const out = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      await import(/* @vite-ignore */ file);
      expect(said).toEqual(["server: imap SCRAM-SHA3-512-PLUS true", "client: 0"]);
      expect(out).toHaveBeenCalledWith(expect.stringMatching(/^logged in to imap:.*as alice/));
    } finally {
      log.mockRestore();
      out.mockRestore();
    }
  });

  const commands = ["sh", ""]
    .flatMap(blocks)
    .flatMap((block) => block.trimEnd().split("\n"))
    .filter((line) => line.startsWith("sasl "));
  for (const line of commands) {
    test(`${line}: every word of it is understood`, async () => {
      const [, ...words] = line.split(" ");
      const command = words.slice(0, words[0] === "user" ? 2 : 1);
      const { stdout } = await sasl([...command, "--help"]);
      expect(stdout).toMatch(new RegExp(`^Usage: sasl ${command.join(" ")} `));
      for (const word of words) if (word.startsWith("--")) expect(stdout).toContain(`${word} `);
    });
  }

  test("every option it names exists", async () => {
    const user = ["add", "passwd", "remove", "totp", "list", "check", "export", "import"].map((name) => ["user", name]);
    const commands = [["login"], ["probe"], ["mechanisms"], ["serve"], ...user];
    const helps = await Promise.all(commands.map((command) => sasl([...command, "--help"])));
    const help = helps.map(({ stdout }) => stdout).join("\n");
    const known = new Set([...help.matchAll(/--[a-z-]+/g), ["--global"]].map(([option]) => option));
    for (const [option] of readme.matchAll(/--[a-z-]+[a-z]/g)) expect(known).toContain(option);
  });

  test("its passwd-file is one", () => {
    const text = blocks("").find((block) => block.startsWith("alice:")) as string;
    const accounts = [...passwdFileFormat.parse(text)];
    expect(accounts.map(({ fault, ...account }) => fault ?? ("name" in account && account.name))).toEqual([
      "alice",
      "user",
    ]);
  });

  test("its JSON object has the fields of a real one", async () => {
    const server = await serveAll();
    const argv = ["login", `imap://alice@localhost:${server.ports.imap}`, "--ca", server.ca, "--json"];
    const { json } = await sasl([...argv, "--password-file", folder.file("password", password)]);
    await server.close();
    expect(Object.keys(JSON.parse(blocks("json")[0] as string))).toEqual(Object.keys(json));
  });
});
