/** The second factor, both ends, on both XML libraries; and each end against what the other would never say. */
import { readFileSync } from "node:fs";
import { type AccountProperties, memoryAccounts, type SASLErrorCode, SASLFailure, saslError } from "sasl-core";
import {
  confirmTotp,
  newTotp,
  type TotpRecord,
  type TotpTaskOptions,
  totpCode,
  totpProperty,
  totpTask,
} from "sasl-xmpp/totp";
import { describe, expect, test } from "vitest";
import { bytes, type Kit, kits, rejection, shape } from "../test/support.js";
import { clientAbout, elementsOf, heard, perform, serverAbout } from "../test/tasks.js";
import { totp } from "./sasl2/totp.js";

type Algorithm = TotpRecord["algorithm"];
const vectors: {
  secrets: Record<Algorithm, string>;
  codes: ({ seconds: number } & Record<Algorithm, string>)[];
} = JSON.parse(readFileSync(new URL("../test/vectors/rfc-6238.json", import.meta.url), "utf8"));

const algorithms: readonly Algorithm[] = ["SHA1", "SHA256", "SHA512"];
const published = algorithms.flatMap((algorithm) =>
  vectors.codes.map((row) => ({ algorithm, seconds: row.seconds, code: row[algorithm] })),
);
const record: TotpRecord = { secret: bytes(vectors.secrets.SHA1), algorithm: "SHA1", digits: 6, period: 30 };
const NOW = 1_234_567_890_000;
const STEP = Math.floor(NOW / 30_000);
const codeAt = (steps: number) => totpCode(record, NOW + steps * 30_000);
const NS = "xmlns='urn:x-sasl-xmpp:totp:0'";
const [anyKit] = kits as [Kit<unknown>];

/** A server, and what it makes of one code. */
function serverWith(held: TotpRecord | undefined = record, options: Partial<TotpTaskOptions> = {}) {
  const clock = { now: NOW };
  const accounts = memoryAccounts({ user: { [totpProperty]: held, quota: 7 } });
  const task = totpTask({ accounts, now: () => clock.now, ...options });
  const attempt = async (code: string, kit: Kit<unknown> = anyKit): Promise<SASLErrorCode | "ok"> => {
    const asking = task.perform(serverAbout(kit), heard(kit, `<code ${NS}>${code}</code>`));
    return asking.next().then(
      ({ done }) => (done ? "ok" : "temporary"),
      (error: SASLFailure) => error.code,
    );
  };
  const kept = () => (accounts.lookup("user", []) as AccountProperties)[totpProperty] as TotpRecord;
  return { clock, accounts, task, attempt, kept };
}

describe("RFC 6238 Appendix B", () => {
  test.each(published)(
    "$algorithm at $seconds seconds: $code, made and accepted",
    async ({ algorithm, seconds, code }) => {
      const held: TotpRecord = { secret: bytes(vectors.secrets[algorithm]), algorithm, digits: 8, period: 30 };
      expect(totpCode(held, seconds * 1000)).toBe(code);
      const { clock, attempt, kept } = serverWith(held, { window: 0 });
      clock.now = seconds * 1000;
      expect(await attempt(code)).toBe("ok");
      expect(kept().lastStep).toBe(Math.floor(seconds / 30));
    },
  );

  test("a view into a larger buffer is the secret, and no more", () => {
    const padded = bytes(`xx${vectors.secrets.SHA1}xx`);
    const secret = padded.subarray(2, 22);
    expect(totpCode({ ...record, secret, digits: 8 }, 59_000)).toBe("94287082");
  });
});

