import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scriptOf } from "../../../test/exchanges.js";
import { codeAfter, codeOf, serverWith } from "../../../test/support.js";
import { loadVectors, type Outcome } from "../../../test/vectors.js";
import type { AccountProperties } from "../../accounts.js";
import { authenticate } from "../../authenticate.js";
import { channelBinding } from "../../channel-binding.js";
import { isSASLError, type SASLErrorCode, saslError } from "../../errors.js";
import { decodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { encodeUtf8 } from "../../internal/text.js";
import { type MemoryAccounts, memoryAccounts } from "../../memory-accounts.js";
import { passwordChange } from "../../set-password.js";
import { SASLStateMachine } from "../../state-machine.js";
import { playToServer, scriptedServer } from "../../testing.js";
import { plain, scramSha256 } from "../index.js";
import {
  type HashedTokens,
  HT,
  hashedTokens,
  htSha3_512,
  htSha3_512Expr,
  htSha256,
  htSha256Endp,
  htSha256Expr,
  htSha256None,
  htSha384,
  htSha512,
} from "./index.js";
import { formatInitiator, parseInitiator } from "./messages.js";

interface HtInputs {
  readonly mechanism: string;
  readonly username: string;
  readonly token: string;
  readonly channel_binding_data_b64: string;
}
interface HtOutcome extends Outcome {
  readonly failing_side?: "client" | "server";
}

const vectors = [...loadVectors<HtInputs, HtOutcome>("ht"), ...loadVectors<HtInputs, HtOutcome>("ht-more")];
const hashes = [htSha256, htSha384, htSha512, htSha3_512];
const types: Readonly<Record<string, string>> = {
  EXPR: "tls-exporter",
  UNIQ: "tls-unique",
  ENDP: "tls-server-end-point",
};
const typeOf = (mechanism: string) => types[mechanism.slice(-4)];

/** The mechanisms of a server that keeps tokens as they are, and an account with one of them. */
function withToken(mechanism: string, username: string, token: string, more: object = {}) {
  const record = { id: "1", mechanism, client: "phone", expires: 2 ** 52, token, ...more };
  const accounts = memoryAccounts({ [username]: { hashedTokens: [record] } });
  return { accounts, mechanisms: hashedTokens({ accounts, hashes }).mechanisms };
}

/** What a connection with one binding has: the data may be of another one than the mechanism wants. */
function bound(mechanism: string, data: Uint8Array) {
  const type = typeOf(mechanism);
  return type === undefined ? undefined : channelBinding({ [type]: data });
}

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const { mechanism, username, token } = inputs;
  const data = decodeBase64(inputs.channel_binding_data_b64);
  const script = scriptOf(vector);
  const type = typeOf(mechanism);

  if (result.failing_side !== "server") {
    test(`R-HT-01 R-HT-02 R-HT-03 the client: ${result.outcome}`, async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      const settings = { channelBinding: bound(mechanism, data) };
      const exchange = HT({ username, token }, { hashes }).authenticate(machine, mechanism, settings);
      if (result.outcome === "success") {
        expect(await exchange).toMatchObject({ authcid: username, serverVerified: true, channelBinding: type });
      } else {
        expect(await codeOf(exchange)).toBe("peer-not-verified");
      }
    });
  }

  if (result.failing_side !== "client") {
    test(`R-HT-01 R-HT-03 the server: ${result.outcome}`, async () => {
      const { accounts, mechanisms } = withToken(mechanism, username, token);
      const session = serverWith(mechanisms, { accounts }).session({
        secure: true,
        successData: true,
        channelBinding: bound(mechanism, data),
      });
      const played = await playToServer(session, mechanism, script);
      expect(played.state).toBe(result.outcome);
      expect(session.result?.authcid).toBe(result.outcome === "success" ? username : undefined);
      expect(session.result?.credential).toBe(result.outcome === "success" ? "1" : undefined);
    });
  }
});

const phone = { username: "tim", token: "secret-token-of-tim" };
const connection = { secure: true, successData: true };

/** The hashed token of `phone` for NONE, computed with OpenSSL: HMAC-SHA-256 of "Initiator". */
const right = decodeBase64("atcGx0vtpwtO1yPyBHqm/JD8W655w7b8Xri8UScwfgw=");

