import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../../test/exchanges.js";
import { codeAfter, codeOf, connection, recorded, serverWith, sessionFor } from "../../../test/support.js";
import { loadVectors, type Outcome } from "../../../test/vectors.js";
import type { AccountStore } from "../../accounts.js";
import type { SASLErrorCode } from "../../errors.js";
import { fromHex, toHex } from "../../internal/hex.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import { memoryAccounts } from "../../memory-accounts.js";
import type { ServerOptions } from "../../server.js";
import { passwordChange } from "../../set-password.js";
import { SASLStateMachine } from "../../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../../testing.js";
import { listOtp, makeOtp, OTP, type OtpChallenge, type OtpCredentials, type OtpSequence, otp } from "./index.js";
import { formatChallenge, parseChallenge, parseResponse } from "./messages.js";

afterEach(() => vi.useRealTimers());

const passphrase = "This is a test.";

/** The account a challenge is for, one step before it. */
async function accountFor({ hash, sequence, seed }: OtpChallenge, phrase = passphrase): Promise<OtpSequence> {
  return makeOtp(phrase, { hash: hash as "md5", seed, sequence: sequence + 1 });
}

/** What a server with this account has, and how to look at it. */
function storeWith(otpSequence: unknown, extra: Partial<AccountStore> = {}) {
  const accounts = memoryAccounts({ tim: { otpSequence } });
  const stored = () => (accounts.lookup("tim", []) as { readonly otpSequence?: OtpSequence }).otpSequence;
  return { accounts: { ...accounts, ...extra }, stored };
}

/** What the client says last to a server that says this. */
async function answerTo(
  challenge: string | Uint8Array,
  credentials: Partial<OtpCredentials> = { passphrase },
  secure = true,
): Promise<string> {
  const bytes = typeof challenge === "string" ? encodeUtf8(challenge) : challenge;
  const script: ScriptMessage[] = [
    { from: "client", bytes: undefined },
    { from: "server", bytes },
    { from: "client", bytes: undefined },
  ];
  const wire = recorded({ ...scriptedServer(script), secure });
  await OTP({ username: "tim", ...credentials }).authenticate(new SASLStateMachine(wire), "OTP");
  return decodeUtf8(wire.calls[1]?.payload as Uint8Array);
}

interface OtpInputs {
  readonly username: string;
  readonly passphrase: string;
  readonly response?: string;
}
interface OtpOutcome extends Outcome {
  readonly new_sequence?: {
    readonly algorithm: string;
    readonly count: number;
    readonly seed: string;
    readonly last: string;
  };
}

const all = [...loadVectors<OtpInputs, OtpOutcome>("otp"), ...loadVectors<OtpInputs, OtpOutcome>("otp-more")];
const exchanges = all.filter(({ messages }) => messages.length > 0).map((vector) => ({ id: vector.id, vector }));

/** RFC 2444 §5 forgot the byte order of SHA-1; what RFC 2289 gives is in the vector's note. */
const wrongExample = "rfc2444-5-sha1";

describe.each(exchanges)("vector $id", ({ id, vector }) => {
  const { inputs, result } = vector;
  const first: ScriptMessage = { from: "client", bytes: encodeUtf8(`\0${inputs.username}`) };
  const script = scriptOf(vector).filter(({ bytes }) => bytes?.length !== 0);
  if (script[0]?.from === "server") script.unshift(first); // RFC 2243 knows no names
  const [names, asked, answered] = script.map(({ bytes }) => decodeUtf8(bytes as Uint8Array)) as [
    string,
    string,
    string?,
  ];
  const authzid = names.split("\0")[0] as string;

  if (result.outcome === "success" || answered === undefined) {
    test(`R-OTP-02 R-OTP-06 the client ${answered === undefined ? "stops" : "answers"}`, async () => {
      const next = answered === undefined ? undefined : parseResponse(answered).renewal?.parameters;
      const credentials: OtpCredentials = {
        username: inputs.username,
        authzid,
        passphrase: inputs.passphrase,
        format: answered?.includes("word:") ? "word" : "hex",
        renew: next && { at: 499, sequence: next.sequence, seed: next.seed },
      };
      const wire = recorded(
        scriptedServer([script[0], script[1], { from: "client", bytes: undefined }] as ScriptMessage[]),
      );
      const exchange = OTP(credentials).authenticate(new SASLStateMachine(wire), "OTP");
      if (answered === undefined) {
        expect(await codeOf(exchange)).not.toBe("refused");
        return expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]);
      }
      await expect(exchange).resolves.toMatchObject({ authcid: inputs.username, authzid, serverVerified: false });
      const said = decodeUtf8(wire.calls[1]?.payload as Uint8Array);
      if (id === wrongExample) return expect(said).toBe("hex:1ef48366d04873e0");
      expect(parseResponse(said)).toEqual(parseResponse(answered));
      if (vector.computed !== true && !answered.includes(" 75d9 ") && !answered.includes("5bf0 "))
        expect(said).toBe(answered);
    });
  }

  if (answered !== undefined) {
    test("R-OTP-02 R-OTP-03 R-OTP-05 the server judges it", async () => {
      const challenge = parseChallenge(asked);
      const { accounts, stored } = storeWith(await accountFor(challenge, inputs.passphrase));
      const before = stored();
      const session = sessionFor(otp, { accounts, authorize: () => true });
      const ours = encodeUtf8(formatChallenge(challenge)); // the vector's may have other white space
      const played = await playToServer(session, "OTP", [
        script[0],
        { from: "server", bytes: ours },
        script[2],
      ] as ScriptMessage[]);
      const right = id === wrongExample ? "failure" : result.outcome;
      expect(played.state).toBe(right);
      expect(session.result?.authcid).toBe(right === "success" ? inputs.username : undefined);
      expect(session.result?.authzid).toBe(right === "success" ? authzid || inputs.username : undefined);
      const { renewal, current } = right === "success" || answered.startsWith("init") ? parseResponse(answered) : {};
      if (right !== "success") {
        // A good one-time password beside a sequence that is none is spent (RFC 2243 §4.3).
        return expect(stored()?.sequence).toBe(current ? challenge.sequence : before?.sequence);
      }
      const { new_sequence: published } = result;
      if (published) {
        const { algorithm: hash, count: sequence, seed, last } = published;
        return expect(stored()).toEqual({ hash, sequence, seed, last: fromHex(last) });
      }
      expect(stored()).toEqual({ ...challenge, ...renewal?.parameters, last: (renewal?.first ?? current)?.[0] });
    });
  }
});

