import { appendFileSync, chmodSync, existsSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { Readable } from "node:stream";
import { afterAll, describe, expect, test } from "vitest";
import { main } from "../src/main.js";
import { Collector, Folder, password, type Run, sasl } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());
const passwordFile = folder.file("password", password);
const hidden = "hunter2hunter2";

/** A store that is down as long as there is a file of that name, and says too much. Names may not begin with `root`. */
const plugin = folder.file(
  "plugin.mjs",
  `import { existsSync } from "node:fs";
  const down = () => existsSync(new URL("down", import.meta.url));
  export const saslPlugin = {
    apiVersion: 1,
    canonicalizers: [{ name: "lower", canonicalize: (name) => name.toLowerCase() }],
    stores: [{
      name: "flaky",
      schemes: ["flaky"],
      open(url) {
        if (url.endsWith("/closed")) throw new Error("cannot connect to " + url);
        const held = new Map();
        const check = () => { if (down()) throw new Error("lost connection to " + url); };
        return {
          lookup(name) { check(); return name === "alice" ? { userPassword: ${JSON.stringify(password)} } : undefined; },
          async *list() { check(); yield "alice"; },
          close() { check(); },
        };
      },
    }],
  };`,
);
const store = ["--plugin", plugin, "--store", `flaky://admin:${hidden}@db.example/accounts`];
const down = (): string => folder.file("down", "");

interface Served {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it and compare
  readonly ready: any;
  readonly stdout: Collector;
  readonly stderr: Collector;
  stop(): Promise<number>;
}

async function serve(...argv: string[]): Promise<Served> {
  const [stdout, stderr, control] = [new Collector(), new Collector(), new AbortController()];
  const done = main(["serve", "--json", ...argv], { stdin: Readable.from([]), stdout, stderr, stop: control.signal });
  const first = await Promise.race([
    stdout.until(/^(.*)\n/),
    done.then((code) => Promise.reject(new Error(`exit ${code}: ${stderr.text}`))),
  ]);
  const stop = (): Promise<number> => {
    control.abort();
    return done;
  };
  return { ready: JSON.parse(first[1] as string), stdout, stderr, stop };
}

const login = (url: string, ca: string, ...more: string[]): Promise<Run> =>
  sasl(["login", url, "--ca", ca, "--json", "--password-file", passwordFile, ...more]);

describe("sasl serve on a store of a plug-in", () => {
  test("R-STO-04 one that is down is told of as temporary in each protocol, and works when it is back", async () => {
    down();
    const { ready, stdout, stderr, stop } = await serve("--imap", "0", "--smtp", "0", "--xmpp", "0", ...store);
    expect(stderr.text).toMatch(/^sasl serve: lost connection to flaky:.*\n$/);
    const said: readonly [url: string, peer: RegExp][] = [
      [`imap://alice@localhost:${ready.imap}`, /^NO \[UNAVAILABLE\]/],
      [`smtp://alice@localhost:${ready.smtp}`, /^454 4\.7\.0/],
      [`xmpp://alice@localhost:${ready.xmpp}`, /^temporary-auth-failure/],
    ];
    for (const [url, peer] of said) {
      const { code, json } = await login(url, ready.ca);
      expect(json).toMatchObject({ ok: false, error: { kind: "SASLFailure", code: "temporary" } });
      expect(json.error.peer).toMatch(peer);
      expect(code).toBe(2);
    }
    rmSync(`${folder.path}/down`);
    for (const [url] of said) expect((await login(url, ready.ca)).code).toBe(0);
    expect(await stop()).toBe(0);
    const outcomes = stdout.text.trimEnd().split("\n").slice(1);
    expect(outcomes.map((line) => JSON.parse(line).code)).toEqual([..."xxx"].map(() => "temporary").concat(Array(3)));
    expect(stdout.text + stderr.text).not.toContain(hidden);
  });

  test("its canonicalisers come after ours, in every protocol", async () => {
    const { ready, stdout, stop } = await serve("--imap", "0", "--xmpp", "0", ...store);
    for (const url of [`imap://ALICE@localhost:${ready.imap}`, `xmpp://Alice@localhost:${ready.xmpp}`]) {
      expect((await login(url, ready.ca, "--mechanism", "PLAIN")).code).toBe(0);
    }
    expect(await stop()).toBe(0);
    const names = stdout.text
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line).authcid);
    expect(names).toEqual(["alice", "alice"]);
  });

  test("its mechanisms are offered, and are there for --mechanisms", async () => {
    const modules = folder.file(
      "mechanism.mjs",
      `export const saslPlugin = { apiVersion: 1, mechanisms: ["X-NEW", "PLAIN"].map((name) => ({
        name, flow: "client-first", security: ["noAnonymous", "noActive"], source: "private", async *server() {},
      })) };`,
    );
    const offers = async (...argv: string[]): Promise<string[]> => {
      const { ready, stop } = await serve("--imap", "0", "--plugin", modules, "--allow-plaintext", ...argv);
      const { json } = await sasl(["probe", `imap://localhost:${ready.imap}`, "--tls", "none", "--json"]);
      expect(await stop()).toBe(0);
      return json.offered;
    };
    const all = await offers();
    expect(all).toEqual(expect.arrayContaining(["X-NEW", "PLAIN", "SCRAM-SHA-256"]));
    expect(new Set(all).size).toBe(all.length);
    expect(await offers("--mechanisms", "x-new")).toEqual(["X-NEW"]);
  });

  test("one that cannot be opened: exit 2, without the password of its URL", async () => {
    const url = `flaky://admin:${hidden}@db.example/closed`;
    const { code, json, stderr } = await sasl(["serve", "--imap", "0", "--json", "--plugin", plugin, "--store", url]);
    expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "store-failed" } });
    expect(json.error.text).toMatch(/^cannot connect to flaky:\/\/admin:<14 characters>@db\.example\/closed/);
    expect(stderr + JSON.stringify(json)).not.toContain(hidden);
    expect(code).toBe(2);
  });
});