/** A session at a server that knows the token of `phone` for HT-SHA-256-NONE. */
function sessionFor(more: object = {}) {
  const { accounts, mechanisms } = withToken("HT-SHA-256-NONE", phone.username, phone.token, more);
  return serverWith(mechanisms, { accounts }).session(connection);
}

describe("the server", () => {
  const message = (name: string | Uint8Array, mac: Uint8Array) =>
    concatBytes(typeof name === "string" ? encodeUtf8(name) : name, mac);
  const hostile: readonly [why: string, message: Uint8Array, code: SASLErrorCode | "success"][] = [
    ["R-HT-01 what is right, so that the rest means something", message("tim\0", right), "success"],
    ["R-HT-01 nothing", new Uint8Array(0), "malformed-message"],
    [
      "R-HT-01 no NUL",
      message(
        "tim",
        right.map((octet) => octet || 1),
      ),
      "malformed-message",
    ],
    ["R-HT-01 no name", message("\0", right), "malformed-message"],
    ["R-HT-01 no hashed token", message("tim\0", new Uint8Array(0)), "malformed-message"],
    ["R-HT-01 a hashed token one octet short", message("tim\0", right.subarray(1)), "malformed-message"],
    ["R-HT-01 a hashed token one octet long", message("tim\0\0", right), "malformed-message"],
    ["R-HT-01 the hashed token of another hash", message("tim\0", new Uint8Array(64)), "malformed-message"],
    ["R-HT-01 a name of 255 octets", message(`${"a".repeat(255)}\0`, right), "refused"],
    ["R-HT-01 a name of 256 octets", message(`${"a".repeat(256)}\0`, right), "limit-exceeded"],
    ["R-HT-01 no UTF-8", message(Uint8Array.of(0xff, 0), right), "incorrect-encoding"],
    ["R-HT-01 a surrogate in UTF-8", message(Uint8Array.of(0xed, 0xa0, 0x80, 0), right), "incorrect-encoding"],
    ["R-PREP-05 a name that preparation empties", message("\u00ad\0", right), "malformed-message"],
    ["R-HT-07 an authzid before the name is part of no message", message("\0tim\0", right), "malformed-message"],
    ["R-HT-07 an authzid after the name", message("tim\0anna\0", right), "malformed-message"],
    ["R-GEN-31 a wrong token", message("tim\0", new Uint8Array(32)), "refused"],
    ["R-GEN-31 an unknown user", message("anna\0", right), "refused"],
    ["R-GEN-31 the name of a property", message("__proto__\0", right), "refused"],
    ["R-LIM-01 more than 64 KiB", message("tim\0", new Uint8Array(65536)), "limit-exceeded"],
  ];
  test.each(hostile)("%s", async (_, octets, code) => {
    expect(await codeAfter(sessionFor(), "HT-SHA-256-NONE", [octets])).toBe(code);
  });

  test("R-HT-04 takes a token with the mechanism it was issued for alone", async () => {
    const { accounts, mechanisms } = withToken("HT-SHA-256-EXPR", phone.username, phone.token);
    const server = serverWith(mechanisms, { accounts });
    const all = channelBinding(Object.fromEntries(Object.values(types).map((type) => [type, Uint8Array.of(1)])));
    const outcomes = await Promise.all(
      mechanisms.map(async ({ name }) => {
        const session = server.session({ ...connection, channelBinding: all });
        const machine = new SASLStateMachine(session);
        const exchange = HT(phone, { hashes }).authenticate(machine, name, { channelBinding: all });
        return [
          name,
          await exchange.then(
            () => "success",
            (error) => error.code,
          ),
        ];
      }),
    );
    expect(outcomes).toHaveLength(16);
    for (const [name, outcome] of outcomes) expect(outcome).toBe(name === "HT-SHA-256-EXPR" ? "success" : "refused");
  });

  test("R-HT-06 an expired token is told from a wrong one by who has it alone", async () => {
    const expired = { expires: Date.now() - 1 };
    expect(await codeAfter(sessionFor(expired), "HT-SHA-256-NONE", [message("tim\0", right)])).toBe(
      "credentials-expired",
    );
    expect(await codeAfter(sessionFor(expired), "HT-SHA-256-NONE", [message("tim\0", new Uint8Array(32))])).toBe(
      "refused",
    );
  });

  const broken: readonly [why: string, stored: unknown][] = [
    ["no list", { id: "1" }],
    ["text", "token"],
    ["a list with a text", ["token"]],
    ["a record without an id", [{ mechanism: "HT-SHA-256-NONE", client: "c", expires: 1 }]],
    ["an empty token", [{ id: "1", mechanism: "HT-SHA-256-NONE", client: "c", expires: 2 ** 52, token: "" }]],
    [
      "an expiry that is a text",
      [{ id: "1", mechanism: "HT-SHA-256-NONE", client: "c", expires: "never", token: "x" }],
    ],
    ["null", [null]],
  ];
  test.each(broken)("R-STO-04 a stored value that is none fails as temporary: %s", async (_, stored) => {
    const accounts = memoryAccounts({ tim: { hashedTokens: stored } });
    const session = serverWith([htSha256None], { accounts }).session(connection);
    expect(await codeAfter(session, "HT-SHA-256-NONE", [message("tim\0", right)])).toBe("temporary");
    await expect(hashedTokens({ accounts }).list("tim")).rejects.toMatchObject({ code: "temporary" });
  });

  test("a new password takes the tokens with it", async () => {
    const { changes } = await passwordChange("new one", { mechanisms: [scramSha256, htSha256None] });
    expect(changes).toHaveProperty("hashedTokens", undefined);
  });

  test("R-GEN-30 says which mechanisms have a token", async () => {
    const { accounts, mechanisms } = withToken("HT-SHA-256-NONE", phone.username, phone.token);
    const server = serverWith([plain, ...mechanisms], { accounts });
    expect(await server.mechanismsFor("tim", connection)).toEqual(["HT-SHA-256-NONE"]);
  });
});

