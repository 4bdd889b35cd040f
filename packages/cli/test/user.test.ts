import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { PassThrough } from "node:stream";
import { accountFormats } from "sasl-formats";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { main } from "../src/main.js";
import { Collector, Folder, type Run, sasl } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());
const words = "correct horse battery staple";
const passwordFile = folder.file("password", `${words}\n`);

let count = 0;
let users: string;
let store: string[];
beforeEach(() => {
  users = `${folder.path}/users${++count}`;
  store = ["--store", `file:${users}`];
});

const user = (...argv: string[]): Promise<Run> => sasl(["user", ...argv, ...store]);
const add = (name: string, ...more: string[]): Promise<Run> =>
  user("add", name, "--password-file", passwordFile, "--iterations", "4096", ...more);
const right = (name: string): Promise<Run> => user("check", name, "--json", "--password-file", passwordFile);
const lines = (text: string): string[] => text.trimEnd().split("\n");

/** Writes a file that others may not read, as stores want it. */
function accountsFile(text: string): void {
  folder.file(users.slice(folder.path.length + 1), text);
  chmodSync(users, 0o600);
}

describe("sasl user add", () => {
  test("makes verifiers for two hashes, no password, and the file they are in", async () => {
    const { code, stdout, stderr } = await add("alice");
    expect(stdout).toBe(
      "added alice: a verifier for SCRAM-SHA-512 (4096 iterations), a verifier for SCRAM-SHA-256 (4096 iterations)\n",
    );
    expect(stderr).toBe(`sasl user: made the file ${users}\n`);
    expect(code).toBe(0);
    expect(statSync(users).mode & 0o777).toBe(0o600);
    expect(readFileSync(users, "utf8")).not.toContain(words);
    const { json } = await right("alice");
    expect(json).toEqual({ ok: true, name: "alice", mechanisms: expect.any(Array), totp: false });
    const scram = ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
    expect(json.mechanisms.sort()).toEqual([...scram, "PLAIN", "LOGIN"].sort());
  });

  const kept: readonly [options: string[], json: object, mechanisms: string[]][] = [
    [
      ["--mechanisms", "scram-sha-1"],
      { properties: ["authPassword"], scramHashes: ["SHA-1"] },
      ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"],
    ],
    [["--mechanisms", "PLAIN"], { properties: ["passwordHash"], scramHashes: [] }, ["PLAIN", "LOGIN"]],
    [
      ["--mechanisms", "PLAIN,SCRAM-SHA-256-PLUS,SCRAM-SHA-256"],
      { properties: ["authPassword"], scramHashes: ["SHA-256"] },
      ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"],
    ],
  ];
  for (const [options, json, mechanisms] of kept) {
    test(`stores what is needed for ${options[1]}, and no more`, async () => {
      expect((await add("alice", "--json", ...options)).json).toEqual({ ok: true, name: "alice", ...json });
      expect((await right("alice")).json.mechanisms).toEqual(mechanisms);
    });
  }

  test("--plaintext stores the password itself, and says what that means", async () => {
    const { json, stderr } = await add("alice", "--plaintext", "--json");
    expect(json.properties).toContain("userPassword");
    expect(stderr).toMatch(/^sasl user add: the password itself is stored: whoever reads the store.*\n$/m);
    expect((await right("alice")).json.mechanisms).toEqual(expect.arrayContaining(["CRAM-MD5", "SCRAM-SHA3-512"]));
  });

  test("an account that is there stays as it is: exit 2", async () => {
    await add("alice", "--mechanisms", "PLAIN");
    const before = readFileSync(users, "utf8");
    const { code, json, stderr } = await user(
      "add",
      "alice",
      "--json",
      "--password-file",
      folder.file("other", "other"),
    );
    expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "account-exists" } });
    expect(stderr).toMatch(/^sasl user add: there is an account "alice" already; sasl user passwd changes/);
    expect(code).toBe(2);
    expect(readFileSync(users, "utf8")).toBe(before);
  });

  test("R-CAN-01 a name is kept as servers look it up", async () => {
    expect((await add("\u212aelvin", "--json")).json.name).toBe("Kelvin");
    expect((await add("\u212aelvin", "--json", "--prep", "none")).json.name).toBe("\u212aelvin");
    expect(lines((await user("list")).stdout).sort()).toEqual(["Kelvin", "\u212aelvin"]);
    expect((await right("\u212aelvin")).json.name).toBe("Kelvin");
  });

  test("from standard input", async () => {
    expect((await sasl(["user", "add", "alice", ...store, "--password-stdin"], { input: `${words}\n` })).code).toBe(0);
    expect((await right("alice")).code).toBe(0);
  });

  const typed: readonly [why: string, keys: string, code: number, text: RegExp][] = [
    ["twice the same", "pencil\rpencil\r", 0, /^New password of alice: \nThe same again: \nsasl user: made .*\n$/],
    ["twice not the same", "pencil\rpensil\r", 64, /the two passwords are not the same; nothing was changed\n$/],
    ["nothing", "\r", 64, /no password was given\n$/],
    ["Ctrl-D at the second", "pencil\r\u0004", 64, /no password was given\n$/],
  ];
  for (const [why, keys, code, text] of typed) {
    test(`R-GEN-30 on a terminal, without echo: ${why}`, async () => {
      const input = new PassThrough();
      input.write(keys);
      const run = await sasl(["user", "add", "alice", ...store], { input, terminal: true });
      expect(run.stderr).toMatch(text);
      expect(run.stderr + run.stdout).not.toMatch(/pen[cs]il/);
      expect(run.code).toBe(code);
      expect(existsSync(users)).toBe(code === 0);
    });
  }
});