describe("sasl user on a store of a plug-in", () => {
  const cannot: readonly [argv: string[], text: RegExp][] = [
    [["add", "bob", "--password-file", passwordFile], /this store cannot write accounts; do that where they are kept/],
    [["passwd", "alice", "--password-file", passwordFile], /this store cannot write accounts/],
    [["remove", "alice"], /this store cannot remove accounts/],
    [["import", passwordFile, "--format", "dovecot"], /this store cannot write accounts/],
  ];
  for (const [argv, text] of cannot) {
    test(`${argv[0]} where the store cannot do it: exit 2`, async () => {
      const { code, json } = await sasl(["user", ...argv, "--json", ...store]);
      expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "not-supported" } });
      expect(json.error.text).toMatch(text);
      expect(code).toBe(2);
    });
  }

  test("the name is what the plug-in makes of it", async () => {
    const { json } = await sasl(["user", "check", "ALICE", "--password-file", passwordFile, "--json", ...store]);
    expect(json).toMatchObject({ ok: true, name: "alice" });
  });

  for (const argv of [
    ["list"],
    ["check", "alice", "--password-file", passwordFile],
    ["export", "alice", "--format", "dovecot"],
  ]) {
    test(`${argv[0]} where the store is down: exit 2, without the password of its URL`, async () => {
      down();
      const { code, json, stdout, stderr } = await sasl(["user", ...argv, "--json", ...store]);
      rmSync(`${folder.path}/down`);
      expect(json).toMatchObject({ ok: false, error: { kind: "StoreError", code: "store-failed" } });
      expect(json.error.text).toContain("lost connection to flaky:");
      expect(stdout + stderr).not.toContain(hidden);
      expect(code).toBe(2);
    });
  }
});

test("an import that the store does not live through says how far it got: exit 2", async () => {
  const module = folder.file(
    "full.mjs",
    `const held = new Map();
    export const saslPlugin = { apiVersion: 1, stores: [{ name: "full", schemes: ["full"], open: () => ({
      lookup: (name) => held.get(name),
      store(name, changes) {
        if (held.size === 100) throw new Error("the disk is full");
        held.set(name, changes);
        return true;
      },
    }) }] };`,
  );
  const file = folder.file("much", Array.from({ length: 200 }, (_, i) => `user${i}:{PLAIN}x\n`).join("?\n"));
  const argv = ["user", "import", file, "--format", "dovecot", "--json", "--plugin", module, "--store", "full:"];
  const { code, json } = await sasl(argv);
  expect(json).toMatchObject({ ok: false, added: 100, replaced: 0, error: { code: "store-failed" } });
  expect(json.skipped.length).toBeGreaterThan(0);
  expect(json.error.text).toBe(`the disk is full; until then 100 added, 0 replaced, ${json.skipped.length} skipped`);
  expect(code).toBe(2);
});