describe("the channel", () => {
  const { accounts, mechanisms } = withToken("HT-SHA-256-NONE", phone.username, phone.token);
  const server = serverWith(mechanisms, { accounts });

  test("R-HT-03 what the connection cannot bind to is not offered, and fails", async () => {
    expect(server.mechanisms(connection)).toEqual([
      "HT-SHA3-512-NONE",
      "HT-SHA-512-NONE",
      "HT-SHA-384-NONE",
      "HT-SHA-256-NONE",
    ]);
    for (const [suffix, type] of Object.entries(types)) {
      const only = { ...connection, channelBinding: channelBinding({ [type]: Uint8Array.of(1) }) };
      expect(server.mechanisms(only).filter((name) => !name.endsWith("NONE"))).toEqual(
        ["SHA3-512", "SHA-512", "SHA-384", "SHA-256"].map((hash) => `HT-${hash}-${suffix}`),
      );
      for (const other of Object.keys(types).filter((each) => each !== suffix)) {
        const name = `HT-SHA-256-${other}`;
        expect(await codeAfter(server.session(only), name, [new Uint8Array(32)])).toBe("mechanism-unsupported");
      }
    }
  });

  test("R-HT-03 the client uses no name whose binding it lacks", async () => {
    const offered = ["HT-SHA-512-EXPR", "HT-SHA-512-UNIQ", "HT-SHA-512-ENDP"];
    const channel = channelBinding({ "tls-server-end-point": Uint8Array.of(1) });
    const sent: string[] = [];
    const wire = { ...scriptedServer([]), initiate: (name: string) => Promise.reject(sent.push(name)) };
    await authenticate(wire, offered, [HT(phone)], { channelBinding: channel }).catch(() => {});
    expect(sent).toEqual(["HT-SHA-512-ENDP"]);
    for (const name of ["HT-SHA-512-EXPR", "HT-SHA-512-UNIQ"]) {
      const machine = new SASLStateMachine(scriptedServer([]));
      const exchange = HT(phone).authenticate(machine, name, { channelBinding: channel });
      expect(await codeOf(exchange)).toBe("channel-not-protected");
    }
  });

  test("R-HT-03 R-CB-09 a binding that turns out empty fails at both ends", async () => {
    const empty = { types: ["tls-exporter"], data: () => new Uint8Array(0) };
    const session = serverWith([htSha256Expr], { accounts }).session({ ...connection, channelBinding: empty });
    expect(await codeAfter(session, "HT-SHA-256-EXPR", [concatBytes(encodeUtf8("tim\0"), right)])).toBe(
      "channel-not-protected",
    );
    const machine = new SASLStateMachine(scriptedServer([]));
    const exchange = HT(phone).authenticate(machine, "HT-SHA-256-EXPR", { channelBinding: empty });
    expect(await codeOf(exchange)).toBe("channel-not-protected");
  });

  test("R-HT-05 keeps off a channel without TLS, at both ends", async () => {
    const open = { secure: false, successData: true };
    expect(server.mechanisms(open)).toEqual([]);
    expect(await codeAfter(server.session(open), "HT-SHA-256-NONE", [])).toBe("channel-not-protected");
    const exchange = authenticate(server.session(open), ["HT-SHA-256-NONE"], [HT(phone)]);
    expect(await codeOf(exchange)).toBe("no-common-mechanism");
  });

  test("R-HT-07 R-GEN-18 is passed over when somebody else is to be acted as", async () => {
    const credentials = { ...phone, authzid: "anna" };
    const exchange = authenticate(server.session(connection), ["HT-SHA-256-NONE"], [HT(credentials)]);
    expect(await codeOf(exchange)).toBe("no-common-mechanism");
  });
});