describe.each(kits)("with $name", (kit: Kit<unknown>) => {
  test("from one end to the other", async () => {
    const { task, kept, accounts } = serverWith();
    const asked: unknown[] = [];
    const client = totp((request) => {
      asked.push(request);
      return codeAt(0);
    });
    expect(client.handles(task.name)).toBe(true);
    expect(client.handles("HOTP")).toBe(false);
    const admitted = serverAbout(kit);
    expect(await task.due(admitted)).toBe(true);
    expect(await perform(kit, [client, clientAbout(kit, "")], [task, admitted])).toBe(1);
    expect(asked).toEqual([{ account: "user@example.org", task: "TOTP" }]);
    expect(kept()).toEqual({ ...record, lastStep: STEP });
    expect(accounts.lookup("user", [])).toMatchObject({ quota: 7 });
  });

  test("what the client says, as people type it", async () => {
    const client = totp(async () => " 123-456\u00a0", { name: "X-CODE" });
    expect(client.handles("TOTP")).toBe(false);
    const saying = client.perform("X-CODE", clientAbout(kit, ""));
    const { value } = await saying.next();
    expect((value as unknown[]).map((each) => shape(kit, each))).toEqual([
      ["code", "urn:x-sasl-xmpp:totp:0", {}, "123456"],
    ]);
    expect(await saying.next([])).toMatchObject({ done: true });
  });

  const refusals: readonly [why: string, ask: () => Promise<string | undefined>, code: SASLErrorCode][] = [
    ["refuses", async () => undefined, "no-credentials"],
    ["gives nothing", async () => "", "no-credentials"],
    ["gives too few digits", async () => "12345", "no-credentials"],
    ["gives too many digits", async () => "12345678901", "no-credentials"],
    ["gives letters", async () => "12345a", "no-credentials"],
    ["gives markup", async () => "<a/>123456", "no-credentials"],
    ["fails", async () => Promise.reject(new Error("no device")), "temporary"],
    ["gives up", async () => Promise.reject(new SASLFailure("aborted", "closed")), "aborted"],
  ];
  test.each(refusals)("a client whose application %s", async (_, ask, code) => {
    const error = await rejection(totp(ask).perform("TOTP", clientAbout(kit, "")).next());
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/\d/);
  });

  const bad: readonly [why: string, xml: string][] = [
    ["nothing", ""],
    ["an empty code", `<code ${NS}/>`],
    ["five digits", `<code ${NS}>12345</code>`],
    ["a flood of digits", `<code ${NS}>${"1".repeat(50_000)}</code>`],
    ["white space", `<code ${NS}> ${codeAt(0)}</code>`],
    ["a sign", `<code ${NS}>+${codeAt(0)}</code>`],
    ["digits of another script", `<code ${NS}>\u0661\u0662\u0663\u0664\u0665\u0666</code>`],
    ["two codes", `<code ${NS}>${codeAt(0)}</code><code ${NS}>${codeAt(1)}</code>`],
    ["a code in no namespace of ours", `<code xmlns='urn:x'>${codeAt(0)}</code>`],
    ["another element", `<kode ${NS}>${codeAt(0)}</kode>`],
    ["a code with an element in it", `<code ${NS}>${codeAt(0)}<x/></code>`],
    ["what XEP-0388 had before", `<initial-response xmlns='urn:xmpp:sasl:2'>${codeAt(0)}</initial-response>`],
  ];
  test.each(bad)("the server refuses %s, and counts nothing", async (_, xml) => {
    const { task, kept } = serverWith();
    const error = await rejection(task.perform(serverAbout(kit), heard(kit, xml)).next());
    expect(error.code).toBe("malformed-message");
    expect(kept()).toBe(record);
  });

  test("elements of others are passed over", async () => {
    const { task } = serverWith();
    const said = heard(kit, `<x xmlns='urn:x'/><code ${NS}>${codeAt(0)}</code>`);
    expect(elementsOf(said)).toHaveLength(2);
    expect(await task.perform(serverAbout(kit), said).next()).toMatchObject({ done: true });
  });
});