describe("sasl user passwd, remove, list", () => {
  test("passwd replaces every secret in one step", async () => {
    await add("alice", "--plaintext");
    const { stdout } = await user(
      "passwd",
      "alice",
      "--mechanisms",
      "SCRAM-SHA-1",
      "--password-file",
      folder.file("n", "new"),
    );
    expect(stdout).toBe("changed alice: a verifier for SCRAM-SHA-1 (10000 iterations)\n");
    expect(readFileSync(users, "utf8")).not.toContain(words);
    expect((await right("alice")).code).toBe(1);
    const { json } = await user("check", "alice", "--json", "--password-file", folder.file("n", "new"));
    expect(json.mechanisms).toEqual(["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"]);
  });

  test("remove takes an account away", async () => {
    await add("alice");
    await add("bob");
    expect((await user("remove", "alice")).stdout).toBe("removed alice\n");
    expect((await user("list")).stdout).toBe("bob\n");
    expect((await user("remove", "bob", "--json")).json).toEqual({ ok: true, name: "bob" });
    expect((await user("list", "--json")).stdout).toBe('{"ok":true,"count":0}\n');
  });

  test("list --json says one object for each account, and the number at the end", async () => {
    await add("alice");
    await add("a\u202eb", "--prep", "none");
    const { stdout } = await user("list", "--json");
    expect(stdout).toContain("\\u202e");
    expect(lines(stdout).map((line) => JSON.parse(line))).toEqual([
      { name: "alice" },
      { name: "a\u202eb" },
      { ok: true, count: 2 },
    ]);
    expect((await user("list")).stdout).toBe("alice\na b\n");
  });

  test("list waits for a reader that is slow", async () => {
    accountsFile(Array.from({ length: 5000 }, (_, i) => `user${i}:*\n`).join(""));
    const stdout = Object.assign(new Collector({ highWaterMark: 100 }), {});
    const io = { stdin: new PassThrough(), stdout, stderr: new Collector() };
    expect(await main(["user", "list", ...store], io)).toBe(0);
    expect(lines(stdout.text)).toHaveLength(5000);
  });

  for (const argv of [
    ["passwd", "nobody", "--password-file", passwordFile],
    ["remove", "nobody"],
    ["export", "nobody", "--format", "dovecot"],
  ]) {
    test(`${argv[0]} of an account that is not there: exit 2`, async () => {
      await add("alice");
      const { code, json, stderr } = await user(...argv, "--json");
      expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "no-such-account" } });
      expect(stderr).toMatch(/there is no account "nobody"; sasl user list shows all\n$/);
      expect(code).toBe(2);
    });
  }

  test("what is to be changed is not made", async () => {
    const { code, json } = await user("passwd", "alice", "--json", "--password-file", passwordFile);
    expect([code, json.error.code]).toEqual([64, "unreadable-file"]);
    expect(existsSync(users)).toBe(false);
  });
});