describe.each(
  all.flatMap(({ id, inputs, result }) => (inputs.response ? [{ id, text: inputs.response, result }] : [])),
)("vector $id", ({ text, result }) => {
  test("R-OTP-02 R-OTP-05 says what it is published to say", () => {
    const { hex, current_hex = hex, new_hex, new_params } = result as unknown as Readonly<Record<string, string>>;
    const { current, renewal } = parseResponse(text);
    expect(current.map(toHex)).toEqual([current_hex]);
    expect(renewal?.first.map(toHex)).toEqual(new_hex && [new_hex]);
    const { hash, sequence, seed } = renewal?.parameters ?? {};
    expect(renewal && `${hash} ${sequence} ${seed}`).toBe(new_params);
  });
});

const challenge: OtpChallenge = { hash: "md5", sequence: 499, seed: "ke1234" };
const hex = "5bf075d9959d036f";
const words = "BOND FOGY DRAB NE RISE MART";

describe("the server", () => {
  const names: readonly [why: string, message: string | Uint8Array, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["no NUL", "tim", "malformed-message"],
    ["two NULs", "\0tim\0", "malformed-message"],
    ["no user name", "tim\0", "malformed-message"],
    ["a user name of 256 octets", `\0${"a".repeat(256)}`, "limit-exceeded"],
    ["a user name of 256 octets, 128 characters", `\0${"\u00e9".repeat(128)}`, "limit-exceeded"],
    ["an authzid of 256 octets", `${"a".repeat(256)}\0tim`, "limit-exceeded"],
    ["no UTF-8", Uint8Array.of(0, 0xff), "incorrect-encoding"],
    ["a user name that preparation empties", "\0\u00ad", "malformed-message"],
    ["over 64 KiB", `\0${"a".repeat(65_536)}`, "limit-exceeded"],
  ];
  test.each(names)("R-OTP-01 refuses names: %s", async (_, message, code) => {
    const { accounts } = storeWith(await accountFor(challenge));
    expect(await codeAfter(sessionFor(otp, { accounts }), "OTP", [message])).toBe(code);
  });

  test("R-OTP-01 takes names of 255 octets", async () => {
    const long = "a".repeat(255);
    const options = {
      accounts: memoryAccounts({ [long]: { otpSequence: await accountFor(challenge) } }),
      authorize: () => true,
    };
    const session = sessionFor(otp, options);
    expect(await codeAfter(session, "OTP", [`${"b".repeat(255)}\0${long}`, `hex:${hex}`])).toBe("success");
    expect(session.result).toMatchObject({ authcid: long, authzid: "b".repeat(255) });
  });

  const answers: readonly [why: string, answer: string | Uint8Array, code: SASLErrorCode | "success"][] = [
    ["R-OTP-02 digits", `hex:${hex}`, "success"],
    ["R-OTP-02 words", `word:${words}`, "success"],
    ["R-OTP-05 digits in any case, with white space anywhere", " HEX : 5B F0\t75d9 9 59D 036f\r\n", "success"],
    ["R-OTP-05 words in any case, with white space anywhere", "Word:\tbond fogy  Drab\nne rise mart ", "success"],
    ["R-OTP-05 digits with the type of words", `word:${hex}`, "success"],
    ["R-OTP-05 words with the type of digits", `hex:${words}`, "success"],
    ["R-OTP-05 an answer as long as can be", `hex:${" ".repeat(65_000)}${hex}`, "success"],
    ["R-OTP-05 a longer one", `hex:${" ".repeat(65_536)}${hex}`, "limit-exceeded"],
    ["R-OTP-02 nothing", "", "malformed-message"],
    ["R-OTP-02 no type", hex, "malformed-message"],
    ["R-OTP-02 an unknown type", `base64:${hex}`, "malformed-message"],
    ["R-OTP-02 the name of a prototype as type", `__proto__:${hex}`, "malformed-message"],
    ["R-OTP-02 a field too many", `hex:${hex}:`, "malformed-message"],
    ["R-OTP-02 six fields", `init-hex:${hex}:md5 499 ke1235:3712dcb4aa5316c1:1:2`, "malformed-message"],
    ["R-PREP-06 no UTF-8", Uint8Array.of(0x68, 0x65, 0x78, 0x3a, 0xff), "incorrect-encoding"],
    ["R-OTP-05 no one-time password", "hex:", "refused"],
    ["R-OTP-05 15 digits", `hex:${hex.slice(1)}`, "refused"],
    ["R-OTP-05 five words", "word:BOND FOGY DRAB NE RISE", "refused"],
    ["R-OTP-05 a wrong checksum", "word:BOND FOGY DRAB NE RISE MARY", "refused"],
    ["R-GEN-31 another one-time password", "hex:0000000000000000", "refused"],
  ];
  test.each(answers)("%s", async (_, answer, code) => {
    const { accounts, stored } = storeWith(await accountFor(challenge));
    const session = sessionFor(otp, { accounts });
    expect(await codeAfter(session, "OTP", ["\0tim", answer])).toBe(code);
    const next = { ...challenge, last: fromHex(hex) };
    expect(stored()).toEqual(code === "success" ? next : await accountFor(challenge));
    expect(session.result?.authcid).toBe(code === "success" ? "tim" : undefined);
  });

  const renewals: readonly [why: string, answer: string, then: "begun" | "spent" | "untouched"][] = [
    ["digits", `init-hex:${hex}:md5 499 ke1235:3712dcb4aa5316c1`, "begun"],
    ["words", `init-word:${words}:md5 499 ke1235:RED HERD NOW BEAN PA BURG`, "begun"],
    ["a type in upper case, and white space", `INIT-HEX : ${hex} : md5\t499   KE1235 : 3712 dcb4 aa53 16c1 `, "begun"],
    ["no parameters", `init-hex:${hex}`, "spent"],
    ["empty parameters", `init-hex:${hex}::3712dcb4aa5316c1`, "spent"],
    ["no new value", `init-hex:${hex}:md5 499 ke1235`, "spent"],
    ["an empty new value", `init-hex:${hex}:md5 499 ke1235:`, "spent"],
    ["a new value of 15 digits", `init-hex:${hex}:md5 499 ke1235:712dcb4aa5316c1`, "spent"],
    ["the same seed", `init-hex:${hex}:md5 499 ke1234:3712dcb4aa5316c1`, "spent"],
    ["the same seed in upper case", `init-hex:${hex}:sha1 300 KE1234:3712dcb4aa5316c1`, "spent"],
    ["a seed of 17 characters", `init-hex:${hex}:md5 499 ke123456789012345:3712dcb4aa5316c1`, "spent"],
    ["a seed with a hyphen", `init-hex:${hex}:md5 499 ke-1235:3712dcb4aa5316c1`, "spent"],
    ["no seed", `init-hex:${hex}:md5 499:3712dcb4aa5316c1`, "spent"],
    ["a word too many", `init-hex:${hex}:md5 499 ke1235 ext:3712dcb4aa5316c1`, "spent"],
    ["an unknown hash", `init-hex:${hex}:md4 499 ke1235:3712dcb4aa5316c1`, "spent"],
    ["a hash in upper case", `init-hex:${hex}:MD5 499 ke1235:3712dcb4aa5316c1`, "spent"],
    ["a sequence that is used up already", `init-hex:${hex}:md5 1 ke1235:3712dcb4aa5316c1`, "spent"],
    ["a sequence below zero", `init-hex:${hex}:md5 -499 ke1235:3712dcb4aa5316c1`, "spent"],
    ["a sequence over all bounds", `init-hex:${hex}:md5 10000 ke1235:3712dcb4aa5316c1`, "spent"],
    ["a wrong one-time password", "init-hex:0000000000000000:md5 499 ke1235:3712dcb4aa5316c1", "untouched"],
    ["no one-time password", "init-hex::md5 499 ke1235:3712dcb4aa5316c1", "untouched"],
  ];
  test.each(renewals)("R-OTP-02 a new sequence with %s: the stored one is %s", async (_, answer, then) => {
    const before = await accountFor(challenge);
    const { accounts, stored } = storeWith(before);
    const session = sessionFor(otp, { accounts });
    expect(await codeAfter(session, "OTP", ["\0tim", answer])).toBe(then === "begun" ? "success" : "refused");
    const begun = { hash: "md5", sequence: 499, seed: "ke1235", last: fromHex("3712dcb4aa5316c1") };
    const spent = { ...challenge, last: fromHex(hex) };
    expect(stored()).toEqual({ begun, spent, untouched: before }[then]);
    expect(session.result?.authcid).toBe(then === "begun" ? "tim" : undefined);
  });

  test("R-OTP-02 goes down by one with every login, and announces extended responses", async () => {
    const { accounts, stored } = storeWith(await makeOtp(passphrase, { hash: "sha1", seed: "ke1234", sequence: 5 }));
    const server = serverWith([otp], { accounts });
    for (const sequence of [4, 3, 2, 1]) {
      const shown: string[] = [];
      const wire = recorded(server.session(connection), (reply) => {
        if (reply.payload) shown.push(decodeUtf8(reply.payload));
        return reply;
      });
      await OTP({ username: "tim", passphrase }).authenticate(new SASLStateMachine(wire), "OTP");
      expect(shown).toEqual([`otp-sha1 ${sequence} ke1234 ext`]);
      expect(stored()?.sequence).toBe(sequence);
    }
  });

  test("R-OTP-03 a one-time password is accepted once", async () => {
    const { accounts, stored } = storeWith(await accountFor(challenge));
    expect(await codeAfter(sessionFor(otp, { accounts }), "OTP", ["\0tim", `hex:${hex}`])).toBe("success");
    const after = stored();
    for (const again of [`hex:${hex}`, `word:${words}`, `init-hex:${hex}:md5 499 ke1235:3712dcb4aa5316c1`]) {
      expect(await codeAfter(sessionFor(otp, { accounts }), "OTP", ["\0tim", again])).toBe("refused");
      expect(stored()).toBe(after);
    }
  });

  const unwritable: readonly [why: string, extra: Partial<AccountStore>, code: SASLErrorCode][] = [
    ["says that the account is another meanwhile", { store: () => false }, "refused"],
    ["cannot write", { store: undefined as never }, "refused"],
    ["says neither yes nor no", { store: () => undefined as never }, "refused"],
    ["fails", { store: () => Promise.reject(new Error("disk full")) }, "temporary"],
  ];
  test.each(unwritable)("R-OTP-03 nobody gets in where the store %s", async (_, extra, code) => {
    const { accounts } = storeWith(await accountFor(challenge), extra);
    const session = sessionFor(otp, { accounts });
    expect(await codeAfter(session, "OTP", ["\0tim", `hex:${hex}`])).toBe(code);
    expect(session.result).toBeUndefined();
  });

  test("R-OTP-03 the next value is there before success is told", async () => {
    let written = false;
    const { accounts, stored } = storeWith(await accountFor(challenge));
    const slow: AccountStore = {
      ...accounts,
      async store(...change) {
        await Promise.resolve();
        written = await accounts.store(...change);
        return written;
      },
    };
    const session = sessionFor(otp, { accounts: slow });
    await session.initiate("OTP", encodeUtf8("\0tim"));
    await expect(session.respond(encodeUtf8(`hex:${hex}`))).resolves.toMatchObject({ state: "success" });
    expect(written).toBe(true);
    expect(stored()?.sequence).toBe(499);
  });

  test("R-OTP-04 a second exchange of a user gets no challenge until the first one is over", async () => {
    const { accounts } = storeWith(await accountFor(challenge));
    const server = serverWith([otp], { accounts });
    const [first, second] = [server.session(connection), server.session(connection)];
    for (const name of ["tim", "anna"]) {
      await first.initiate("OTP", encodeUtf8(`\0${name}`));
      for (let i = 0; i < 2; i++)
        expect(await codeOf(second.initiate("OTP", encodeUtf8(`\0${name}`)))).toBe("temporary");
      await first.abort();
    }
    await second.initiate("OTP", encodeUtf8("\0tim"));
    expect(await codeOf(first.initiate("OTP", encodeUtf8("\0tim")))).toBe("temporary");
    await expect(second.respond(encodeUtf8(`hex:${hex}`))).resolves.toMatchObject({ state: "success" });
    await expect(first.initiate("OTP", encodeUtf8("\0tim"))).resolves.toMatchObject({ state: "challenge" });
  });

  test("R-OTP-04 an exchange that takes too long stands in nobody's way, and fails", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
    const { accounts } = storeWith(await accountFor(challenge));
    const server = serverWith([otp], { accounts, limits: { timeoutMs: 60_000 } });
    const [first, second] = [server.session(connection), server.session(connection)];
    await first.initiate("OTP", encodeUtf8("\0tim"));
    vi.setSystemTime(1_059_999);
    expect(await codeOf(second.initiate("OTP", encodeUtf8("\0tim")))).toBe("temporary");
    vi.setSystemTime(1_060_000);
    await second.initiate("OTP", encodeUtf8("\0tim"));
    expect(await codeOf(first.respond(encodeUtf8(`hex:${hex}`)))).toBe("timed-out");
    await expect(second.respond(encodeUtf8(`hex:${hex}`))).resolves.toMatchObject({ state: "success" });
  });

  test("R-OTP-04 of exchanges at several servers with the same accounts one alone succeeds", async () => {
    const { accounts, stored } = storeWith(await accountFor(challenge));
    const sessions = Array.from({ length: 5 }, () => sessionFor(otp, { accounts }));
    await Promise.all(sessions.map((session) => session.initiate("OTP", encodeUtf8("\0tim"))));
    const ends = await Promise.all(
      sessions.map((session) =>
        session.respond(encodeUtf8(`hex:${hex}`)).then(
          ({ state }) => state,
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(ends.sort()).toEqual(["refused", "refused", "refused", "refused", "success"]);
    expect(sessions.filter(({ result }) => result)).toHaveLength(1);
    expect(stored()?.sequence).toBe(499);
  });

  test("R-OTP-04 no guess at the last word is let in beside the user's exchange", async () => {
    const { accounts } = storeWith(await accountFor(challenge));
    const server = serverWith([otp], { accounts });
    const user = server.session(connection);
    await user.initiate("OTP", encodeUtf8("\0tim"));
    for (let i = 0; i < 20; i++) {
      expect(await codeAfter(server.session(connection), "OTP", ["\0tim", `word:${words}`])).toBe("temporary");
    }
    await expect(user.respond(encodeUtf8(`word:${words}`))).resolves.toMatchObject({ state: "success" });
  });

  describe("R-GEN-31 shows a name without a sequence one that nobody has", async () => {
    const used: OtpSequence = await makeOtp(passphrase, { seed: "ke1234", sequence: 2 });
    const cases: readonly [why: string, properties: Record<string, unknown> | undefined][] = [
      ["no account", undefined],
      ["an account without a sequence", { userPassword: passphrase }],
      ["a sequence that is used up", { otpSequence: { ...used, sequence: 1 } }],
    ];
    test.each(cases)("%s", async (_, properties) => {
      const seen = new Set<string>();
      const secret = new Uint8Array(32).fill(7);
      for (let i = 0; i < 3; i++) {
        const accounts = memoryAccounts(properties ? { anna: properties } : {});
        const session = sessionFor(otp, { accounts, secret });
        const { payload } = await session.initiate("OTP", encodeUtf8("\0anna"));
        seen.add(decodeUtf8(payload as Uint8Array));
        const answer = await answerTo(payload as Uint8Array);
        expect(await codeOf(session.respond(encodeUtf8(answer)))).toBe("refused");
      }
      expect([...seen]).toEqual([expect.stringMatching(/^otp-md5 [1-9][0-9]{0,2} [a-z1-9]{8} ext$/)]);
    });

    test("and every name another", async () => {
      const server = serverWith([otp], { secret: new Uint8Array(32).fill(7) });
      const shown = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const { payload } = await server.session(connection).initiate("OTP", encodeUtf8(`\0anna${i}`));
          return decodeUtf8(payload as Uint8Array).split(" ");
        }),
      );
      expect(new Set(shown.map(([, , seed]) => seed)).size).toBe(200);
      const numbers = shown.map(([, number]) => Number(number));
      // Wherever a sequence may be on its way: a number out of these would be one of somebody who is there.
      expect(Math.min(...numbers)).toBeLessThan(20);
      expect(Math.min(...numbers)).toBeGreaterThan(0);
      expect(Math.max(...numbers)).toBeGreaterThan(480);
      expect(Math.max(...numbers)).toBeLessThan(499);
    });
  });

  const spoilt: readonly [why: string, stored: (good: OtpSequence) => unknown][] = [
    ["a text", () => "md5 499 ke1234"],
    ["a list", (good) => [good]],
    ["an unknown hash", (good) => ({ ...good, hash: "md4" })],
    ["a hash by a prototype's name", (good) => ({ ...good, hash: "constructor" })],
    ["no sequence", ({ sequence: _, ...good }) => good],
    ["half a sequence", (good) => ({ ...good, sequence: 2.5 })],
    ["a sequence over all bounds", (good) => ({ ...good, sequence: 10_000 })],
    ["a negative one", (good) => ({ ...good, sequence: -1 })],
    ["a seed in upper case", (good) => ({ ...good, seed: "KE1234" })],
    ["no seed", (good) => ({ ...good, seed: "" })],
    ["seven octets", (good) => ({ ...good, last: good.last.subarray(1) })],
    ["octets as text", (good) => ({ ...good, last: toHex(good.last) })],
  ];
  test.each(spoilt)("R-STO-04 cannot work with %s where a sequence should be", async (_, stored) => {
    const { accounts } = storeWith(stored(await accountFor(challenge)));
    expect(await codeAfter(sessionFor(otp, { accounts }), "OTP", ["\0tim", `hex:${hex}`])).toBe("temporary");
    expect(otp.available?.({ otpSequence: stored(await accountFor(challenge)) }, false)).toBe(false);
  });

  test("R-OTP-06 is available as long as there is a one-time password to ask for", async () => {
    const good = await accountFor(challenge);
    const available = (sequence: number) => otp.available?.({ otpSequence: { ...good, sequence } }, true);
    expect([0, 1, 2, 499].map(available)).toEqual([false, false, true, true]);
    expect(otp.available?.({}, true)).toBe(false);
  });

  test("R-GEN-07 is offered only when named, and also without TLS", () => {
    expect(otp.obsolete).toBe(true);
    expect(serverWith([otp]).mechanisms({ ...connection, secure: false })).toEqual(["OTP"]);
  });
});