describe("which codes count", () => {
  test.each([
    [-2, "refused"],
    [-1, "ok"],
    [0, "ok"],
    [1, "ok"],
    [2, "refused"],
  ] as const)("the one %d steps away: %s", async (steps, outcome) => {
    const { attempt, kept } = serverWith();
    expect(await attempt(codeAt(steps))).toBe(outcome);
    expect(kept().lastStep).toBe(outcome === "ok" ? STEP + steps : undefined);
  });

  test("a window of none, and a wide one", async () => {
    expect(await serverWith(record, { window: 0 }).attempt(codeAt(-1))).toBe("refused");
    expect(await serverWith(record, { window: 0 }).attempt(codeAt(0))).toBe("ok");
    expect(await serverWith(record, { window: 10 }).attempt(codeAt(-10))).toBe("ok");
    expect(await serverWith(record, { window: 10 }).attempt(codeAt(11))).toBe("refused");
  });

  test("RFC 6238 §5.2: a code counts once, and no older one after it", async () => {
    const { attempt, clock } = serverWith();
    expect(await attempt(codeAt(0))).toBe("ok");
    expect(await attempt(codeAt(0))).toBe("refused");
    expect(await attempt(codeAt(-1))).toBe("refused");
    expect(await attempt(codeAt(1))).toBe("ok");
    clock.now += 30_000;
    expect(await attempt(codeAt(1))).toBe("refused");
    expect(await attempt(codeAt(2))).toBe("ok");
  });

  test("of many logins at once with one code, one gets in", async () => {
    const { attempt, kept } = serverWith(record, { freeFailures: 100 });
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => attempt(codeAt(0))));
    expect(outcomes.filter((each) => each === "ok")).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(["ok", "refused"]));
    expect(kept()).toMatchObject({ lastStep: STEP, failures: 7 });
  });

  test("a code with more or fewer digits than the account's is wrong", async () => {
    expect(await serverWith().attempt(totpCode({ ...record, digits: 8 }, NOW))).toBe("refused");
    expect(await serverWith({ ...record, digits: 8 }).attempt(codeAt(0))).toBe("refused");
  });

  test("another account's code is wrong", async () => {
    const other = { ...record, secret: bytes("09876543210987654321") };
    expect(await serverWith(other).attempt(codeAt(0))).toBe("refused");
  });
});

describe("how often one may guess", () => {
  const wrong = "000000";

  test("RFC 4226 §7.3: after the free ones a minute, then twice as long for each, up to a day", async () => {
    const { attempt, clock, kept } = serverWith();
    for (let i = 0; i < 5; i++) expect(await attempt(wrong)).toBe("refused");
    for (let minutes = 1; minutes <= 1024; minutes *= 2) {
      clock.now += minutes * 60_000 - 1;
      expect(await attempt(totpCode(record, clock.now))).toBe("limit-exceeded"); // not even a right one is looked at
      clock.now += 1;
      expect(await attempt(wrong)).toBe("refused");
    }
    for (let i = 0; i < 3; i++) {
      clock.now += 86_400_000 - 1;
      expect(await attempt(wrong)).toBe("limit-exceeded");
      clock.now += 1;
      expect(await attempt(wrong)).toBe("refused");
    }
    expect(kept().failures).toBe(5 + 11 + 3);
    clock.now += 86_400_000;
    expect(await attempt(totpCode(record, clock.now))).toBe("ok");
    expect(kept()).toEqual({ ...record, lastStep: Math.floor(clock.now / 30_000) }); // and all is forgotten
  });

  test("guesses at once are counted one by one", async () => {
    const { attempt, kept } = serverWith();
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => attempt(wrong)));
    expect(outcomes.filter((each) => each === "refused")).toHaveLength(5);
    expect(outcomes.filter((each) => each === "limit-exceeded")).toHaveLength(7);
    expect(kept()).toMatchObject({ failures: 5, failedAt: NOW });
  });

  test("a replayed code counts as wrong", async () => {
    const { attempt, kept } = serverWith({ ...record, lastStep: STEP });
    expect(await attempt(codeAt(0))).toBe("refused");
    expect(kept()).toEqual({ ...record, lastStep: STEP, failures: 1, failedAt: NOW });
  });

  test("as few free ones as the application says", async () => {
    const { attempt } = serverWith(record, { freeFailures: 1 });
    expect(await attempt(wrong)).toBe("refused");
    expect(await attempt(wrong)).toBe("limit-exceeded");
  });
});