describe("a store of a plug-in for file:", () => {
  const module = folder.file(
    "own-file.mjs",
    `export const saslPlugin = { apiVersion: 1, stores: [{ name: "own", schemes: ["file"], open(url) {
      throw new Error("the plug-in cannot open it", { cause: Object.assign(new Error("x"), { code: "ENOENT", path: url.slice(5) }) });
    } }] };`,
  );
  test("that cannot be opened is not left for ours", async () => {
    const users = `${folder.path}/of-a-plug-in`;
    const argv = ["user", "add", "alice", "--password-file", passwordFile, "--iterations", "4096"];
    const { code, stderr } = await sasl([...argv, "--plugin", module, "--store", `file:${users}`]);
    expect(stderr).toMatch(/the plug-in cannot open it/);
    expect([code, existsSync(users)]).toEqual([64, false]);
  });
});

describe("a file of accounts that is not there", () => {
  const add = ["add", "alice", "--password-file", passwordFile, "--iterations", "4096"];
  const missing = folder.file("accounts.sql", "CREATE ROLE alice;\n");
  const passwd = folder.file("accounts.passwd", "alice:{PLAIN}x\nbob:{PLAIN}y\n");
  const dump = folder.file("ejabberd.tsv", "username\tserver_host\tpassword\nalice\texample.org\tpencil\n");
  const rows: readonly [why: string, argv: string[], text: RegExp][] = [
    ["list", ["user", "list"], /there is no such file/],
    ["check", ["user", "check", "alice", "--password-file", passwordFile], /there is no such file/],
    ["remove", ["user", "remove", "alice"], /there is no such file/],
    ["export", ["user", "export", "alice", "--format", "dovecot"], /there is no such file/],
    ["passwd", ["user", "passwd", "alice", "--password-file", passwordFile], /there is no such file/],
    ["serve", ["serve", "--imap", "0"], /there is no such file/],
    [
      "add without its password",
      ["user", ...add.slice(0, 2), "--password-file", `${folder.path}/gone`],
      /gone: there is/,
    ],
    ["add with an option that cannot be", ["user", ...add, "--mechanisms", "CRAM-MD5"], /needs the password itself/],
    ["import of nothing", ["user", "import", `${folder.path}/gone`, "--format", "dovecot"], /gone: there is no such/],
    [
      "import of another format",
      ["user", "import", passwd, "--format", "rfc5803"],
      /accounts\.passwd: no rfc5803 account/,
    ],
    ["import without passwords", ["user", "import", missing, "--format", "postgresql"], /no postgresql account/],
  ];
  for (const scheme of ["file", "sqlite"]) {
    for (const [why, argv, text] of rows) {
      test(`${scheme}: ${why} does not make it: exit 64`, async () => {
        const path = `${folder.path}/${scheme}-not-there`;
        const { code, json } = await sasl([...argv, "--json", "--store", `${scheme}:${path}`]);
        expect(json.error.text).toMatch(text);
        expect([code, existsSync(path)]).toEqual([64, false]);
      });
    }

    test(`${scheme}: add makes it, for its owner alone, and says so`, async () => {
      const path = `${folder.path}/${scheme}-made`;
      const { code, stderr } = await sasl(["user", ...add, "--store", `${scheme}:${path}`]);
      expect([code, stderr]).toEqual([0, `sasl user: made the file ${path}\n`]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect((await sasl(["user", "list", "--store", `${scheme}:${path}`])).stdout).toBe("alice\n");
    });

    test(`${scheme}: a link to nothing is no file to make: exit 64`, async () => {
      const path = `${folder.path}/${scheme}-link`;
      symlinkSync("nowhere", path);
      const { code, stderr } = await sasl(["user", ...add, "--store", `${scheme}:${path}`]);
      expect(stderr).toMatch(/-link is a link to a file that is not there: make that file, or remove the link\n$/);
      expect([code, existsSync(path)]).toEqual([64, false]);
    });

    test(`${scheme}: nor is one without its folder: exit 64`, async () => {
      const { code, stderr } = await sasl(["user", ...add, "--store", `${scheme}:${folder.path}/no/users`]);
      expect(stderr).toMatch(/there is no folder .*\/no\n$/);
      expect(code).toBe(64);
    });
  }

  test("sqlite: nor for a name in memory: there is nothing in it", async () => {
    const { code, stdout } = await sasl(["user", "list", "--store", "sqlite::memory:"]);
    expect([code, stdout, existsSync(":memory:")]).toEqual([0, "", false]);
  });

  test("import of an empty file: nothing, and no error", async () => {
    const argv = ["user", "import", folder.file("nothing", "\n"), "--format", "dovecot", "--json"];
    const { code, json } = await sasl([...argv, "--store", `file:${folder.path}/none`]);
    expect([code, json]).toEqual([0, { ok: true, added: 0, replaced: 0, skipped: [] }]);
  });

  test("import of a host that is not in the dump says that a host was asked for: exit 64", async () => {
    const argv = ["user", "import", dump, "--format", "ejabberd", "--host", "other.example", "--json"];
    const { code, json } = await sasl([...argv, "--store", `file:${folder.path}/none`]);
    expect(json.error).toMatchObject({ code: "malformed-file", text: expect.stringMatching(/on that host/) });
    expect(code).toBe(64);
  });
});

describe("stores that come with the command", () => {
  test("sqlite: accounts made by sasl user log in at sasl serve", async () => {
    const sqlite = ["--store", `sqlite:${folder.path}/accounts.db`];
    const added = await sasl([
      "user",
      "add",
      "alice",
      "--password-file",
      passwordFile,
      "--iterations",
      "4096",
      ...sqlite,
    ]);
    expect([added.code, added.stderr]).toEqual([0, `sasl user: made the file ${folder.path}/accounts.db\n`]);
    expect((await sasl(["user", "list", ...sqlite])).stdout).toBe("alice\n");
    const { ready, stop } = await serve("--imap", "0", ...sqlite);
    const { json } = await login(`imap://alice@localhost:${ready.imap}`, ready.ca);
    expect(json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA-512-PLUS" });
    expect(await stop()).toBe(0);
  });

  test("file: a server sees what is changed while it runs", async () => {
    const users = folder.file("users", "");
    chmodSync(users, 0o600);
    const { ready, stderr, stop } = await serve("--imap", "0", "--store", `file:${users}`);
    expect(stderr.text).toMatch(/0 accounts/);
    const url = `imap://alice@localhost:${ready.imap}`;
    expect((await login(url, ready.ca)).code).toBe(1);
    const argv = ["user", "add", "alice", "--password-file", passwordFile, "--iterations", "4096"];
    await sasl([...argv, "--store", `file:${users}`]);
    await new Promise((resolve) => setTimeout(resolve, 150)); // answers may be 100 ms old
    expect((await login(url, ready.ca)).json).toMatchObject({ ok: true, mechanism: "SCRAM-SHA-512-PLUS" });
    expect(await stop()).toBe(0);
  });

  test("file: a line that cannot be read is told of, and the others log in", async () => {
    const users = folder.file("damaged", `alice:{PLAIN}${password}\nbob:hunter2\n`);
    const { ready, stderr, stop } = await serve("--imap", "0", "--store", `file:${users}`);
    expect(stderr.text).toMatch(/^sasl serve: an account is malformed: .*damaged:2: .*\n$/);
    expect(stderr.text).not.toContain("hunter2");
    expect((await login(`imap://alice@localhost:${ready.imap}`, ready.ca)).code).toBe(0);
    const { json } = await login(`imap://bob@localhost:${ready.imap}`, ready.ca, "--mechanism", "PLAIN");
    expect(json.error.code).toBe("temporary");
    expect(await stop()).toBe(0);
  });

  test("--auto-transition gives an account with a hash its verifiers at the first login", async () => {
    const users = folder.file("transition", "");
    chmodSync(users, 0o600);
    const file = ["--store", `file:${users}`];
    await sasl(["user", "add", "alice", "--password-file", passwordFile, "--mechanisms", "PLAIN", ...file]);
    appendFileSync(users, `bob:{PLAIN}${password}\n`);
    const mechanisms = ["--mechanisms", "SCRAM-SHA-256,PLAIN"];
    const { ready, stderr, stop } = await serve("--imap", "0", "--auto-transition", ...mechanisms, ...file);
    const url = `imap://alice@localhost:${ready.imap}`;
    expect((await login(url, ready.ca, "--mechanism", "SCRAM-SHA-256")).code).toBe(1);
    expect((await login(url, ready.ca, "--mechanism", "PLAIN")).code).toBe(0);
    await expect.poll(() => readFileSync(users, "utf8")).toContain("SCRAM-SHA-256");
    await expect.poll(async () => (await login(url, ready.ca, "--mechanism", "SCRAM-SHA-256")).code).toBe(0);
    expect(stderr.text).toBe("");
    expect(await stop()).toBe(0);
  });

  test("--auto-transition on a store that cannot be written: exit 64", async () => {
    const { code, stderr } = await sasl(["serve", "--imap", "0", "--auto-transition", ...store]);
    expect(stderr).toBe("sasl serve: --auto-transition: this store cannot write\n");
    expect(code).toBe(64);
  });
});
