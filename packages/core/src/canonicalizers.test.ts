import { describe, expect, test } from "vitest";
import { user } from "../test/support.js";
import { authenticate } from "./authenticate.js";
import { type CanonicalizeRequest, type Canonicalizer, clientNames } from "./canonicalize.js";
import {
  appendRealm,
  precis,
  saslprepName,
  stripRealm,
  trim,
  usernameCaseMapped,
  usernameCasePreserved,
} from "./canonicalizers.js";
import { PLAIN, plain, SCRAM, scramSha256 } from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { SASLServer } from "./server.js";

const request: CanonicalizeRequest = {
  role: "authcid",
  side: "server",
  mechanism: "PLAIN",
  service: "imap",
  host: "example.com",
};
const codeOf = async (rule: Canonicalizer, name: string): Promise<string> => {
  try {
    return await rule.canonicalize(name, request);
  } catch (error) {
    return `error: ${(error as { code?: string }).code}`;
  }
};

const rows: readonly [rule: Canonicalizer, name: string, result: string][] = [
  [trim(), "  tim\t", "tim"],
  [trim(), "t im", "t im"],
  [trim(), " \t ", "error: malformed-message"],
  [saslprepName, "t\u00adim", "tim"],
  [saslprepName, "\u2168", "IX"],
  [saslprepName, "\u0007", "error: malformed-message"],
  [usernameCaseMapped, "Juliet@Example.com", "juliet@example.com"],
  [usernameCaseMapped, "Σ", "σ"],
  [usernameCaseMapped, "foo bar", "error: malformed-message"],
  [usernameCaseMapped, "henry\u2163", "error: malformed-message"],
  [usernameCasePreserved, "Juliet", "Juliet"],
  [usernameCasePreserved, "\uff21lice", "Alice"],
  [usernameCasePreserved, "\ud800", "error: incorrect-encoding"],
  [appendRealm("example.net"), "tim", "tim@example.net"],
  [appendRealm(), "tim", "tim@example.com"],
  [appendRealm(), "tim@example.net", "tim@example.net"],
  [stripRealm(), "tim@EXAMPLE.com", "tim"],
  [stripRealm("example.net"), "tim@example.com", "tim@example.com"],
  [stripRealm(), "@example.com", "@example.com"],
  [stripRealm(), "tim@example.com@example.com", "tim@example.com@example.com"],
  [stripRealm("example.net", { others: "refuse" }), "tim@example.com", "error: authorization-refused"],
  [stripRealm("example.net", { others: "refuse" }), "tim", "tim"],
];
describe("ready-made canonicalisers", () => {
  test.each(rows)("R-CAN-03 %o gives %j as %j, and that again", async (rule, name, result) => {
    expect(await codeOf(rule, name)).toBe(result);
    if (!result.startsWith("error")) expect(await codeOf(rule, result)).toBe(result);
  });

  test.each(["", "a@b"])("a realm cannot be %j", (realm) => {
    expect(() => appendRealm(realm)).toThrow(RangeError);
    expect(() => stripRealm(realm)).toThrow(RangeError);
  });
});

describe("chains", () => {
  const server = (canonicalizers: readonly Canonicalizer[]) =>
    new SASLServer({
      host: "example.com",
      mechanisms: [plain, scramSha256],
      accounts: memoryAccounts({ "tim@example.com": user.password }),
      canonicalizers,
    });

  test("R-CAN-01 R-CAN-02 each rule gets what the one before it gave, and the last word is the account's name", async () => {
    const session = server([trim(), usernameCaseMapped, appendRealm()]).session({ secure: true });
    await authenticate(session, ["PLAIN"], [PLAIN({ ...user, username: " TIM " })]);
    expect(session.result).toMatchObject({ authcid: "tim@example.com", authzid: "tim@example.com" });
  });

  test("in another order the same rules say something else", async () => {
    const session = server([appendRealm(), trim()]).session({ secure: true });
    await expect(authenticate(session, ["PLAIN"], [PLAIN({ ...user, username: "tim " })])).rejects.toMatchObject({
      code: "refused",
    });
  });

  test("R-CAN-01 a client's rules apply before any mechanism sees the name; those of the other side do not", async () => {
    const no: Canonicalizer = { name: "no", side: "server", canonicalize: () => "nobody" };
    for (const mechanism of [PLAIN, SCRAM]) {
      const session = server([]).session({ secure: true });
      const result = await authenticate(
        session,
        ["PLAIN", "SCRAM-SHA-256"],
        [mechanism({ ...user, username: " tim ", authzid: " tim" })],
        { host: "example.com", names: clientNames([no, trim(), appendRealm()]) },
      );
      expect(result).toMatchObject({ authcid: "tim@example.com", authzid: "tim@example.com" });
      expect(session.result?.authcid).toBe("tim@example.com");
    }
  });

  test.each<[why: string, canonicalize: (name: string) => unknown, code: string]>([
    ["empty", () => "", "malformed-message"],
    ["long", (name) => name.repeat(400), "limit-exceeded"],
    ["with a NUL", () => "a\0b", "malformed-message"],
  ])("R-CAN-03 a client does not go on with a name that came out %s", async (_, canonicalize, code) => {
    const canonicalizers = [{ name: "a rule", canonicalize }] as unknown as readonly Canonicalizer[];
    await expect(
      authenticate(server([]).session({ secure: true }), ["PLAIN"], [PLAIN(user)], {
        names: clientNames(canonicalizers),
      }),
    ).rejects.toMatchObject({ code });
  });
});

describe("precis instead of SASLprep", () => {
  test.each([
    ["password", "correct  horse", "correct  horse"],
    ["password", "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"],
    ["name", "\uff21lice", "Alice"],
  ] as const)("a %s %j is prepared as %j", async (what, text, result) => {
    expect(await precis(text, "query", what)).toBe(result);
  });

  test("a space may be in a password and not in a name", async () => {
    await expect((async () => precis("foo bar", "query", "name"))()).rejects.toMatchObject({
      code: "malformed-message",
    });
  });

  test("both ends prepare with it", async () => {
    const accounts = memoryAccounts({ Alice: "p\u00e5ss\u1fbf" });
    const session = new SASLServer({ mechanisms: [scramSha256], accounts, prepare: precis }).session({ secure: true });
    const credentials = { username: "\uff21lice", password: "pa\u030ass\u1fbf" };
    await authenticate(session, ["SCRAM-SHA-256"], [SCRAM(credentials)], { prepare: precis });
    expect(session.result?.authcid).toBe("Alice");
  });
});