describe("who has to", () => {
  const due = async (held: TotpRecord | undefined, mechanism: string, options = {}) =>
    serverWith(held, options).task.due(serverAbout(anyKit, "", { mechanism }));

  test("accounts with a second factor; not those without, nor names without an account", async () => {
    expect(await due(record, "PLAIN")).toBe(true);
    expect(await due(record, "EXTERNAL")).toBe(true);
    const { task } = serverWith();
    expect(await task.due(serverAbout(anyKit, "", { authcid: "nobody" }))).toBe(false);
    const bare = totpTask({ accounts: memoryAccounts({ user: {} }) });
    expect(await bare.due(serverAbout(anyKit))).toBe(false);
  });

  test("whoever is authenticated, not whom they act as", async () => {
    const accounts = memoryAccounts({ user: { [totpProperty]: record }, other: {} });
    const task = totpTask({ accounts });
    expect(await task.due(serverAbout(anyKit, "", { authcid: "user", authzid: "other" }))).toBe(true);
    expect(await task.due(serverAbout(anyKit, "", { authcid: "other", authzid: "user" }))).toBe(false);
    const said = heard(anyKit, `<code ${NS}>${totpCode(record)}</code>`);
    await task.perform(serverAbout(anyKit, "", { authcid: "user", authzid: "other" }), said).next();
    expect(accounts.lookup("user", [])).toMatchObject({ [totpProperty]: { lastStep: expect.any(Number) } });
    expect(accounts.lookup("other", [])).toEqual({});
  });

  test("not with a token, unless the application wants it", async () => {
    expect(await due(record, "HT-SHA-256-EXPR")).toBe(false);
    expect(await due(record, "HT-SHA-256-EXPR", { applies: () => true })).toBe(true);
    expect(await due(record, "PLAIN", { applies: () => false })).toBe(false);
  });

  test("an account whose second factor went away meanwhile is not let in", async () => {
    const { accounts, attempt } = serverWith();
    accounts.store("user", { [totpProperty]: undefined });
    expect(await attempt(codeAt(0))).toBe("refused");
    accounts.remove("user");
    expect(await attempt(codeAt(0))).toBe("refused");
  });

  test("name, text and step", () => {
    const { task } = serverWith(record, { name: "X", text: "A code, please" });
    expect(task).toMatchObject({ name: "X", text: "A code, please" });
    expect(task.step ?? 0).toBe(0); // upgrades come after it
    expect(task.announce).toBeUndefined(); // nobody is told before authentication who has one
  });
});

describe("R-STO-04 accounts that cannot be relied on let nobody in", () => {
  const records: readonly [why: string, value: unknown][] = [
    ["a text", "JBSWY3DPEHPK3PXP"],
    ["true", true],
    ["nothing in it", {}],
    ["a short secret", { ...record, secret: new Uint8Array(15) }],
    ["an endless secret", { ...record, secret: new Uint8Array(1025) }],
    ["a secret that is text", { ...record, secret: "12345678901234567890" }],
    ["a secret of another view", { ...record, secret: new Uint16Array(20) }],
    ["an unknown hash", { ...record, algorithm: "MD5" }],
    ["a hash from the prototype", { ...record, algorithm: "constructor" }],
    ["one digit", { ...record, digits: 1 }],
    ["no digits", { ...record, digits: Number.NaN }],
    ["no period", { ...record, period: 0 }],
    ["a last step that is none", { ...record, lastStep: "0" }],
    ["a negative last step", { ...record, lastStep: -1 }],
    ["failures that are none", { ...record, failures: Number.POSITIVE_INFINITY }],
  ];
  test.each(records)("a record with %s", async (_, value) => {
    const { task, attempt } = serverWith(value as TotpRecord);
    expect((await rejection(task.due(serverAbout(anyKit)) as Promise<unknown>)).code).toBe("temporary");
    expect(await attempt(codeAt(0))).toBe("temporary");
  });

  const broken = (parts: object) => {
    const accounts = { ...memoryAccounts({ user: { [totpProperty]: record } }), ...parts };
    return serverWith(record, { accounts }).attempt(codeAt(0));
  };
  test("a store that is down, or says so", async () => {
    expect(await broken({ lookup: () => Promise.reject(new Error("down")) })).toBe("temporary");
    expect(await broken({ store: () => Promise.reject(new Error("full")) })).toBe("temporary");
    expect(await broken({ store: () => Promise.reject(saslError("account-disabled", "no")) })).toBe("account-disabled");
  });

  test("a store that never writes", async () => {
    let tries = 0;
    expect(await broken({ store: () => ++tries < 0 })).toBe("temporary");
    expect(tries).toBe(16);
  });

  test("a right code that could not be written, and so could come again", async () => {
    const { accounts, attempt } = serverWith();
    const store = () => undefined as never;
    expect(await serverWith(record, { accounts: { ...accounts, store } }).attempt(codeAt(0))).toBe("temporary");
    expect(await attempt(codeAt(0))).toBe("ok");
  });
});