describe("the client", () => {
  test("R-HT-04 keeps to the mechanism its token was issued for", () => {
    const offered = ["HT-SHA-512-NONE", "HT-SHA-256-NONE"];
    expect(HT(phone).anySupported(offered)).toBe("HT-SHA-512-NONE");
    expect(HT(phone, { mechanism: "HT-SHA-256-NONE" }).anySupported(offered)).toBe("HT-SHA-256-NONE");
    expect(HT(phone, { mechanism: "HT-SHA-256-EXPR" }).anySupported(offered)).toBeUndefined();
    expect(() => HT(phone, { mechanism: "HT-SHA3-512-NONE" })).toThrow(RangeError);
    expect(HT(phone, { mechanism: "HT-SHA3-512-NONE", hashes }).variants).toHaveLength(1);
  });

  const refused: readonly [why: string, credentials: { username: string; token: string }, code: SASLErrorCode][] = [
    ["an empty name", { username: "", token: "x" }, "malformed-message"],
    ["a name of 256 octets", { username: "a".repeat(256), token: "x" }, "limit-exceeded"],
    ["a NUL in the name", { username: "a\0b", token: "x" }, "malformed-message"],
    ["an empty token", { username: "tim", token: "" }, "no-credentials"],
    ["a token that is no text", { username: "tim", token: "\ud800" }, "incorrect-encoding"],
  ];
  test.each(refused)("R-HT-01 sends nothing with %s", async (_, credentials, code) => {
    const calls: string[] = [];
    const wire = {
      ...scriptedServer([]),
      initiate: async (name: string) => {
        calls.push(name);
        return { state: "success" as const };
      },
    };
    const exchange = HT(credentials).authenticate(new SASLStateMachine(wire), "HT-SHA-256-NONE");
    expect(await codeOf(exchange)).toBe(code);
    expect(calls).toEqual([]);
  });
});