describe("setPassword", () => {
  test("makes a sequence that logs in, another one each time", async () => {
    const made = await Promise.all([1, 2].map(() => passwordChange(passphrase, { mechanisms: [otp] })));
    for (const { changes, unserved } of made) {
      expect(unserved).toEqual([]);
      expect(changes).toMatchObject({ userPassword: undefined, otpSequence: { hash: "md5", sequence: 499 } });
      const accounts = memoryAccounts({ tim: changes });
      const machine = new SASLStateMachine(sessionFor(otp, { accounts }));
      await expect(OTP({ username: "tim", passphrase }).authenticate(machine, "OTP")).resolves.toBeDefined();
    }
    expect(made[0]?.changes.otpSequence).not.toEqual(made[1]?.changes.otpSequence);
  });

  test.each([
    ["123456789", false],
    ["1234567890", true],
    ["x".repeat(63), true],
    ["x".repeat(64), true],
  ])("R-OTP-06 for %s: %s", async (password, served) => {
    const { changes, unserved } = await passwordChange(password, { mechanisms: [otp] });
    expect(unserved).toEqual(served ? [] : ["OTP"]);
    expect(changes.otpSequence !== undefined).toBe(served);
  });

  test("leaves a sequence that is good, and takes one away with the password", async () => {
    const otpSequence = await accountFor(challenge);
    const ctx = { plaintext: false, iterations: 4096, random: () => new Uint8Array(8), hashPassword: () => undefined };
    expect(await otp.setPassword?.(ctx, passphrase, { otpSequence })).toBeUndefined();
    expect(await otp.setPassword?.(ctx, passphrase, { otpSequence: { ...otpSequence, sequence: 1 } })).toBeDefined();
    const { changes } = await passwordChange(undefined, { mechanisms: [otp] });
    expect(Object.entries(changes)).toContainEqual(["otpSequence", undefined]);
  });
});