describe("enrolment", () => {
  test("a secret, as apps read it and as people type it", () => {
    const made = newTotp({
      issuer: "Example Org",
      account: "user@example.org",
      random: (n) => bytes("12345678901234567890".slice(0, n)),
    });
    expect(made.record).toEqual(record);
    expect(made.secret).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    const uri = new URL(made.uri);
    expect(made.uri).toMatch(/^otpauth:\/\/totp\/Example%20Org:user%40example\.org\?/);
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      issuer: "Example Org",
      secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
  });

  test.each([
    ["SHA1", 20],
    ["SHA256", 32],
    ["SHA512", 64],
  ] as const)("%s has a fresh secret of %d octets", (algorithm, size) => {
    const names = { issuer: "x", account: "y", algorithm, digits: 8, period: 60 };
    const [a, b] = [newTotp(names), newTotp(names)];
    expect(a.record).toMatchObject({ algorithm, digits: 8, period: 60 });
    expect(a.record.secret).toHaveLength(size);
    expect(a.record.secret).not.toEqual(b.record.secret);
  });

  test("what is in a name stays in it", () => {
    const { uri } = newTotp({ issuer: "a?b&secret=c", account: "d#e/f%:g" });
    const parsed = new URL(uri);
    expect(parsed.searchParams.getAll("secret")).toHaveLength(1);
    expect(parsed.searchParams.get("issuer")).toBe("a?b&secret=c");
    expect(parsed.hash).toBe("");
  });

  test("the first code confirms it, and is used up", async () => {
    const now = () => NOW;
    const spaced = `${codeAt(0).slice(0, 3)} ${codeAt(0).slice(3)}`;
    const confirmed = confirmTotp(record, spaced, { now });
    expect(confirmed).toEqual({ ...record, lastStep: STEP });
    const { attempt } = serverWith(confirmed);
    expect(await attempt(codeAt(0))).toBe("refused");
    expect(await attempt(codeAt(1))).toBe("ok");
  });

  test.each(["", "000000", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666"])(
    "%j confirms nothing",
    (code) => {
      expect(confirmTotp(record, code, { now: () => NOW })).toBeUndefined();
    },
  );

  test.each([
    ["no issuer", { issuer: "", account: "y" }, TypeError],
    ["no account", { issuer: "x", account: "" }, TypeError],
    ["a colon in the issuer", { issuer: "x:y", account: "z" }, TypeError],
    ["five digits", { issuer: "x", account: "y", digits: 5 }, RangeError],
    ["nine digits", { issuer: "x", account: "y", digits: 9 }, RangeError],
    ["a short period", { issuer: "x", account: "y", period: 14 }, RangeError],
    ["a period without end", { issuer: "x", account: "y", period: Number.POSITIVE_INFINITY }, RangeError],
    ["an unknown hash", { issuer: "x", account: "y", algorithm: "MD5" as never }, RangeError],
  ])("refuses %s", (_, options, kind) => {
    expect(() => newTotp(options)).toThrow(kind);
  });
});

describe("misuse", () => {
  const accounts = memoryAccounts();
  test.each([
    ["a store that cannot write", { accounts: { lookup: () => undefined } }, TypeError],
    ["no free failures", { accounts, freeFailures: 0 }, RangeError],
    ["failures without end", { accounts, freeFailures: Number.POSITIVE_INFINITY }, RangeError],
    ["a negative window", { accounts, window: -1 }, RangeError],
    ["a window of hours", { accounts, window: 11 }, RangeError],
    ["a part of a step", { accounts, window: 0.5 }, RangeError],
  ])("refuses %s", (_, options, kind) => {
    expect(() => totpTask(options as TotpTaskOptions)).toThrow(kind);
  });
});

test.each([codeAt(0), "000000"])("an exchange that is over neither uses up nor counts the code %s", async (code) => {
  const { task, kept, attempt } = serverWith();
  const over = new AbortController();
  const about = { ...serverAbout(anyKit), signal: over.signal };
  const done = rejection(task.perform(about, heard(anyKit, `<code ${NS}>${code}</code>`)).next());
  over.abort(); // while the account is looked up
  expect((await done).code).toBe("aborted");
  expect(kept()).toEqual(record);
  expect(await attempt(codeAt(0))).toBe("ok");
});

test("errors hold no code and no secret", async () => {
  const { task } = serverWith({ ...record, lastStep: STEP });
  const error = await rejection(
    task.perform(serverAbout(anyKit), heard(anyKit, `<code ${NS}>${codeAt(0)}</code>`)).next(),
  );
  const shown = [error.message, String(error.detail), JSON.stringify(error)].join(" ");
  expect(shown).not.toContain(codeAt(0));
  expect(shown).not.toMatch(/GEZDG|1234567890/);
});