describe("tokens of a server", () => {
  const secret = new Uint8Array(32).fill(7);
  const mechanism = "HT-SHA-256-NONE";
  const client = "d4565fa7-4d72-4749-b3d3-740edbf87770";

  /** A keeper with a clock, and an account it writes to. */
  function keeper(options: { secret?: Uint8Array; maxTokens?: number } = { secret }) {
    const clock = { now: 1_000_000 };
    const accounts = memoryAccounts({ tim: { other: "stays" } });
    const tokens = hashedTokens({ accounts, lifetimeMs: 1000, now: () => clock.now, ...options });
    return { clock, accounts, tokens };
  }

  /** How a login with a token ends: the id of the token, or a code. */
  async function login(accounts: MemoryAccounts, tokens: HashedTokens, token: string, name = mechanism) {
    const session = serverWith(tokens.mechanisms, { accounts }).session(connection);
    try {
      await authenticate(session, [name], [HT({ username: "tim", token })]);
      return session.result?.credential;
    } catch (error) {
      return isSASLError(error) ? error.code : error;
    }
  }

  test.each([
    ["with a secret", { secret }],
    ["without one", {}],
  ])("R-HT-06 R-HT-04 log in until they expire, %s", async (_, options) => {
    const { clock, accounts, tokens } = keeper(options);
    const issued = await tokens.issue("tim", { mechanism, client });
    expect(issued).toMatchObject({ mechanism, client, expires: clock.now + 1000 });
    expect(await login(accounts, tokens, issued?.token as string)).toBe(issued?.id);
    expect(await login(accounts, tokens, issued?.token as string, "HT-SHA-512-NONE")).toBe("refused");
    expect(accounts.lookup("tim", [])).toMatchObject({ other: "stays" });
    clock.now += 1000;
    expect(await login(accounts, tokens, issued?.token as string)).toBe("credentials-expired");
    expect(await tokens.list("tim")).toEqual([]);
  });

  test("R-HT-06 are at least 128 random bits, no two alike", async () => {
    const { tokens } = keeper();
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { token = "", id = "" } = (await tokens.issue("tim", { mechanism })) ?? {};
      expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/); // 256 bits
      expect(id).toMatch(/^[A-Za-z0-9_-]{24}$/);
      seen.add(token);
    }
    expect(seen.size).toBe(50);
  });

  test("R-HT-06 with a secret the store shows nothing that logs in", async () => {
    const { accounts, tokens } = keeper();
    const issued = await tokens.issue("tim", { mechanism, client });
    const stored = accounts.lookup("tim", []) as AccountProperties;
    const shown = JSON.stringify(stored);
    expect(shown).not.toContain(issued?.token);
    expect(JSON.stringify(await tokens.list("tim"))).not.toContain(issued?.token);
    for (const text of shown.match(/[A-Za-z0-9_-]+/g) ?? []) {
      expect(await login(accounts, tokens, text)).toBe("refused");
    }
    const thief = hashedTokens({ accounts, secret: new Uint8Array(32), now: () => 1_000_000 });
    expect(await login(accounts, thief, issued?.token as string)).toBe("refused");
  });

  test("R-HT-06 without a secret a list of tokens shows none either", async () => {
    const { tokens } = keeper({});
    const issued = await tokens.issue("tim", { mechanism });
    expect(JSON.stringify(await tokens.list("tim"))).not.toContain(issued?.token);
  });

  test("those stored before there was a secret go on working", async () => {
    const { accounts, tokens, clock } = keeper({});
    const issued = await tokens.issue("tim", { mechanism });
    const later = hashedTokens({ accounts, secret, now: () => clock.now });
    expect(await login(accounts, later, issued?.token as string)).toBe(issued?.id);
  });

  test("a token of one account is nothing at another", async () => {
    const { accounts, tokens } = keeper();
    const issued = await tokens.issue("tim", { mechanism });
    accounts.store("anna", accounts.lookup("tim", []) as AccountProperties);
    const session = serverWith(tokens.mechanisms, { accounts }).session(connection);
    const exchange = authenticate(session, [mechanism], [HT({ username: "anna", token: issued?.token as string })]);
    expect(await codeOf(exchange)).toBe("refused");
  });

  test("rotation keeps the old one until the new one was used, and no third", async () => {
    const { accounts, tokens } = keeper();
    const first = await tokens.issue("tim", { mechanism, client });
    const other = await tokens.issue("tim", { mechanism, client: "tablet" });
    const lost = await tokens.rotate("tim", first?.id as string);
    expect(lost).toMatchObject({ mechanism, client });
    const second = await tokens.rotate("tim", first?.id as string);
    const works = async () =>
      Promise.all(
        [first, lost, second, other].map(
          async (each) => (await login(accounts, tokens, each?.token as string)) === each?.id,
        ),
      );
    expect(await works()).toEqual([true, false, true, true]); // XEP-0484 §3.5: the one never used goes
    expect(await tokens.redeem("tim", first?.id as string)).toBe(true); // using the old one takes nothing away
    expect(await works()).toEqual([true, false, true, true]);
    expect(await tokens.redeem("tim", second?.id as string)).toBe(true);
    expect(await works()).toEqual([false, false, true, true]);
    expect(await tokens.rotate("tim", first?.id as string)).toBeUndefined();
  });

  test("a successor can be for another mechanism, and the old one works until it was used", async () => {
    const { accounts, tokens } = keeper();
    const first = await tokens.issue("tim", { mechanism, client });
    const bound = await tokens.rotate("tim", first?.id as string, "HT-SHA-256-EXPR");
    expect(bound).toMatchObject({ mechanism: "HT-SHA-256-EXPR", client });
    expect(await login(accounts, tokens, first?.token as string)).toBe(first?.id);
    expect(await tokens.redeem("tim", bound?.id as string)).toBe(true);
    expect((await tokens.list("tim")).map((each) => each.id)).toEqual([bound?.id]);
    await expect(tokens.rotate("tim", bound?.id as string, "no name")).rejects.toMatchObject({
      code: "mechanism-unsupported",
    });
  });

  test("a new token after another login takes the place of the client's older ones", async () => {
    const { tokens } = keeper();
    await tokens.issue("tim", { mechanism, client });
    await tokens.issue("tim", { mechanism, client: "tablet" });
    await tokens.issue("tim", { mechanism: "HT-SHA-256-EXPR", client });
    expect((await tokens.list("tim")).map((each) => [each.client, each.mechanism])).toEqual([
      ["tablet", mechanism],
      [client, "HT-SHA-256-EXPR"],
    ]);
  });

  test("counts only go up, also for two at the same time", async () => {
    const { tokens } = keeper();
    const { id = "" } = (await tokens.issue("tim", { mechanism })) ?? {};
    const redeem = (count?: number) => tokens.redeem("tim", id, { count });
    expect(await redeem(0)).toBe(false); // XEP-0484 §3.4: a positive integer
    expect(await redeem(5)).toBe(true);
    expect(await redeem(5)).toBe(false);
    expect(await redeem(4)).toBe(false);
    for (const none of [Number.NaN, Number.POSITIVE_INFINITY, 6.5, 2 ** 53]) expect(await redeem(none)).toBe(false);
    expect(await redeem()).toBe(true); // a use that is not counted
    expect((await Promise.all([redeem(6), redeem(6), redeem(6)])).filter((yes) => yes)).toHaveLength(1);
    expect(await tokens.list("tim")).toMatchObject([{ count: 6 }]);
  });

  test("a protocol judges the use before success is told, as XEP-0484 §3.4 wants it", async () => {
    const { accounts, tokens } = keeper();
    const issued = await tokens.issue("tim", { mechanism, client });
    const server = serverWith(tokens.mechanisms, { accounts });
    /** What came with the exchange: whose user agent it is, and how often the token was used. */
    const use = async (agent: string, count: number) => {
      const session = server.session({
        ...connection,
        async admit({ authcid, credential = "" }) {
          const used = (await tokens.list(authcid)).find(({ id }) => id === credential);
          const accepted = used?.client === agent && (await tokens.redeem(authcid, credential, { count }));
          if (!accepted) throw saslError("credentials-expired", "the token is not for this use");
        },
      });
      const exchange = authenticate(session, [mechanism], [HT({ username: "tim", token: issued?.token as string })]);
      return exchange.then(
        () => session.result?.credential,
        (error) => error.code,
      );
    };
    expect(await use(client, 1)).toBe(issued?.id);
    expect(await use(client, 1)).toBe("credentials-expired"); // early data that was replayed
    expect(await use("another", 2)).toBe("credentials-expired");
    expect(await use(client, 2)).toBe(issued?.id);
  });

  test("a use can be the last", async () => {
    const { accounts, tokens } = keeper();
    const issued = await tokens.issue("tim", { mechanism });
    expect(await tokens.redeem("tim", issued?.id as string, { invalidate: true })).toBe(true);
    expect(await login(accounts, tokens, issued?.token as string)).toBe("refused");
    expect(await tokens.redeem("tim", issued?.id as string)).toBe(false);
    expect(accounts.lookup("tim", [])).toEqual({ other: "stays" });
  });

  test("are revoked one by one, by client, and all at once", async () => {
    const { tokens } = keeper();
    const ids: string[] = [];
    for (const each of ["a", "b", "c", "d"])
      ids.push((await tokens.issue("tim", { mechanism, client: each }))?.id ?? "");
    expect(await tokens.revoke("tim", { id: ids[0] as string })).toBe(1);
    expect(await tokens.revoke("tim", { client: "b" })).toBe(1);
    expect(await tokens.revoke("tim", { client: "b" })).toBe(0);
    expect(await tokens.list("tim")).toHaveLength(2);
    expect(await tokens.revoke("tim")).toBe(2);
    expect(await tokens.list("tim")).toEqual([]);
  });

  test("no more than the limit, the oldest go; expired ones go first", async () => {
    const { clock, tokens } = keeper({ secret, maxTokens: 2 });
    for (const each of ["a", "b", "c"]) await tokens.issue("tim", { mechanism, client: each });
    expect((await tokens.list("tim")).map((each) => each.client)).toEqual(["b", "c"]);
    clock.now += 1000;
    await tokens.issue("tim", { mechanism, client: "d" });
    expect((await tokens.list("tim")).map((each) => each.client)).toEqual(["d"]);
  });

  test("what a peer asks for cannot make the list unreadable", async () => {
    const { tokens } = keeper();
    const unnamed = await tokens.issue("tim", { mechanism, client: "" });
    expect(unnamed?.client).toBe(unnamed?.id);
    for (const none of ["", "ht-sha-256-none", "HT-SHA-256-NONE-OR-ANOTHER"]) {
      await expect(tokens.issue("tim", { mechanism: none })).rejects.toMatchObject({ code: "mechanism-unsupported" });
    }
    expect(await tokens.list("tim")).toHaveLength(1);
  });

  test("the limit takes neither the token that is rotated nor its successor", async () => {
    const { tokens } = keeper({ secret, maxTokens: 2 });
    const first = await tokens.issue("tim", { mechanism, client });
    await tokens.issue("tim", { mechanism, client: "tablet" });
    const second = await tokens.rotate("tim", first?.id as string);
    expect((await tokens.list("tim")).map(({ id }) => id)).toEqual([first?.id, second?.id]);
    expect(await tokens.redeem("tim", second?.id as string)).toBe(true);
    expect((await tokens.list("tim")).map(({ id }) => id)).toEqual([second?.id]);
  });

  test("nobody's account gets none", async () => {
    const { accounts, tokens } = keeper();
    expect(await tokens.issue("anna", { mechanism })).toBeUndefined();
    expect(await tokens.redeem("anna", "x")).toBe(false);
    expect(await tokens.rotate("anna", "x")).toBeUndefined();
    expect(await tokens.revoke("anna")).toBe(0);
    expect(accounts.lookup("anna", [])).toBeUndefined();
  });

  test("a store that cannot write, and one that never settles", async () => {
    const { lookup } = memoryAccounts({ tim: "x" });
    await expect(hashedTokens({ accounts: { lookup } }).issue("tim", { mechanism })).rejects.toMatchObject({
      code: "mechanism-unsupported",
    });
    const restless = { lookup, store: () => false };
    await expect(hashedTokens({ accounts: restless }).issue("tim", { mechanism })).rejects.toMatchObject({
      code: "temporary",
    });
  });

  test("options out of range are refused", () => {
    const accounts = memoryAccounts();
    const endless = { lifetimeMs: Number.POSITIVE_INFINITY };
    const wrong = [{ secret: new Uint8Array(31) }, { lifetimeMs: 0 }, endless, { maxTokens: 1 }, { maxTokens: 257 }];
    for (const options of wrong) {
      expect(() => hashedTokens({ accounts, ...options })).toThrow(RangeError);
    }
  });

  test("the secret is copied", async () => {
    const own = new Uint8Array(32).fill(9);
    const { accounts, tokens } = keeper({ secret: own });
    const issued = await tokens.issue("tim", { mechanism });
    own.fill(0);
    expect(await login(accounts, tokens, issued?.token as string)).toBe(issued?.id);
  });
});