describe("the client", () => {
  const hostile: readonly [why: string, challenge: string | Uint8Array, code: SASLErrorCode][] = [
    ["nothing", "", "malformed-message"],
    ["no challenge", "hello", "malformed-message"],
    ["no extended responses", "otp-md5 499 ke1234", "malformed-message"],
    ["a word that begins as ext", "otp-md5 499 ke1234 extra", "malformed-message"],
    ["ext in upper case", "otp-md5 499 ke1234 EXT", "malformed-message"],
    ["another prefix", "s/key 499 ke1234 ext", "malformed-message"],
    ["a prefix in upper case", "OTP-md5 499 ke1234 ext", "malformed-message"],
    ["no hash", "otp- 499 ke1234 ext", "malformed-message"],
    ["no sequence", "otp-md5 ke1234 ext", "malformed-message"],
    ["a negative sequence", "otp-md5 -1 ke1234 ext", "malformed-message"],
    ["a sequence with a point", "otp-md5 4.9 ke1234 ext", "malformed-message"],
    ["no seed", "otp-md5 499 ext", "malformed-message"],
    ["a seed of 17 characters", "otp-md5 499 abcdefghijklmnopq ext", "malformed-message"],
    ["a seed with a hyphen", "otp-md5 499 ke-1234 ext", "malformed-message"],
    ["a seed that is no ASCII", "otp-md5 499 k\u00e91234 ext", "malformed-message"],
    ["a line more", "otp-md5 499 ke1234 ext\nand more", "malformed-message"],
    ["no UTF-8", Uint8Array.of(0xff), "incorrect-encoding"],
    ["sequence 0", "otp-md5 0 ke1234 ext", "credentials-expired"],
    ["more work than anybody needs", "otp-md5 10000 ke1234 ext", "limit-exceeded"],
    ["still more", "otp-md5 999999999 ke1234 ext", "limit-exceeded"],
    ["an unknown hash", "otp-md4 499 ke1234 ext", "mechanism-unsupported"],
    ["a hash in upper case", "otp-MD5 499 ke1234 ext", "mechanism-unsupported"],
    ["a hash by a prototype's name", "otp-__proto__ 499 ke1234 ext", "mechanism-unsupported"],
  ];
  test.each(hostile)("R-OTP-06 stops before the pass phrase is used: %s", async (_, asked, code) => {
    let used = 0;
    const prepare = (text: string, __: string, what: string) => {
      if (what === "password") used++;
      return text;
    };
    const bytes = typeof asked === "string" ? encodeUtf8(asked) : asked;
    const script: ScriptMessage[] = [
      { from: "client", bytes: undefined },
      { from: "server", bytes },
    ];
    const machine = new SASLStateMachine(scriptedServer(script));
    const exchange = OTP({ username: "tim", passphrase }).authenticate(machine, "OTP", { prepare });
    expect(await codeOf(exchange)).toBe(code);
    expect(used).toBe(0);
  });

  test("R-OTP-02 takes what else a challenge may have", async () => {
    for (const asked of [
      "otp-md5 499 ke1234 ext",
      "\totp-md5  499\tKe1234 ext,foo,x-bar\r\n",
      "otp-md5 0499 ke1234 ext ",
    ]) {
      expect(await answerTo(asked)).toBe(`hex:${hex}`);
    }
    expect(await answerTo("otp-md5 499 ke1234 ext", { passphrase, format: "word" })).toBe(`word:${words}`);
  });

  test("R-OTP-06 needs ten characters, after preparation", async () => {
    const asked = "otp-md5 499 ke1234 ext";
    expect(await codeOf(answerTo(asked, { passphrase: "123456789" }))).toBe("no-credentials");
    expect(await codeOf(answerTo(asked, { passphrase: "123456789\u00ad" }))).toBe("no-credentials");
    expect(await answerTo(asked, { passphrase: "1234567890\u00ad" })).toBe(
      await answerTo(asked, { passphrase: "1234567890" }),
    );
  });

  test("R-OTP-01 does not send names over 255 octets, empty ones or NULs", async () => {
    const long = "\u00e9".repeat(128);
    expect(await codeOf(answerTo("", { username: long, passphrase }))).toBe("limit-exceeded");
    expect(await codeOf(answerTo("", { authzid: long, passphrase }))).toBe("limit-exceeded");
    expect(await codeOf(answerTo("", { username: "", passphrase }))).toBe("malformed-message");
    expect(await codeOf(answerTo("", { username: "t\0im", passphrase }))).toBe("malformed-message");
  });

  test("asks for a user name, and a pass phrase or somebody who answers", async () => {
    const missing = (given: object) => OTP(given as OtpCredentials).missing?.(otp);
    expect(missing({ username: "tim", passphrase })).toBeUndefined();
    expect(missing({ username: "tim", answer: () => hex })).toBeUndefined();
    expect(missing({ username: "tim", password: passphrase })).toMatch(/one-time password/);
    expect(missing({ passphrase })).toMatch(/one-time password/);
  });

  describe("R-OTP-06 a person with a printed list", () => {
    const typed: readonly [why: string, text: string | undefined, said: string][] = [
      ["words", " bond fogy drab  ne rise mart\n", `word:${words}`],
      ["digits", "5BF0 75D9 959D 036F", `hex:${hex}`],
    ];
    test.each(typed)("%s as they are typed", async (_, text, said) => {
      const answer = vi.fn(() => text);
      expect(await answerTo("otp-md5 499 KE1234 ext", { answer })).toBe(said);
      expect(answer.mock.calls).toEqual([[{ hash: "md5", sequence: 499, seed: "ke1234" }]]);
    });

    test("does without knowing the hash", async () => {
      const answer = async ({ hash }: OtpChallenge) => (hash === "md4" ? hex : undefined);
      expect(await answerTo("otp-md4 499 ke1234 ext", { answer })).toBe(`hex:${hex}`);
    });

    test.each([
      ["gives up", undefined],
      ["says nothing", ""],
      ["mistypes a word", "BOND FOGY DRAB NE RISE MARS"],
      ["mistypes the checksum", "BOND FOGY DRAB NE RISE MARY"],
      ["leaves a digit out", hex.slice(1)],
    ])("who %s sends nothing", async (_, text) => {
      expect(await codeOf(answerTo("otp-md5 499 ke1234 ext", { answer: () => text }))).toBe("no-credentials");
    });

    test("logs in with a whole list, word by word, and then no more", async () => {
      const made = await makeOtp(passphrase, { sequence: 6 });
      const list = await listOtp(passphrase, { ...made, sequence: 5 }, 5);
      const { accounts } = storeWith(made);
      const answer = ({ sequence }: OtpChallenge) => list.find((each) => each.sequence === sequence)?.words;
      const login = () =>
        OTP({ username: "tim", answer }).authenticate(new SASLStateMachine(sessionFor(otp, { accounts })), "OTP");
      for (let i = 0; i < 5; i++) await expect(login()).resolves.toMatchObject({ authcid: "tim" });
      expect(await codeOf(login())).toBe("no-credentials"); // the number of nobody's sequence is on no list
    });
  });

  describe("R-OTP-06 a sequence that runs out", () => {
    async function logIn(
      credentials: Partial<OtpCredentials>,
      accounts: AccountStore,
      options: Partial<ServerOptions> = {},
    ) {
      const wire = recorded(sessionFor(otp, { accounts, ...options }));
      const mechanism = OTP({ username: "tim", passphrase, ...credentials });
      await mechanism.authenticate(new SASLStateMachine(wire), "OTP");
      return decodeUtf8(wire.calls[1]?.payload as Uint8Array);
    }

    test("is told after each login, and not after a failure", async () => {
      const { accounts } = storeWith(await makeOtp(passphrase, { sequence: 4 }));
      const left: number[] = [];
      const onRemaining = (count: number) => left.push(count);
      for (let i = 0; i < 2; i++) await logIn({ onRemaining }, accounts);
      const readOnly = { lookup: accounts.lookup };
      expect(await codeOf(logIn({ onRemaining }, readOnly))).toBe("refused");
      await logIn({ onRemaining }, accounts);
      expect(left).toEqual([2, 1, 0]);
    });

    test("is begun anew where the application permits it, as often as need be", async () => {
      const { accounts, stored } = storeWith(await makeOtp(passphrase, { seed: "ke1234", sequence: 14 }));
      const said: string[] = [];
      for (let i = 0; i < 40; i++) said.push(await logIn({ renew: { sequence: 15 } }, accounts));
      const types = said.map((each) => each.split(":")[0]);
      expect(types.slice(0, 12)).toEqual([
        "hex",
        "hex",
        "hex",
        "init-hex",
        "hex",
        "hex",
        "hex",
        "hex",
        "init-hex",
        "hex",
        "hex",
        "hex",
      ]);
      const seeds = said.flatMap((each) => each.split(":")[2]?.split(" ")[2] ?? []);
      expect(new Set([...seeds, "ke1234"]).size).toBe(seeds.length + 1);
      expect(stored()?.seed).toBe(seeds.at(-1));
    });

    test("with other parameters, another pass phrase and in words", async () => {
      const { accounts, stored } = storeWith(await makeOtp(passphrase, { seed: "ke1234", sequence: 3 }));
      const renew = { at: 2, hash: "sha1", sequence: 20, seed: "KE1235", passphrase: "another pass phrase" } as const;
      expect(await logIn({ renew, format: "word" }, accounts)).toMatch(/^init-word:[A-Z ]+:sha1 20 ke1235:[A-Z ]+$/);
      expect(stored()).toEqual(await makeOtp(renew.passphrase, { hash: "sha1", sequence: 20, seed: "ke1235" }));
      expect(await codeOf(logIn({}, accounts))).toBe("refused");
      expect(await logIn({ passphrase: renew.passphrase }, accounts)).toMatch(/^hex:/);
    });

    test("tells what is left of the new one", async () => {
      const left = vi.fn();
      const { accounts } = storeWith(await makeOtp(passphrase, { sequence: 5 }));
      await logIn({ renew: {}, onRemaining: left }, accounts);
      expect(left.mock.calls).toEqual([[498]]);
    });

    test("takes another random seed where it has drawn the old one", async () => {
      const draws = [new Uint8Array(8), new Uint8Array(8), new Uint8Array(8).fill(1)];
      const script: ScriptMessage[] = [
        { from: "client", bytes: undefined },
        { from: "server", bytes: encodeUtf8("otp-md5 5 aaaaaaaa ext") },
        { from: "client", bytes: undefined },
      ];
      const wire = recorded(scriptedServer(script));
      const random = () => draws.shift() as Uint8Array;
      await OTP({ username: "tim", passphrase, renew: {} }).authenticate(new SASLStateMachine(wire), "OTP", { random });
      expect(decodeUtf8(wire.calls[1]?.payload as Uint8Array)).toMatch(
        /^init-hex:[0-9a-f]{16}:md5 499 bbbbbbbb:[0-9a-f]{16}$/,
      );
      expect(draws).toEqual([]);
    });

    test("stays as it is on a channel where somebody could put in a sequence of their own", async () => {
      const asked = "otp-md5 5 ke1234 ext";
      expect(await answerTo(asked, { passphrase, renew: {} }, false)).toMatch(/^hex:/);
      const allowed = { allowUnprotectedChannel: true };
      expect(await answerTo(asked, { passphrase, renew: allowed }, false)).toMatch(/^init-hex:/);
      expect(await answerTo(asked, { passphrase, renew: {} }, true)).toMatch(/^init-hex:/);
    });

    test.each([
      ["the old seed", { seed: "KE1234" }],
      ["a seed that is none", { seed: "ke-1235" }],
      ["the pass phrase as seed", { seed: "thisisatest", passphrase: "ThisIsATest" }],
      ["an unknown hash", { hash: "md4" as "md5" }],
      ["a sequence that is used up", { sequence: 1 }],
      ["a sequence over all bounds", { sequence: 10_000 }],
    ])("is a fault of the application with %s", async (_, renew) => {
      await expect(answerTo("otp-md5 5 ke1234 ext", { passphrase, renew })).rejects.toThrow(TypeError);
    });
  });

  test("R-GEN-30 nothing of an answer is in a trace", () => {
    const shown = (text: string) => text.replace(otp.secrets as RegExp, "-");
    expect(shown(`hex:${hex}`)).toBe("hex:-");
    expect(shown(` INIT-word : ${words}:md5 499 ke1235:RED HERD\nNOW`)).toBe(" INIT-word :-");
    expect(shown("otp-md5 499 ke1234 ext")).toBe("otp-md5 499 ke1234 ext");
  });
});
