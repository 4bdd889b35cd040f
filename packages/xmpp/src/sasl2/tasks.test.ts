/** Upgrades and the second factor within whole logins, both ends over both XML libraries, and over TLS. */
import {
  type AccountProperties,
  channelBinding,
  type MemoryAccounts,
  makeScramVerifier,
  memoryAccounts,
  type ServerOptions,
} from "sasl-core";
import {
  hashSha1,
  hashSha256,
  hashSha512,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha1,
  scramSha1Plus,
  scramSha256,
  scramSha256Plus,
  scramSha512,
  scramSha512Plus,
} from "sasl-core/mechanisms";
import { authenticate, sasl2, scramUpgrade, scramUpgradeTasks, totp } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { type TotpRecord, totpCode, totpProperty, totpTask } from "sasl-xmpp/totp";
import { describe, expect, test } from "vitest";
import { ca, type Loopback, loopback } from "../../test/loopback.js";
import { play } from "../../test/sasl2.js";
import { bytes, kits, rejection } from "../../test/support.js";

const alice = { username: "alice", password: "open sesame" };
const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });
const old = await makeScramVerifier(hashSha1, alice.password, { iterations: 4096 });
const factor: TotpRecord = { secret: bytes("12345678901234567890"), algorithm: "SHA1", digits: 6, period: 30 };
const NOW = 1_234_567_890_000;
const now = () => NOW;
const code = totpCode(factor, NOW);

const mechanisms = [plain, scramSha1, scramSha1Plus, scramSha256, scramSha256Plus, scramSha512, scramSha512Plus];
/** An account of before: a verifier for SHA-1 alone. What is offered is what it can use. */
function server(account: AccountProperties = { authPassword: [old] }): {
  sasl: Partial<ServerOptions>;
  accounts: MemoryAccounts;
} {
  const accounts = memoryAccounts({ alice: account });
  return { accounts, sasl: { accounts, mechanisms: [plain, scramSha1, scramSha1Plus] } };
}

const hashesOf = (accounts: MemoryAccounts) =>
  (accounts.lookup("alice", []) as AccountProperties).authPassword?.map(({ hash }) => hash);
const upgrades = (accounts: MemoryAccounts) =>
  scramUpgradeTasks({ accounts, hashes: [hashSha256, hashSha512], iterations: 4096 });