describe("sasl user check", () => {
  const rows: readonly [why: string, line: string, code: string, text: RegExp][] = [
    ["a wrong password", "alice:{PLAIN}other", "refused", /wrong password/],
    ["nobody of that name", "bob:{PLAIN}other", "refused", /nobody has that name/],
    ["no secret at all", "alice:*", "refused", /./],
    ["an account that is disabled", `alice:{PLAIN}${words}::::::nologin`, "account-disabled", /./],
  ];
  for (const [why, line, code, text] of rows) {
    test(`${why}: exit 1`, async () => {
      accountsFile(`${line}\n`);
      const run = await right("alice");
      expect(run.json).toMatchObject({ ok: false, name: "alice", error: { kind: "AuthenticationFailure", code } });
      expect(run.json.error.text).toMatch(text);
      expect(run.code).toBe(1);
    });
  }

  test("R-STO-04 a record that is malformed: exit 2, with file and line, without the secret", async () => {
    accountsFile("bob:*\nalice:{NONSENSE}hunter2\n");
    const { code, json, stderr } = await right("alice");
    expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "store-failed" } });
    expect(stderr).toContain(`${users}:2: `);
    expect(stderr).not.toContain("hunter2");
    expect(code).toBe(2);
  });

  test("for people", async () => {
    await add("alice", "--mechanisms", "PLAIN");
    const { stdout } = await user("check", "alice", "--password-file", passwordFile);
    expect(stdout).toBe("alice can log in, with PLAIN, LOGIN\n");
  });
});