describe("the family", () => {
  test("R-HT-03 names are RFC 6920's hash names with a suffix, within 20 characters", () => {
    const { mechanisms } = hashedTokens({ accounts: memoryAccounts(), hashes });
    expect(
      mechanisms
        .map(({ name }) => name)
        .every((name) => /^HT-SHA(3)?-(256|384|512)-(NONE|UNIQ|ENDP|EXPR)$/.test(name) && name.length <= 20),
    ).toBe(true);
    expect(htSha3_512Expr).toMatchObject({ name: "HT-SHA3-512-EXPR", channelBinding: "tls-exporter" });
    expect(htSha256Endp).toMatchObject({ channelBinding: "tls-server-end-point", needsProtection: true });
    expect(htSha256None.channelBinding).toBeUndefined();
  });
});

describe("the message", () => {
  test("R-HT-01 what is formatted is parsed, whatever the octets", () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
      .filter((each) => !each.includes("\0") && encodeUtf8(each).length <= 255);
    fc.assert(
      fc.property(name, fc.uint8Array({ minLength: 32, maxLength: 32 }), (authcid, hashedToken) => {
        expect(parseInitiator(formatInitiator({ authcid, hashedToken }), 32)).toEqual({ authcid, hashedToken });
      }),
    );
  });

  test("R-HT-01 any octets are parsed or refused with a code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        try {
          const { authcid, hashedToken } = parseInitiator(octets, 32);
          expect(formatInitiator({ authcid, hashedToken })).toEqual(octets);
        } catch (error) {
          if (!isSASLError(error)) throw error;
        }
      }),
    );
  });
});