describe.each(kits)("a login with $name", (kit) => {
  test("R-UPGR-02 R-UPGR-04 upgrades after SCRAM-SHA-1-PLUS, and the next login uses them", async () => {
    const { accounts, sasl } = server();
    const both = { server: { tasks: upgrades(accounts) }, client: { tasks: [scramUpgrade(alice)] }, sasl, binding };
    const first = await play(kit, [SCRAMPLUS(alice)], both);
    expect(first.error).toBeUndefined();
    expect(first.result).toMatchObject({
      mechanism: "SCRAM-SHA-1-PLUS",
      jid: "alice@localhost",
      tasks: ["UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"],
    });
    const upgrade = ["continue", "next", "task-data", "task-data"];
    expect(first.names).toEqual(["authenticate", "challenge", "response", ...upgrade, ...upgrade, "success"]);
    // XEP-0480 §2.2: one task at a time.
    const offered = first.said
      .filter(([name]) => name === "continue")
      .map((each) => JSON.stringify(each).match(/UPGR-[^"]+/g));
    expect(offered).toEqual([["UPGR-SCRAM-SHA-256"], ["UPGR-SCRAM-SHA-512"]]);
    expect(hashesOf(accounts)).toEqual(["SHA-1", "SHA-256", "SHA-512"]);

    const second = await play(kit, [SCRAMPLUS(alice)], { ...both, sasl: { ...sasl, mechanisms } });
    expect(second.result).toMatchObject({ mechanism: "SCRAM-SHA-512-PLUS", tasks: [] });
    expect(second.names).toEqual(["authenticate", "challenge", "response", "success"]);
    const wrong = await play(kit, [SCRAM({ ...alice, password: "open" })], { ...both, sasl: { ...sasl, mechanisms } });
    expect(wrong.error).toMatchObject({ code: "refused" });
  });

  test("R-UPGR-05 no upgrades without a binding, and none that nobody asked for", async () => {
    const { accounts, sasl } = server();
    const tasks = upgrades(accounts);
    const unbound = await play(kit, [SCRAM(alice)], {
      server: { tasks },
      client: { tasks: [scramUpgrade(alice)] },
      sasl,
    });
    expect(unbound.result).toMatchObject({ mechanism: "SCRAM-SHA-1", tasks: [] });
    const unasked = await play(kit, [SCRAMPLUS(alice)], { server: { tasks }, sasl, binding });
    expect(unasked.result).toMatchObject({ mechanism: "SCRAM-SHA-1-PLUS", tasks: [] });
    expect(hashesOf(accounts)).toEqual(["SHA-1"]);
  });

  test("R-UPGR-03 a server that wants an upgrade nobody asked for gets nothing", async () => {
    const { accounts, sasl } = server();
    const tasks = upgrades(accounts).map((each) => ({ ...each, due: () => true }));
    const { error, names, said } = await play(kit, [SCRAM(alice)], {
      server: { tasks },
      client: { tasks: [scramUpgrade(alice)] },
      sasl,
    });
    expect(error).toMatchObject({ code: "unexpected-message" });
    expect(names).not.toContain("next");
    expect(JSON.stringify(said)).not.toContain("scram-upgrade:0");
    expect(hashesOf(accounts)).toEqual(["SHA-1"]);
  });

  test("R-UPGR-02 an upgrade that was not announced fails before the mechanism", async () => {
    const { accounts, sasl } = server();
    const { error, names } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks: upgrades(accounts) },
      client: { tasks: [scramUpgrade(alice)] },
      forgeRequest: (xml) => xml.replace(">UPGR-SCRAM-SHA-512<", ">UPGR-SCRAM-SHA-384<"),
      sasl,
      binding,
    });
    expect(error).toMatchObject({ code: "malformed-message" });
    expect(names).toEqual(["authenticate", "failure"]);
  });

  const upgrade = (name: string) => `<upgrade xmlns="urn:xmpp:sasl:upgrade:0">${name}</upgrade>`;
  const badRequests: readonly [why: string, xml: string][] = [
    ["an upgrade not announced", upgrade("UPGR-SCRAM-SHA-384")],
    ["R-UPGR-01 one with -PLUS", upgrade("UPGR-SCRAM-SHA-256-PLUS")],
    ["one in small letters", upgrade("upgr-scram-sha-256")],
    ["one with space around", upgrade(" UPGR-SCRAM-SHA-256 ")],
    ["an empty one", upgrade("")],
    ["a good one and a bad one", upgrade("UPGR-SCRAM-SHA-256") + upgrade("__proto__")],
    ["one twice", upgrade("UPGR-SCRAM-SHA-256") + upgrade("UPGR-SCRAM-SHA-256")],
    ["an element in it", upgrade("UPGR-SCRAM-SHA-256<x/>")],
    ["the fictional ones of XEP-0480", upgrade("UPGR-BLOOP2") + upgrade("UPGR-SNARF")],
  ];
  test.each(badRequests)("R-UPGR-02 the server refuses %s", async (_, xml) => {
    const { accounts, sasl } = server();
    const { error, names } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks: upgrades(accounts) },
      forgeRequest: (said) => said.replace("</authenticate>", `${xml}</authenticate>`),
      sasl,
      binding,
    });
    expect(error).toMatchObject({ code: "malformed-message" });
    expect(names).toEqual(["authenticate", "failure"]);
  });

  test("R-UPGR-02 the server lets other elements be", async () => {
    const { accounts, sasl } = server();
    const { error } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks: upgrades(accounts) },
      forgeRequest: (said) => said.replace("</authenticate>", "<upgrade xmlns='urn:x'>X</upgrade></authenticate>"),
      sasl,
      binding,
    });
    expect(error).toBeUndefined();
  });

  test("R-UPGR-02 R-UPGR-04 upgrades of two calls on one stream stand side by side", async () => {
    const { accounts, sasl } = server();
    const tasks = [
      ...scramUpgradeTasks({ accounts, hashes: [hashSha256], iterations: 4096 }),
      ...scramUpgradeTasks({ accounts, hashes: [hashSha512], iterations: 5000 }),
    ];
    const { error, result } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks },
      client: { tasks: [scramUpgrade(alice)] },
      sasl,
      binding,
    });
    expect(error).toBeUndefined();
    expect(result?.tasks).toHaveLength(2);
    expect(hashesOf(accounts)?.sort()).toEqual(["SHA-1", "SHA-256", "SHA-512"]);
  });

  test("R-UPGR-04 an exchange that is over stores nothing, whatever its task was waiting for", async () => {
    const { accounts, sasl } = server();
    let [over, reached] = [(): unknown => undefined, (): void => {}];
    const waiting = new Promise<void>((resolve) => {
      reached = resolve;
    });
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const written: unknown[] = [];
    const slow: typeof accounts = {
      ...accounts,
      store: (...change) => {
        written.push(change);
        return accounts.store(...change);
      },
    };
    const [task] = scramUpgradeTasks({ accounts: slow, hashes: [hashSha512], iterations: 4096 });
    if (task === undefined) throw new Error("no task");
    const late: typeof task = {
      ...task,
      async *perform(about, next) {
        over = () => about.signal.aborted;
        const talk = task.perform(about, next);
        const heard = yield (await talk.next()).value ?? [];
        reached();
        await gate;
        await talk.next(heard);
      },
    };
    const { error } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks: [late], taskTimeoutMs: 200 },
      client: { tasks: [scramUpgrade(alice)] },
      sasl: { ...sasl, limits: { timeoutMs: 200 } },
      binding,
    });
    await waiting;
    expect(error).toMatchObject({ code: "temporary" });
    expect(over()).toBe(true);
    go();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toEqual([]);
    expect(hashesOf(accounts)).toEqual(["SHA-1"]);
  });

  test("R-UPGR-02 a wrong password upgrades nothing", async () => {
    const { accounts, sasl } = server();
    const { error, names } = await play(kit, [SCRAMPLUS({ ...alice, password: "x" })], {
      server: { tasks: upgrades(accounts) },
      client: { tasks: [scramUpgrade(alice)] },
      sasl,
      binding,
    });
    expect(error).toMatchObject({ code: "refused" });
    expect(names.at(-1)).toBe("failure");
    expect(hashesOf(accounts)).toEqual(["SHA-1"]);
  });

  test.each([
    [undefined, "no-credentials"],
    [code, undefined],
  ])("R-SA2-15 a second factor that is set up during an upgrade is asked for: %s, %s", async (given, expected) => {
    const { accounts, sasl } = server();
    const upgrade = scramUpgrade(() => {
      accounts.store("alice", { [totpProperty]: factor });
      return alice;
    });
    const { error, session, result } = await play(kit, [SCRAMPLUS(alice)], {
      server: { tasks: [...upgrades(accounts), totpTask({ accounts, now })] },
      client: { tasks: [upgrade, totp(() => given)] },
      sasl,
      binding,
    });
    expect((error as { code?: string } | undefined)?.code).toBe(expected);
    expect(result?.tasks).toEqual(expected ? undefined : ["UPGR-SCRAM-SHA-256", "TOTP", "UPGR-SCRAM-SHA-512"]);
    expect(session.result !== undefined).toBe(expected === undefined);
  });

  test("R-UPGR-02 R-UPGR-04 the second factor first, and no verifier without it", async () => {
    const { accounts, sasl } = server({ authPassword: [old], [totpProperty]: factor });
    const tasks = [...upgrades(accounts), totpTask({ accounts, now, text: "A code, please" })];
    const login = (given: string | undefined) =>
      play(kit, [SCRAMPLUS(alice)], {
        server: { tasks },
        client: { tasks: [scramUpgrade(alice, { hashes: [hashSha512] }), totp(() => given)] },
        sasl,
        binding,
      });
    const wrong = await login("000000");
    expect(wrong.error).toMatchObject({ code: "refused" });
    expect(wrong.names.slice(3)).toEqual(["continue", "next", "failure"]);
    expect(wrong.events).toMatchObject([{ ok: false, code: "refused", authcid: "alice" }]);
    expect(wrong.session.result).toBeUndefined();
    const refused = await login(undefined);
    expect(refused.error).toMatchObject({ code: "no-credentials" });
    expect(hashesOf(accounts)).toEqual(["SHA-1"]);

    const right = await login(code);
    expect(right.result?.tasks).toEqual(["TOTP", "UPGR-SCRAM-SHA-512"]);
    expect(right.events).toMatchObject([{ ok: true }]);
    expect(hashesOf(accounts)).toEqual(["SHA-1", "SHA-512"]);
    const again = await login(code);
    expect(again.error).toMatchObject({ code: "refused" });
  });

  test("R-SA2-15 the second factor cannot be left out, or another task done in its place", async () => {
    const { accounts, sasl } = server({ authPassword: [old], [totpProperty]: factor });
    const tasks = [totpTask({ accounts, now }), ...upgrades(accounts)];
    for (const other of ["UPGR-SCRAM-SHA-512", "totp", ""]) {
      const { error, session } = await play(kit, [SCRAMPLUS(alice)], {
        server: { tasks },
        client: { tasks: [totp(() => code), scramUpgrade(alice)] },
        forgeRequest: (xml) => xml.replace(/task=(["'])TOTP\1/, `task="${other}"`),
        sasl,
        binding,
      });
      expect(error).toMatchObject({ code: "mechanism-unsupported" });
      expect(session.result).toBeUndefined();
    }
    const { error } = await play(kit, [SCRAMPLUS(alice)], { server: { tasks }, sasl, binding });
    expect(error).toMatchObject({ code: "no-common-mechanism" }); // a client that knows none
    expect(accounts.lookup("alice", [])).toEqual({ authPassword: [old], [totpProperty]: factor });
  });
});

describe("over TLS, at a listener", () => {
  async function listening(use: (server: Loopback, accounts: MemoryAccounts) => Promise<void>): Promise<void> {
    const { accounts, sasl } = server({ authPassword: [old], [totpProperty]: factor });
    const tasks = [totpTask({ accounts, now }), ...upgrades(accounts)];
    const started = await loopback({ sasl: { ...sasl, mechanisms }, sasl2: { tasks } });
    try {
      await use(started, accounts);
      expect(started.errors).toEqual([]);
    } finally {
      await started.close();
    }
  }

  test("R-UPGR-04 a second factor and two upgrades, bound to the connection", async () => {
    await listening(async (server, accounts) => {
      const stream = new SocketStream(await server.connect(), { domain: "localhost", from: "alice@localhost" });
      await stream.open();
      const features = await stream.startTLS({ ca });
      const announced = String(features).match(/UPGR-SCRAM-SHA-[0-9]+(?=<)/g);
      expect(announced).toEqual(["UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"]);
      const profile = sasl2({ tasks: [totp(() => code), scramUpgrade(alice)] });
      const result = await authenticate(stream, features, [SCRAMPLUS(alice, undefined, { hashes: [hashSha1] })], {
        sasl2: profile,
      });
      expect(result).toMatchObject({
        profile: "sasl2",
        channelBinding: "tls-exporter",
        jid: "alice@localhost",
        tasks: ["TOTP", "UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"],
      });
      expect(hashesOf(accounts)).toEqual(["SHA-1", "SHA-256", "SHA-512"]);
      stream.close();
    });
  });

  test("SASL1 does not get past the second factor", async () => {
    await listening(async (server, accounts) => {
      const stream = new SocketStream(await server.connect(), { domain: "localhost", from: "alice@localhost" });
      await stream.open();
      const features = await stream.startTLS({ ca });
      const error = await rejection(authenticate(stream, features, [PLAIN(alice)]));
      expect(error.code).toBe("mechanism-too-weak");
      expect(hashesOf(accounts)).toEqual(["SHA-1"]);
      stream.close();
    });
  });
});
