/** Upgrade tasks, both ends, on both XML libraries; and each end against what the other would never say. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  type AccountProperties,
  type MemoryAccounts,
  makeScramVerifier,
  memoryAccounts,
  type SASLErrorCode,
  SASLFailure,
  saslError,
} from "sasl-core";
import { hashSha1, hashSha3_512, hashSha256, hashSha384, hashSha512, type ScramHash } from "sasl-core/mechanisms";
import { decodeBase64, encodeBase64 } from "sasl-core/plugin";
import { describe, expect, test } from "vitest";
import { type Kit, kits, rejection, shape } from "../../test/support.js";
import { clientAbout, elementsOf, heard, overTheWire, perform, serverAbout } from "../../test/tasks.js";
import { type ScramUpgradeTaskOptions, scramUpgrade, scramUpgradeTasks } from "./upgrade.js";

const vectors: { examples: { id: string; xml: string }[] } = JSON.parse(
  readFileSync(new URL("../../test/vectors/xep-0480.json", import.meta.url), "utf8"),
);
const example = (id: string) => vectors.examples.find((each) => each.id === id)?.xml as string;

const UPGRADE = "xmlns='urn:xmpp:sasl:upgrade:0'";
const SCRAM = "xmlns='urn:xmpp:scram-upgrade:0'";
const upgrade = (name: string) => `<upgrade ${UPGRADE}>${name}</upgrade>`;
const both = upgrade("UPGR-SCRAM-SHA-256") + upgrade("UPGR-SCRAM-SHA-512");
const salt = decodeBase64("QSXCR+Q6sek8bf92QSXCRw==");
const old = await makeScramVerifier(hashSha1, "pencil", { iterations: 4096 });
const random = () => Uint8Array.from(salt);

const verifiersOf = (accounts: MemoryAccounts) => (accounts.lookup("user", []) as AccountProperties).authPassword;

function serverWith(account: AccountProperties | undefined, options: Partial<ScramUpgradeTaskOptions> = {}) {
  const accounts = memoryAccounts(account ? { user: account } : {});
  const hashes: ScramHash[] = [hashSha256, hashSha512];
  return { accounts, tasks: scramUpgradeTasks({ accounts, hashes, iterations: 4096, random, ...options }) };
}

describe.each(kits)("with $name", (kit: Kit<unknown>) => {
  const { adapter, parse } = kit;
  const names = (elements: readonly unknown[]) => elements.map((each) => adapter.children(each as never).join(""));

  describe("the published examples", () => {
    const authentication = parse(example("announcement"));

    test("R-UPGR-01 the server announces what the example announces", () => {
      const { tasks } = serverWith({ authPassword: [old] });
      const { request: _, ...about } = serverAbout(kit);
      const announced = tasks.flatMap((each) => each.announce?.({ ...about, request: undefined }) ?? []);
      const published = elementsOf(adapter.children(authentication)).filter((each) => adapter.name(each) === "upgrade");
      expect(announced.map((each) => shape(kit, each))).toEqual(published.map((each) => shape(kit, each)));
    });

    test("the client asks as the example asks", async () => {
      const task = scramUpgrade({ password: "pencil" }, { hashes: [hashSha256] });
      const about = { ...clientAbout(kit, ""), authentication };
      const asked = await task.request?.(about, "SCRAM-SHA-1-PLUS");
      const published = elementsOf(adapter.children(parse(example("request"))))[0];
      expect(asked?.map((each) => shape(kit, each))).toEqual([shape(kit, published)]);
      expect((await task.perform("UPGR-SCRAM-SHA-256", about).next()).value).toEqual([]); // an empty `next`
    });

    test("R-UPGR-03 the example's salt is no base64, and is refused", async () => {
      const task = scramUpgrade({ password: "pencil" });
      const about = { ...clientAbout(kit, ""), authentication };
      await task.request?.(about, "SCRAM-SHA-1-PLUS");
      const saying = task.perform("UPGR-SCRAM-SHA-256", about);
      await saying.next();
      const said = saying.next(elementsOf(adapter.children(parse(example("salt")))));
      await expect(said).rejects.toMatchObject({ code: "incorrect-encoding" });
    });

    test("R-UPGR-04 the server takes the example's hash", async () => {
      const { accounts, tasks } = serverWith({ authPassword: [old] });
      const about = serverAbout(kit, "", {});
      const request = { ...about, request: parse(example("request")) };
      expect(await tasks[0]?.due(request)).toBe(true);
      expect(await tasks[1]?.due(request)).toBe(false); // not asked for
      const asking = tasks[0]?.perform(request, elementsOf(adapter.children(parse(example("next")))));
      const [element] = ((await asking?.next())?.value ?? []) as readonly unknown[];
      expect(shape(kit, element, "iterations")).toEqual([
        "salt",
        "urn:xmpp:scram-upgrade:0",
        { iterations: "4096" },
        "QSXCR+Q6sek8bf92QSXCRw==",
      ]);
      expect(await asking?.next(elementsOf(adapter.children(parse(example("hash")))))).toMatchObject({ done: true });
      expect(accounts.lookup("user", [])).toMatchObject({ authPassword: [old, { hash: "SHA-256", salt }] });
    });
  });

  test.each([hashSha256, hashSha384, hashSha512, hashSha3_512])(
    "R-UPGR-04 $name from one end to the other",
    async (hash) => {
      const name = `UPGR-${hash.name}`;
      const { accounts, tasks } = serverWith({ authPassword: [old], quota: 7 }, { hashes: [hash] });
      const asked: unknown[] = [];
      const task = scramUpgrade(
        (request) => {
          asked.push(request);
          return { password: "pen\u00adcil" };
        },
        { hashes: [hash] },
      );
      const about = clientAbout(kit, upgrade(name));
      const wanted = (await task.request?.(about, "SCRAM-SHA-1-PLUS")) ?? [];
      expect(names(wanted)).toEqual([name]);
      expect(task.handles(name)).toBe(true);
      const admitted = serverAbout(kit, upgrade(name));
      expect(await tasks[0]?.due(admitted)).toBe(true);
      expect(asked).toEqual([]); // nobody is asked before it is known what for
      expect(await perform(kit, [task, about], [tasks[0] as never, admitted])).toBe(3);
      const verifier = await makeScramVerifier(hash, "pencil", { iterations: 4096, salt });
      expect(accounts.lookup("user", [])).toEqual({ authPassword: [old, verifier], quota: 7 });
      expect(asked).toEqual([{ kind: "password", mechanism: name, host: "example.org", signal: undefined }]);
      expect(await tasks[0]?.due(serverAbout(kit, upgrade(name)))).toBe(false); // once is enough
    },
  );

  describe("what a client asks for", () => {
    const ask = async (mechanism: string, announced: string, options = {}) => {
      const task = scramUpgrade({ password: "pencil" }, options);
      const about = clientAbout(kit, announced);
      return { task, about, names: names((await task.request?.(about, mechanism)) ?? []) };
    };

    test("R-UPGR-03 what it recognises and was announced, strongest first", async () => {
      const announced = upgrade("UPGR-BLOOP2") + both + upgrade("UPGR-SCRAM-SHA-1");
      expect((await ask("SCRAM-SHA-1-PLUS", announced)).names).toEqual(["UPGR-SCRAM-SHA-512", "UPGR-SCRAM-SHA-256"]);
      expect((await ask("SCRAM-SHA-1-PLUS", "")).names).toEqual([]);
      expect((await ask("SCRAM-SHA-1-PLUS", "<upgrade>UPGR-SCRAM-SHA-256</upgrade>")).names).toEqual([]);
      expect((await ask("SCRAM-SHA-1-PLUS", upgrade("UPGR-SCRAM-SHA-256-PLUS"))).names).toEqual([]);
    });

    test.each(["SCRAM-SHA-1", "PLAIN", "EXTERNAL", "HT-SHA-256-EXPR", "GS2-KRB5-PLUS"])(
      "R-UPGR-05 nothing after %s",
      async (mechanism) => {
        expect((await ask(mechanism, both)).names).toEqual([]);
      },
    );

    test("R-UPGR-05 without a binding only where the application allows it, and a password is proved", async () => {
      expect((await ask("PLAIN", both, { allowUnbound: true })).names).toHaveLength(2);
      expect((await ask("SCRAM-SHA-1", both, { allowUnbound: true })).names).toHaveLength(2);
      expect((await ask("EXTERNAL", both, { allowUnbound: true })).names).toEqual([]);
      expect((await ask("HT-SHA-256-EXPR", both, { allowUnbound: true })).names).toEqual([]);
    });

    test("R-UPGR-03 a task not asked for is refused before anybody is asked for a password", async () => {
      let asked = 0;
      const task = scramUpgrade(() => {
        asked++;
        return { password: "pencil" };
      });
      const refuse = async (about: ReturnType<typeof clientAbout>, name: string) =>
        expect((await rejection(task.perform(name, about as never).next())).code).toBe("unexpected-message");
      const never = clientAbout(kit, both);
      await refuse(never as never, "UPGR-SCRAM-SHA-256"); // no request at all
      await task.request?.(never, "PLAIN");
      await refuse(never as never, "UPGR-SCRAM-SHA-256"); // a request without it
      const one = clientAbout(kit, upgrade("UPGR-SCRAM-SHA-256"));
      await task.request?.(one, "SCRAM-SHA-1-PLUS");
      await refuse(one as never, "UPGR-SCRAM-SHA-512"); // another one
      await refuse(one as never, "UPGR-BLOOP2");
      await refuse(clientAbout(kit, both) as never, "UPGR-SCRAM-SHA-256"); // another login
      await task.request?.(one, "SCRAM-SHA-1"); // a second attempt, which is not bound
      await refuse(one as never, "UPGR-SCRAM-SHA-256");
      expect(asked).toBe(0);
      expect(task.handles("UPGR-SCRAM-SHA-256-PLUS")).toBe(false);
      expect(task.handles("UPGR-BLOOP2")).toBe(false);
    });
  });

  const salted = (iterations: string, text: string) => `<salt ${SCRAM} iterations='${iterations}'>${text}</salt>`;
  const good = "QSXCR+Q6sek8bf92";
  const badSalts: readonly [why: string, xml: string, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["an empty salt", salted("4096", ""), "malformed-message"],
    ["two salts", salted("4096", good) + salted("4096", good), "malformed-message"],
    ["a salt of another namespace", `<salt xmlns='urn:x' iterations='4096'>${good}</salt>`, "malformed-message"],
    ["a hash", `<hash ${SCRAM}>${good}</hash>`, "malformed-message"],
    ["no count", `<salt ${SCRAM}>${good}</salt>`, "malformed-message"],
    ["a count of another name", `<salt ${SCRAM} iteration='4096'>${good}</salt>`, "malformed-message"],
    ["an element in the salt", salted("4096", `${good}<x/>`), "malformed-message"],
    ["an empty count", salted("", good), "malformed-message"],
    ["a count of zero", salted("0", good), "malformed-message"],
    ["a signed count", salted("+4096", good), "malformed-message"],
    ["a negative count", salted("-4096", good), "malformed-message"],
    ["a leading zero", salted("04096", good), "malformed-message"],
    ["a fraction", salted("4096.5", good), "malformed-message"],
    ["an exponent", salted("4e9", good), "malformed-message"],
    ["a space", salted(" 4096", good), "malformed-message"],
    ["digits of another script", salted("\u0664\u0660\u0669\u0666", good), "malformed-message"],
    ["a count below the limit", salted("4095", good), "peer-not-verified"],
    ["one round", salted("1", good), "peer-not-verified"],
    ["a count above the limit", salted("600001", good), "limit-exceeded"],
    ["a count beyond numbers", salted("9".repeat(400), good), "limit-exceeded"],
    ["no base64", salted("4096", "A_SXCRXQ6sek8bf_Z"), "incorrect-encoding"],
    ["white space", salted("4096", ` ${good}`), "incorrect-encoding"],
    ["a salt without end", salted("4096", "QUJD".repeat(400)), "limit-exceeded"],
  ];

  test.each(badSalts)("R-UPGR-03 the client refuses %s, and gives no password away", async (_, xml, code) => {
    let asked = 0;
    const task = scramUpgrade(() => {
      asked++;
      return { password: "pencil" };
    });
    const about = clientAbout(kit, both);
    await task.request?.(about, "SCRAM-SHA-1-PLUS");
    const saying = task.perform("UPGR-SCRAM-SHA-256", about);
    await saying.next();
    expect((await rejection(saying.next(heard(kit, xml)))).code).toBe(code);
    expect(asked).toBe(0);
  });

  test("R-UPGR-03 the client's bounds are the application's, and other namespaces nobody's", async () => {
    const task = scramUpgrade({ password: "pencil" }, { iterations: { min: 10, max: 20 } });
    const about = clientAbout(kit, both);
    await task.request?.(about, "SCRAM-SHA-1-PLUS");
    for (const [count, code] of [
      ["9", "peer-not-verified"],
      ["21", "limit-exceeded"],
      ["10", undefined],
      ["20", undefined],
    ] as const) {
      const saying = task.perform("UPGR-SCRAM-SHA-256", about);
      await saying.next();
      const said = saying.next(heard(kit, `<x xmlns='urn:x'/>${salted(count, good)}`));
      if (code) expect((await rejection(said)).code).toBe(code);
      else expect(names(((await said).value ?? []) as never)[0]).toHaveLength(44);
      // After its answer it has no more to say.
      if (!code) expect(await saying.next([])).toMatchObject({ done: true });
    }
  });

  const absent: readonly [why: string, credentials: Parameters<typeof scramUpgrade>[0], code: SASLErrorCode][] = [
    ["has none", {}, "no-credentials"],
    ["refuses", () => undefined, "no-credentials"],
    ["fails", () => Promise.reject(new Error("locked")), "temporary"],
    ["gives up", () => Promise.reject(new SASLFailure("aborted", "closed")), "aborted"],
    ["has an empty one", { password: "" }, "malformed-message"],
  ];
  test.each(absent)("a password that the application %s", async (_, credentials, code) => {
    const task = scramUpgrade(credentials);
    const about = clientAbout(kit, both);
    await task.request?.(about, "SCRAM-SHA-1-PLUS");
    const saying = task.perform("UPGR-SCRAM-SHA-256", about);
    await saying.next();
    expect((await rejection(saying.next(heard(kit, salted("4096", good))))).code).toBe(code);
  });

  describe("when a task is due", () => {
    const due = async (account: AccountProperties | undefined, request: string, result = {}, options = {}) => {
      const { tasks } = serverWith(account, options);
      const about = serverAbout(kit, request, result);
      return (await Promise.all(tasks.map((each) => each.due(about)))) as boolean[];
    };

    test("R-UPGR-02 for who asked, and lacks it", async () => {
      expect(await due({ authPassword: [old] }, both)).toEqual([true, true]);
      expect(await due({ authPassword: [old] }, "")).toEqual([false, false]);
      expect(await due({ authPassword: [old] }, upgrade("UPGR-SCRAM-SHA-512"))).toEqual([false, true]);
      expect(await due({ authPassword: [{ ...old, hash: "SHA-256" }] }, both)).toEqual([false, true]);
      expect(await due({ passwordHash: ["$argon2id$x"] }, both, { mechanism: "PLAIN" })).toEqual([true, true]);
      expect(await due({ userPassword: "pencil" }, both)).toEqual([false, false]); // works from the password
    });

    test("R-UPGR-04 never for a name without an account", async () => {
      expect(await due(undefined, both)).toEqual([false, false]);
    });

    test.each(["EXTERNAL", "HT-SHA-256-EXPR", "OAUTHBEARER", "GSSAPI", "ANONYMOUS", "XPLAIN"])(
      "R-UPGR-04 never after %s, which proves no password",
      async (mechanism) => {
        expect(await due({ authPassword: [old] }, both, { mechanism })).toEqual([false, false]);
      },
    );

    test("R-UPGR-04 never with one of several credentials; what proves a password is the application's to say", async () => {
      expect(await due({ authPassword: [old] }, both, { credential: "7" })).toEqual([false, false]);
      const provesPassword = (mechanism: string) => mechanism === "X-OURS";
      expect(await due({ authPassword: [old] }, both, { mechanism: "X-OURS" }, { provesPassword })).toEqual([
        true,
        true,
      ]);
      expect(await due({ authPassword: [old] }, both, {}, { provesPassword })).toEqual([false, false]);
    });

    test("R-UPGR-02 after all others, in the order given", () => {
      const { tasks } = serverWith({});
      const steps = tasks.map((each) => each.step ?? 0);
      expect(Math.min(...steps)).toBeGreaterThan(1000);
      expect(tasks.map((each) => each.name)).toEqual(["UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"]);
    });

    const faults: readonly [why: string, lookup: () => unknown, code: SASLErrorCode][] = [
      ["is down", () => Promise.reject(new Error("down")), "temporary"],
      ["says so", () => Promise.reject(saslError("account-disabled", "no")), "account-disabled"],
      ["has verifiers that are none", () => ({ authPassword: "x" }), "temporary"],
    ];
    test.each(faults)("R-STO-04 a store that %s", async (_, lookup, code) => {
      const accounts = { ...memoryAccounts(), lookup: lookup as never };
      const [task] = scramUpgradeTasks({ accounts, hashes: [hashSha256] });
      expect((await rejection(task?.due(serverAbout(kit, both)) as Promise<unknown>)).code).toBe(code);
    });
  });

  const hashed = (text: string) => `<hash ${SCRAM}>${text}</hash>`;
  const octets = (count: number) => hashed(encodeBase64(new Uint8Array(count).fill(7)));
  const badHashes: readonly [why: string, xml: string, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["an empty hash", hashed(""), "malformed-message"],
    ["31 octets", octets(31), "malformed-message"],
    ["20 octets, of SHA-1", octets(20), "malformed-message"],
    ["33 octets", octets(33), "limit-exceeded"],
    ["64 octets, of SHA-512", octets(64), "limit-exceeded"],
    ["a flood", octets(1_000_000), "limit-exceeded"],
    ["two hashes", octets(32) + octets(32), "malformed-message"],
    ["a salt", salted("4096", good), "malformed-message"],
    ["a hash of another namespace", "<hash xmlns='urn:x'>AAAA</hash>", "malformed-message"],
    ["hexadecimal", hashed("0733a7c373dce47e1b38b94f67ff09032eb09d3a47d39687db5296dbe5dfa5ac"), "limit-exceeded"],
    ["no base64", hashed("_zOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw="), "incorrect-encoding"],
    ["no padding", hashed("BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw"), "incorrect-encoding"],
    ["white space", hashed("\nBzOn"), "incorrect-encoding"],
    ["an element in it", hashed("BzOn<x/>"), "malformed-message"],
  ];
  test.each(badHashes)("R-UPGR-04 the server refuses %s, and stores nothing", async (_, xml, code) => {
    const { accounts, tasks } = serverWith({ authPassword: [old] });
    const about = serverAbout(kit, both);
    await tasks[0]?.due(about);
    const asking = tasks[0]?.perform(about, []);
    await asking?.next();
    expect((await rejection(asking?.next(heard(kit, xml)) as Promise<unknown>)).code).toBe(code);
    expect(accounts.lookup("user", [])).toEqual({ authPassword: [old] });
  });

  test("R-UPGR-04 for whoever is authenticated, whatever authzid and stream say", async () => {
    const accounts = memoryAccounts({ user: { authPassword: [old] }, admin: { authPassword: [old] } });
    const [task] = scramUpgradeTasks({ accounts, hashes: [hashSha256] });
    const about = serverAbout(kit, upgrade("UPGR-SCRAM-SHA-256"), { authcid: "user", authzid: "admin" });
    const asking = task?.perform({ ...about, from: "admin@example.org", jid: "admin@example.org" }, []);
    await asking?.next();
    await asking?.next(heard(kit, octets(32)));
    expect(accounts.lookup("admin", [])).toEqual({ authPassword: [old] });
    expect(verifiersOf(accounts)).toHaveLength(2);
  });

  test("R-UPGR-04 two upgrades in one login keep each other and what was there", async () => {
    const { accounts, tasks } = serverWith({ authPassword: [old] });
    const task = scramUpgrade({ password: "pencil" });
    const about = clientAbout(kit, both);
    await task.request?.(about, "SCRAM-SHA-1-PLUS");
    const admitted = serverAbout(kit, both);
    for (const each of tasks) expect(await each.due(admitted)).toBe(true);
    for (const each of tasks) await perform(kit, [task, about], [each, admitted]);
    const hashes = verifiersOf(accounts)?.map(({ hash }) => hash);
    expect(hashes).toEqual(["SHA-1", "SHA-256", "SHA-512"]);
  });

  const changes: readonly [why: string, change: AccountProperties | null][] = [
    ["the password was changed", { authPassword: [{ ...old, salt }] }],
    ["the password was taken away", { authPassword: undefined }],
    ["somebody else upgraded", { authPassword: [old, { ...old, hash: "SHA-256" }] }],
    ["the password is stored now", { userPassword: "other" }],
    ["a hash was set", { passwordHash: ["$2b$x"] }],
    ["the account is gone", null],
  ];
  test.each(changes)("R-UPGR-04 nothing is written when, since the login, %s", async (_, change) => {
    const { accounts, tasks } = serverWith({ authPassword: [old] });
    const about = serverAbout(kit, both);
    expect(await tasks[0]?.due(about)).toBe(true);
    if (change) accounts.store("user", change);
    else accounts.remove("user");
    const before = accounts.lookup("user", []);
    await tasks[1]?.due(about); // looking again does not make it younger
    const asking = tasks[0]?.perform(about, []);
    await asking?.next();
    expect(await asking?.next(heard(kit, octets(32)))).toMatchObject({ done: true });
    expect(accounts.lookup("user", [])).toEqual(before);
  });

  test("R-UPGR-04 nothing is written once the exchange is over", async () => {
    const { accounts, tasks } = serverWith({ authPassword: [old] });
    const over = new AbortController();
    const asking = tasks[0]?.perform({ ...serverAbout(kit, both), signal: over.signal }, []);
    await asking?.next();
    const done = asking?.next(heard(kit, octets(32)));
    over.abort(); // while the verifier is being made
    await done;
    expect(accounts.lookup("user", [])).toEqual({ authPassword: [old] });
  });

  test("a store that cannot write now is told of, and nobody is kept out", async () => {
    const faults: unknown[] = [];
    const down = new Error("read only");
    const store = () => Promise.reject(down) as never;
    const accounts = { ...memoryAccounts({ user: { authPassword: [old] } }), store };
    for (const onFault of [undefined, (error: unknown) => void faults.push(error)]) {
      const [task] = scramUpgradeTasks({ accounts, hashes: [hashSha256], onFault });
      const asking = task?.perform(serverAbout(kit, both), []);
      await asking?.next();
      expect(await asking?.next(heard(kit, octets(32)))).toMatchObject({ done: true });
    }
    expect(faults).toEqual([down]);
  });

  test("errors hold no salt, hash or password", async () => {
    const { tasks } = serverWith({ authPassword: [old] });
    const asking = tasks[0]?.perform(serverAbout(kit, both), []);
    await asking?.next();
    const error = await rejection(asking?.next(heard(kit, octets(31))) as Promise<unknown>);
    expect(JSON.stringify(error) + error.message + String(error.detail)).not.toMatch(/BwcH|QSXC/);
  });
});

test("salts are fresh where nobody says otherwise, and of 16 octets", async () => {
  const [kit] = kits as [Kit<unknown>];
  const [task] = scramUpgradeTasks({ accounts: memoryAccounts({ user: {} }), hashes: [hashSha256] });
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const [element] = ((await task?.perform(serverAbout(kit), []).next())?.value ?? []) as readonly unknown[];
    expect(kit.adapter.attribute(element, "iterations")).toBe("10000");
    const text = kit.adapter.children(element).join("");
    expect(decodeBase64(text)).toHaveLength(16);
    seen.add(text);
  }
  expect(seen.size).toBe(4);
});

describe("misuse", () => {
  const accounts = memoryAccounts();
  test.each([
    ["a store that cannot write", { accounts: { lookup: () => undefined }, hashes: [hashSha256] }, TypeError],
    ["no hashes", { accounts, hashes: [] }, TypeError],
    ["too few iterations", { accounts, hashes: [hashSha256], iterations: 4095 }, RangeError],
    ["more than clients take", { accounts, hashes: [hashSha256], iterations: 600_001 }, RangeError],
    ["a part of an iteration", { accounts, hashes: [hashSha256], iterations: 4096.5 }, RangeError],
  ])("refuses %s", (_, options, kind) => {
    expect(() => scramUpgradeTasks(options as ScramUpgradeTaskOptions)).toThrow(kind);
  });
});

test("R-UPGR-04 whatever text a hash holds, it is stored or refused with a code of its own", async () => {
  const [kit] = kits as [Kit<unknown>];
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.uint8Array({ maxLength: 40 }).map((each) => encodeBase64(each)),
      ),
      async (text) => {
        const { accounts, tasks } = serverWith({ authPassword: [old] });
        const asking = tasks[0]?.perform(serverAbout(kit, both), []);
        await asking?.next();
        const element = kit.adapter.create("hash", "urn:xmpp:scram-upgrade:0", {}, [text]);
        const code = await asking?.next([element]).then(
          () => undefined,
          (error: SASLFailure) => error.code,
        );
        expect([undefined, "malformed-message", "incorrect-encoding", "limit-exceeded"]).toContain(code);
        expect(verifiersOf(accounts)).toHaveLength(code === undefined ? 2 : 1);
      },
    ),
    { numRuns: 50 },
  );
});

test("the wire of a hash survives both libraries", () => {
  for (const kit of kits) {
    const [element] = overTheWire(kit, [kit.adapter.create("hash", "urn:xmpp:scram-upgrade:0", {}, ["a+/="])]);
    expect(shape(kit, element)).toEqual(["hash", "urn:xmpp:scram-upgrade:0", {}, "a+/="]);
  }
});