describe("sasl user export and import", () => {
  test("the formats in the help are those there are", async () => {
    const { stdout } = await sasl(["user", "export", "--help"]);
    const help = stdout.replace(/\s+/g, " ");
    const names = accountFormats.map(({ name }) => name);
    expect(help).toContain(`${names.slice(0, -1).join(", ")} or ${names.at(-1)}`);
  });

  for (const { name: format, fileName } of accountFormats) {
    test(`${format}: what was exported logs in where it is imported`, async () => {
      await add("alice", "--mechanisms", "SCRAM-SHA-256");
      const exported = await user("export", "alice", "--format", format);
      expect(exported.code).toBe(0);
      mkdirSync(users.concat(".d"));
      const file = folder.file(`users${count}.d/${fileName?.("alice") ?? "exported"}`, exported.stdout);
      store = ["--store", `file:${users}.imported`];
      const imported = await user("import", file, "--format", format, "--json");
      expect(imported.json).toEqual({ ok: true, added: 1, replaced: 0, skipped: [] });
      expect((await right("alice")).json).toMatchObject({ ok: true, name: "alice" });
    });
  }

  test("export says that it is secret, on a terminal alone; --json has the text and the file it goes to", async () => {
    await add("alice", "--mechanisms", "SCRAM-SHA-1");
    const terminal = Object.assign(new Collector(), { isTTY: true });
    const stderr = new Collector();
    const argv = ["user", "export", "alice", ...store, "--format", "prosody"];
    expect(await main(argv, { stdin: new PassThrough(), stdout: terminal, stderr })).toBe(0);
    expect(stderr.text).toMatch(
      /^sasl user export: this is secret: .*\n.*the file of this account is called alice\.dat\n$/,
    );
    const { json, stderr: quiet } = await user("export", "alice", "--format", "prosody", "--json");
    expect(json).toEqual({ ok: true, name: "alice", format: "prosody", fileName: "alice.dat", text: terminal.text });
    expect(quiet).toBe("");
  });

  test("an account a format cannot hold: exit 2, and what to do", async () => {
    await add("alice", "--mechanisms", "PLAIN");
    const { code, json, stdout } = await user("export", "alice", "--format", "postgresql", "--json");
    expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "not-exportable" } });
    expect(json.error.text).toMatch(/SCRAM-SHA-256: set the password again/);
    expect([code, lines(stdout).length]).toEqual([2, 1]);
  });

  test("export --all prints what the format can hold, names the rest, and can be imported: exit 2", async () => {
    await add("alice", "--mechanisms", "SCRAM-SHA-256");
    await add("bob", "--mechanisms", "PLAIN");
    await add("carol", "--mechanisms", "SCRAM-SHA-256");
    for (const format of ["postgresql", "ejabberd"]) {
      const { code, stdout, stderr } = await user("export", "--all", "--format", format);
      expect(stderr).toMatch(/^sasl user export: bob: .*\nsasl user export: 2 exported, 1 skipped; .*\n$/);
      expect(code).toBe(2);
      const argv = ["user", "import", "-", "--store", `file:${users}.${format}`, "--format", format, "--json"];
      expect((await sasl(argv, { input: stdout })).json).toEqual({ ok: true, added: 2, replaced: 0, skipped: [] });
    }
    const all = await user("export", "--all", "--format", "dovecot");
    expect([all.code, all.stderr]).toEqual([0, ""]);
  });

  test("export --all --json says one object for each account, also for files of their own", async () => {
    await add("alice", "--mechanisms", "SCRAM-SHA-1");
    await add("bob", "--mechanisms", "SCRAM-SHA-1");
    const { stdout } = await user("export", "--all", "--format", "prosody", "--json");
    const text = expect.stringContaining("stored_key");
    expect(lines(stdout).map((line) => JSON.parse(line))).toEqual([
      { name: "alice", format: "prosody", fileName: "alice.dat", text },
      { name: "bob", format: "prosody", fileName: "bob.dat", text },
      { ok: true, count: 2 },
    ]);
    expect((await user("export", "--all", "--format", "prosody")).stderr).toMatch(/a file for each account.*--json\n$/);
  });

  test("import skips what it cannot take, names line and reason, and takes the rest: exit 2", async () => {
    await add("carol", "--mechanisms", "PLAIN");
    const before = readFileSync(users, "utf8");
    const long = "x".repeat(2000);
    const file = folder.file(
      "mixed",
      Buffer.concat([
        Buffer.from(`alice:{PLAIN}${words}\nbob:{CRAM-MD5}hunter2\ncarol:{PLAIN}hunter2\n\u212a:{PLAIN}${words}\n`),
        Buffer.from(
          `K:{PLAIN}hunter2\nd\u0640:{PLAIN}hunter2\nerin:$1$abcdefgh$hunter2hunter2hunter2h\n${long}:{PLAIN}x\nl\u00e4:`,
        ),
        Buffer.from([0xe4, 0x0a]),
      ]),
    );
    const { code, json, stderr } = await user("import", file, "--format", "dovecot", "--json");
    const reasons = json.skipped.map((each: { line: number; name?: string }) => [each.line, each.name]);
    expect(reasons).toEqual(
      expect.arrayContaining([
        [3, "carol"],
        [5, "K"],
        [7, "erin"],
      ]),
    );
    expect(json).toMatchObject({ ok: false, added: 2, replaced: 0, error: { code: "import-incomplete" } });
    expect(stderr).toMatch(/^sasl user import: .*mixed:3: carol: there is such an account already; --replace/m);
    expect(stderr).toMatch(/mixed:5: K: the same name as in .*mixed:4$/m);
    expect(stderr + JSON.stringify(json)).not.toContain("hunter2");
    expect(code).toBe(2);
    expect(lines((await user("list")).stdout).sort()).toEqual(["K", "alice", "carol"]);
    expect(readFileSync(users, "utf8")).toContain(before.trimEnd());
  });

  test("--replace leaves no secret of before", async () => {
    await add("alice", "--plaintext");
    const file = folder.file("replacing", "alice:{PLAIN}new\n");
    const { json } = await user("import", file, "--format", "dovecot", "--replace", "--json");
    expect(json).toEqual({ ok: true, added: 0, replaced: 1, skipped: [] });
    expect(readFileSync(users, "utf8")).not.toMatch(/SCRAM|staple/);
    expect((await right("alice")).code).toBe(1);
  });

  test("from standard input, several files, and thousands of accounts", async () => {
    const many = folder.file("many", Array.from({ length: 3000 }, (_, i) => `user${i}:{PLAIN}x\n`).join(""));
    const argv = ["user", "import", many, "-", ...store, "--format", "dovecot"];
    const { code, stdout, stderr } = await sasl(argv, { input: "alice:{PLAIN}x\n" });
    expect([code, stdout, stderr]).toEqual([
      0,
      "3001 added, 0 replaced, 0 skipped\n",
      `sasl user: made the file ${users}\n`,
    ]);
  });
});
