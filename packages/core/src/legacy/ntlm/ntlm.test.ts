import { afterEach, describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor, user } from "../../../test/support.js";
import { loadVectors } from "../../../test/vectors.js";
import { channelBinding } from "../../channel-binding.js";
import type { ClientSettings } from "../../client.js";
import { md5 } from "../../digests.js";
import type { SASLErrorCode } from "../../errors.js";
import type { SASLInterface } from "../../interface.js";
import { concatBytes } from "../../internal/bytes.js";
import { fromHex, toHex } from "../../internal/hex.js";
import { encodeUtf8 } from "../../internal/text.js";
import type { Mechanism, MechanismContext } from "../../mechanism.js";
import { memoryAccounts } from "../../memory-accounts.js";
import type { ServerConnection, ServerOptions } from "../../server.js";
import type { SASLServerSession } from "../../session.js";
import { passwordChange } from "../../set-password.js";
import { SASLStateMachine } from "../../state-machine.js";
import { mechanismChecks, scriptedServer } from "../../testing.js";
import { type AvPairs, av, parseAvPairs } from "./av-pairs.js";
import { NTLM, type NtlmServerOptions, ntHash, ntlm, ntlmServer } from "./index.js";
import {
  fileTime,
  formatClientChallenge,
  lmv2Answer,
  messagesMic,
  ntProof,
  responseKey,
  sessionBaseKey,
} from "./keys.js";
import {
  type AuthenticateMessage,
  flag,
  formatAuthenticate,
  formatChallenge,
  formatNegotiate,
  micOf,
  parseAuthenticate,
  parseChallenge,
  withMic,
} from "./messages.js";
import { decodeUtf16, encodeUtf16 } from "./utf16.js";

interface NtlmInputs {
  readonly user: string;
  readonly domain: string;
  readonly password: string;
  readonly workstation?: string;
  readonly server_challenge_hex: string;
  readonly client_challenge_hex: string;
  readonly time_hex: string;
  readonly target_info_hex: string;
}
interface NtlmResult {
  readonly what?: string;
  readonly hex?: string;
}

const vectors = [...loadVectors<NtlmInputs, NtlmResult>("ntlm"), ...loadVectors<NtlmInputs, NtlmResult>("ntlm-more")];
const crypto: Pick<MechanismContext, "hash" | "hmac"> = {
  hash: (digest, data) => digest.hash(data),
  hmac: (digest, key, data) => digest.hmac(key as Uint8Array, data),
};
const octets = (hex: string) => fromHex(hex) as Uint8Array;

/** What of MS-NLMP §4.2 is made here; of LM, NTLMv1 and session security nothing is (R-NTLM-03). */
const computed: Readonly<Record<string, (inputs: NtlmInputs) => Promise<Uint8Array>>> = {
  NTOWFv1: ({ password }) => ntHash(password),
  NTOWFv2: async ({ password, user, domain }) => responseKey(crypto, await ntHash(password), user, domain),
  "LMv2 response": async (inputs) =>
    lmv2Answer(crypto, await keyOf(inputs), octets(inputs.server_challenge_hex), octets(inputs.client_challenge_hex)),
  "NTLMv2 temp (blob)": async (inputs) => blobOf(inputs),
  "NTProofStr (NTLMv2)": (inputs) => proofOf(inputs),
  "NTLMv2 response": async (inputs) => concatBytes(await proofOf(inputs), blobOf(inputs)),
  SessionBaseKey: async (inputs) => sessionBaseKey(crypto, await keyOf(inputs), await proofOf(inputs)),
};

async function keyOf({ password, user, domain }: NtlmInputs): Promise<Uint8Array> {
  return responseKey(crypto, await ntHash(password), user, domain);
}
function blobOf(inputs: NtlmInputs): Uint8Array {
  return formatClientChallenge({
    time: octets(inputs.time_hex),
    clientChallenge: octets(inputs.client_challenge_hex),
    targetInfo: parseAvPairs(octets(inputs.target_info_hex)),
  });
}
async function proofOf(inputs: NtlmInputs): Promise<Uint8Array> {
  return ntProof(crypto, await keyOf(inputs), octets(inputs.server_challenge_hex), blobOf(inputs));
}

afterEach(() => vi.restoreAllMocks());

describe("the values MS-NLMP publishes", () => {
  const made = vectors.filter(({ result }) => result.what !== undefined && Object.hasOwn(computed, result.what));
  test.each(made)("$id", async ({ inputs, result }) => {
    expect(toHex(await (computed[result.what as string] as (typeof computed)[string])(inputs))).toBe(result.hex);
  });

  test("R-NTLM-03 those of LM, NTLMv1 and session security are the only others", () => {
    const others = vectors.filter((each) => !made.includes(each) && each.messages.length === 0);
    expect(others.map(({ result }) => result.what).sort()).toEqual([
      "EncryptedRandomSessionKey",
      "LMOWFv1",
      "LMv1 response",
      "NTLMv1 response",
      "NTLMv1 with extended session security, NT response",
      "client sealing key",
      "client signing key",
      "sealed message and signature",
      "server sealing key",
      "server signing key",
    ]);
  });
});

describe.each(vectors.filter(({ messages }) => messages.length > 0))("the messages of $id", (vector) => {
  const { user, password, domain, workstation, server_challenge_hex, client_challenge_hex } = vector.inputs;
  const [challenge, published] = scriptOf(vector).map(({ bytes }) => bytes as Uint8Array) as [Uint8Array, Uint8Array];

  test("R-NTLM-03 the client gives the published answers", async () => {
    vi.spyOn(Date, "now").mockReturnValue(-11_644_473_600_000); // 1601, when the example takes place
    const credentials = { username: user, password, domain, workstation };
    const { sent } = await answerTo(challenge, credentials, { random: () => octets(client_challenge_hex) });
    const { flags: _, ...answer } = parseAuthenticate(published); // it goes on to sign and seal
    expect(parseAuthenticate(sent)).toMatchObject(answer);
  });

  test("R-NTLM-04 the server takes the published answer", async () => {
    const session = ntlmSession({ allowWithoutMic: true }, { random: () => octets(server_challenge_hex) });
    const reply = await session.initiate("NTLM", formatNegotiate({ flags: flag.unicode }));
    expect(parseChallenge(reply.payload as Uint8Array).serverChallenge).toEqual(octets(server_challenge_hex));
    await session.respond(published);
    expect(session.result?.authcid).toBe("User");

    function ntlmSession(options: NtlmServerOptions, more: Partial<ServerOptions>): SASLServerSession {
      return sessionFor(ntlmServer(options), { accounts: memoryAccounts({ [user]: password }), ...more });
    }
  });
});

/** What our client answers to a challenge, and what it said first. */
async function answerTo(
  challenge: Uint8Array,
  credentials: Parameters<typeof NTLM>[0],
  settings: ClientSettings = {},
): Promise<{ negotiate: Uint8Array; sent: Uint8Array }> {
  const said: Uint8Array[] = [];
  const server = scriptedServer([
    { from: "client", bytes: undefined },
    { from: "server", bytes: challenge },
    { from: "client", bytes: undefined },
  ]);
  const wire: SASLInterface = {
    ...server,
    initiate: (name, payload) => {
      said.push(payload as Uint8Array);
      return server.initiate(name, payload);
    },
    respond: (payload) => {
      said.push(payload);
      return server.respond(payload);
    },
  };
  await NTLM(credentials).authenticate(new SASLStateMachine(wire), "NTLM", settings);
  return { negotiate: said[0] as Uint8Array, sent: said[1] as Uint8Array };
}

/** A challenge of our server. */
async function challengeOf(mechanism: Mechanism = ntlm, options: Partial<ServerOptions> = {}): Promise<Uint8Array> {
  const session = sessionFor(mechanism, options);
  return (await session.initiate("NTLM", formatNegotiate({ flags: 0x8_8205 }))).payload as Uint8Array;
}

const clientOptions = { credentials: user, wrong: { username: user.username, password: "something else" } };
describe.each([
  { from: "a password", account: { userPassword: user.password } },
  { from: "an NT hash", account: { ntHash: await ntHash(user.password) } },
])("compliance, with $from", ({ account }) => {
  const server = { accounts: memoryAccounts({ [user.username]: account }), host: "mail.example.com", service: "imap" };
  for (const { name, run } of mechanismChecks(ntlm, { ...clientOptions, server, seed: 4 })) {
    test(name, { timeout: 60_000 }, run);
  }
});

describe("the client", () => {
  test("R-NTLM-03 makes an LMv2 answer for a server without timestamp, and none for one with it", async () => {
    const old = await answerTo(await challengeOf(ntlmServer({ allowWithoutMic: true })), user);
    expect(parseAuthenticate(old.sent).lmAnswer).toHaveLength(24);
    expect(parseAuthenticate(old.sent).lmAnswer).not.toEqual(new Uint8Array(24));
    expect(micOf(old.sent)).toEqual(new Uint8Array(16));
    const { sent } = await answerTo(await challengeOf(), user);
    expect(parseAuthenticate(sent).lmAnswer).toEqual(new Uint8Array(24));
  });

  test("R-NTLM-03 answers with NTLMv2 also where a server asks for LM and knows nothing of NTLMv2", async () => {
    const challenge = concatBytes(
      encodeUtf8("NTLMSSP\0"),
      octets(`02000000${"00".repeat(8)}81020000${"42".repeat(8)}`),
    );
    const { sent } = await answerTo(concatBytes(challenge, new Uint8Array(16)), user);
    const { ntAnswer, lmAnswer, flags } = parseAuthenticate(sent);
    expect([ntAnswer.length, lmAnswer.length, flags & 0x80]).toEqual([52, 24, 0]);
    const key = await responseKey(crypto, await ntHash(user.password), user.username, "");
    const proof = await ntProof(crypto, key, new Uint8Array(8).fill(0x42), ntAnswer.subarray(16));
    expect(ntAnswer.subarray(0, 16)).toEqual(proof);
  });

  test("R-NTLM-05 gives time, integrity code, channel and target", async () => {
    const challenge = await challengeOf();
    const data = encodeUtf8("hash of a certificate");
    const settings = {
      channelBinding: channelBinding({ "tls-server-end-point": data }),
      host: "mail.example.com",
      service: "smtp",
    };
    const { negotiate, sent } = await answerTo(challenge, user, settings);
    const { ntAnswer } = parseAuthenticate(sent);
    const told = parseChallenge(challenge).targetInfo;
    const claims = parseAvPairs(ntAnswer.subarray(44));
    expect(ntAnswer.subarray(24, 32)).toEqual(told?.get(av.timestamp));
    expect(claims.get(av.flags)).toEqual(Uint8Array.of(2, 0, 0, 0));
    expect(decodeUtf16(claims.get(av.targetName) as Uint8Array)).toBe("smtp/mail.example.com");
    // RFC 2743's structure without addresses, spelled out
    const struct = concatBytes(
      octets("00".repeat(16)),
      Uint8Array.of("tls-server-end-point:".length + data.length, 0, 0, 0),
      encodeUtf8("tls-server-end-point:"),
      data,
    );
    expect(claims.get(av.channelBindings)).toEqual(await md5.hash(struct));
    const key = await responseKey(crypto, await ntHash(user.password), "tim", "");
    const session = await sessionBaseKey(crypto, key, ntAnswer.subarray(0, 16));
    const blank = withMic(sent, new Uint8Array(16));
    expect(micOf(sent)).toEqual(await messagesMic(crypto, session, negotiate, challenge, blank));
  });

  test("R-NTLM-05 leaves channel and target out where it knows none", async () => {
    const { sent } = await answerTo(await challengeOf(), user);
    const claims = parseAvPairs(parseAuthenticate(sent).ntAnswer.subarray(44));
    expect(claims.has(av.channelBindings) || claims.has(av.targetName)).toBe(false);
  });

  test("R-NTLM-05 does not repeat the channel and the target that a server tells", async () => {
    const { flags, targetName, serverChallenge, targetInfo } = parseChallenge(await challengeOf());
    const told = new Map(targetInfo)
      .set(av.channelBindings, new Uint8Array(16).fill(7))
      .set(av.targetName, encodeUtf16("imap/mail.example.com"));
    const challenge = formatChallenge({ flags, targetName, serverChallenge, targetInfo: told });
    const { sent } = await answerTo(challenge, user);
    const claims = parseAvPairs(parseAuthenticate(sent).ntAnswer.subarray(44));
    expect(claims.has(av.channelBindings) || claims.has(av.targetName)).toBe(false);
  });

  const names: readonly [username: string, domain: string | undefined, sent: readonly [string, string]][] = [
    ["tim", undefined, ["", "tim"]],
    ["tim", "Example", ["Example", "tim"]],
    ["EXAMPLE\\tim", undefined, ["EXAMPLE", "tim"]],
    ["EXAMPLE\\tim", "", ["", "EXAMPLE\\tim"]],
    ["tim@example.com", undefined, ["", "tim@example.com"]],
  ];
  test.each(names)("the name %s and the domain %s", async (username, domain, [sentDomain, sentUser]) => {
    const { sent } = await answerTo(await challengeOf(), { username, password: "x", domain, workstation: "desk" });
    expect(parseAuthenticate(sent)).toMatchObject({ domain: sentDomain, user: sentUser, workstation: "desk" });
  });

  const hostile: readonly [why: string, change: (challenge: Uint8Array) => Uint8Array, code: SASLErrorCode][] = [
    ["R-NTLM-01 an empty challenge after the first message", () => new Uint8Array(0), "malformed-message"],
    ["R-NTLM-01 a challenge of 47 octets", (c) => c.subarray(0, 47), "malformed-message"],
    ["R-NTLM-01 its own message", () => formatNegotiate({ flags: 1 }), "malformed-message"],
    ["R-NTLM-02 attributes without an end", (c) => c.with(40, (c[40] as number) - 4), "malformed-message"],
    ["no Unicode", (c) => c.with(20, (c[20] as number) & 0xfe), "malformed-message"],
  ];
  test.each(hostile)("%s", async (_, change, code) => {
    expect(await codeOf(answerTo(change(await challengeOf()), user))).toBe(code);
  });

  test("R-NTLM-04 asks for no anonymous access", async () => {
    expect(await codeOf(answerTo(await challengeOf(), { username: "", password: "" }))).toBe("malformed-message");
    expect(await codeOf(answerTo(await challengeOf(), { username: "EXAMPLE\\", password: "" }))).toBe(
      "malformed-message",
    );
  });

  test("keeps off an unprotected channel", async () => {
    const machine = new SASLStateMachine({ ...scriptedServer([]), secure: false });
    expect(await codeOf(NTLM(user).authenticate(machine, "NTLM"))).toBe("channel-not-protected");
  });
});

describe("the server", () => {
  const binding = channelBinding({ "tls-server-end-point": encodeUtf8("hash of a certificate") });
  const withHost = { host: "mail.example.com", service: "imap" };

  /** Plays a client that changes its last message, or what it says about itself. */
  async function attempt(
    spoil: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>,
    {
      mechanism = ntlm,
      options = {},
      extra = {},
      settings = {},
      credentials = user,
    }: {
      mechanism?: Mechanism;
      options?: Partial<ServerOptions>;
      extra?: Partial<ServerConnection>;
      settings?: ClientSettings;
      credentials?: { username: string; password: string };
    } = {},
  ): Promise<SASLErrorCode | "success"> {
    const session = sessionFor(mechanism, options, extra);
    const wire: SASLInterface = {
      secure: true,
      initiate: (name, payload) => session.initiate(name, payload),
      respond: async (payload) => session.respond(await spoil(payload)),
      abort: () => session.abort(),
    };
    const login = NTLM(credentials).authenticate(new SASLStateMachine(wire), "NTLM", settings);
    try {
      await login;
    } catch (error) {
      expect(session.result).toBeUndefined();
      return (error as { code: SASLErrorCode }).code;
    }
    expect(session.result?.authcid).toBe("tim");
    return "success";
  }
  const change = (changes: Partial<AuthenticateMessage>) => (message: Uint8Array) =>
    formatAuthenticate({ ...parseAuthenticate(message), ...changes });

  test("R-NTLM-04 every challenge is another one", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) seen.add(toHex(parseChallenge(await challengeOf()).serverChallenge));
    expect(seen.size).toBe(50);
  });

  test("R-NTLM-04 an answer holds for its challenge alone, also in the same session", async () => {
    let answer: Uint8Array | undefined;
    const keep = (message: Uint8Array) => {
      answer = message;
      return message;
    };
    expect(await attempt(keep)).toBe("success");
    expect(await attempt(() => answer as Uint8Array)).toBe("refused");
    const session = sessionFor(ntlm);
    for (let i = 0; i < 2; i++) {
      await session.initiate("NTLM", formatNegotiate({ flags: flag.unicode }));
      expect(await codeOf(session.respond(answer as Uint8Array))).toBe("refused");
    }
  });

  const spoilt: readonly [why: string, changes: Partial<AuthenticateMessage>, code: SASLErrorCode][] = [
    [
      "R-NTLM-04 nobody, as anonymous clients say it",
      { user: "", ntAnswer: new Uint8Array(0), lmAnswer: new Uint8Array(1) },
      "refused",
    ],
    ["R-NTLM-04 a name without an answer", { ntAnswer: new Uint8Array(0), lmAnswer: new Uint8Array(0) }, "refused"],
    ["R-NTLM-04 an answer without a name", { user: "" }, "malformed-message"],
    ["R-NTLM-06 an LMv2 answer of 23 octets", { lmAnswer: new Uint8Array(23) }, "refused"],
    ["R-NTLM-06 an NTLMv2 answer of 43 octets", { ntAnswer: new Uint8Array(43) }, "refused"],
    ["R-NTLM-03 an answer as long as NTLMv1's", { ntAnswer: new Uint8Array(24) }, "refused"],
    ["R-NTLM-02 an answer without attributes", { ntAnswer: new Uint8Array(44) }, "malformed-message"],
    ["R-NTLM-05 an answer without integrity code", { ntAnswer: new Uint8Array(48) }, "refused"],
    ["R-GEN-31 a name nobody has", { user: "anna" }, "refused"],
    ["R-NTLM-05 another domain", { domain: "OTHER" }, "refused"],
    ["R-NTLM-05 another workstation, which the integrity code covers", { workstation: "other" }, "refused"],
    ["R-GEN-20 a NUL in the name", { user: "t\0im" }, "malformed-message"],
    ["R-LIM-01 a name over 1024 octets", { user: "a".repeat(1025) }, "limit-exceeded"],
  ];
  test.each(spoilt)("%s", async (_, changes, code) => {
    expect(await attempt(change(changes))).toBe(code);
  });

  test("R-NTLM-06 answers of 24 and 44 octets are judged, and so is an LM answer that is not there", async () => {
    const old = { mechanism: ntlmServer({ allowWithoutMic: true }) };
    expect(await attempt(change({ lmAnswer: new Uint8Array(24) }), old)).toBe("success");
    expect(await attempt(change({ lmAnswer: new Uint8Array(0) }), old)).toBe("success");
  });

  test("R-NTLM-05 R-GEN-31 a wrong integrity code is as a wrong password", async () => {
    const flipped = (message: Uint8Array) => message.with(75, (message[75] as number) ^ 1);
    expect(await attempt(flipped)).toBe("refused");
    expect(await attempt((message) => message, { credentials: { username: "tim", password: "other" } })).toBe(
      "refused",
    );
  });

  test("R-NTLM-05 without a timestamp no integrity code is needed, and one that is there is looked at", async () => {
    const mechanism = ntlmServer({ allowWithoutMic: true });
    expect(await attempt((message) => message, { mechanism })).toBe("success");
    expect(parseChallenge(await challengeOf(mechanism)).targetInfo?.has(av.timestamp)).toBe(false);
    /** A client that gives one all the same, or says it does. */
    const claiming = (mic: "right" | "wrong") => {
      const session = sessionFor(mechanism);
      return (async () => {
        const negotiate = formatNegotiate({ flags: flag.unicode });
        const challenge = (await session.initiate("NTLM", negotiate)).payload as Uint8Array;
        const { serverChallenge } = parseChallenge(challenge);
        const key = await responseKey(crypto, await ntHash(user.password), "tim", "");
        const covered = formatClientChallenge({
          time: fileTime(0),
          clientChallenge: new Uint8Array(8),
          targetInfo: new Map([[av.flags, Uint8Array.of(2, 0, 0, 0)]]),
        });
        const proof = await ntProof(crypto, key, serverChallenge, covered);
        const message = formatAuthenticate({
          flags: flag.unicode,
          domain: "",
          user: "tim",
          workstation: "",
          lmAnswer: new Uint8Array(0),
          ntAnswer: concatBytes(proof, covered),
        });
        const sessionKey = await sessionBaseKey(crypto, key, proof);
        const right = await messagesMic(crypto, sessionKey, negotiate, challenge, message);
        return session.respond(withMic(message, mic === "right" ? right : right.map((each) => each ^ 1)));
      })();
    };
    expect(await claiming("right")).toMatchObject({ state: "success" });
    expect(await codeOf(claiming("wrong"))).toBe("refused");
  });

  test("R-NTLM-05 with a timestamp the integrity code is needed and looked at, claimed or not", async () => {
    const answering = async (mic: "right" | "wrong" | "none") => {
      const session = sessionFor(ntlm);
      const negotiate = formatNegotiate({ flags: flag.unicode });
      const challenge = (await session.initiate("NTLM", negotiate)).payload as Uint8Array;
      const { serverChallenge, targetInfo } = parseChallenge(challenge);
      const key = await responseKey(crypto, await ntHash(user.password), "tim", "");
      const covered = formatClientChallenge({
        time: fileTime(0),
        clientChallenge: new Uint8Array(8),
        targetInfo: targetInfo as AvPairs, // without flags, as Samba sends it
      });
      const proof = await ntProof(crypto, key, serverChallenge, covered);
      const names = { domain: "", user: "tim", workstation: "", lmAnswer: new Uint8Array(24) };
      const message = formatAuthenticate({ flags: flag.unicode, ...names, ntAnswer: concatBytes(proof, covered) });
      const sessionKey = await sessionBaseKey(crypto, key, proof);
      const right = await messagesMic(crypto, sessionKey, negotiate, challenge, message);
      if (mic === "none") return session.respond(message);
      return session.respond(withMic(message, mic === "right" ? right : right.map((each) => each ^ 1)));
    };
    expect(await answering("right")).toMatchObject({ state: "success" });
    expect(await codeOf(answering("wrong"))).toBe("refused");
    expect(await codeOf(answering("none"))).toBe("refused");
  });

  const places: readonly [why: string, settings: ClientSettings, bound: boolean, code: SASLErrorCode | "success"][] = [
    ["the same channel and host", { ...withHost, channelBinding: binding }, true, "success"],
    ["the host in capitals", { ...withHost, host: "MAIL.EXAMPLE.COM" }, true, "success"],
    ["no channel, no host", {}, true, "success"],
    ["a channel the server cannot see", { channelBinding: binding }, false, "success"],
    [
      "another channel",
      { ...withHost, channelBinding: channelBinding({ "tls-server-end-point": encodeUtf8("another") }) },
      true,
      "refused",
    ],
    ["another host", { ...withHost, host: "evil.example.com" }, true, "refused"],
  ];
  test.each(places)("R-NTLM-05 %s", async (_, settings, bound, code) => {
    const extra = { channelBinding: bound ? binding : undefined };
    expect(await attempt((message) => message, { options: withHost, extra, settings })).toBe(code);
  });

  test("R-NTLM-05 says when the login was bound", async () => {
    const session = sessionFor(ntlm, {}, { channelBinding: binding });
    const settings = { channelBinding: binding };
    await NTLM(user).authenticate(new SASLStateMachine(session), "NTLM", settings);
    expect(session.result?.channelBinding).toBe("tls-server-end-point");
  });

  test("a client without Unicode is answered in ASCII", async () => {
    const session = sessionFor(ntlmServer({ domain: "EXAMPLE" }));
    const reply = await session.initiate("NTLM", formatNegotiate({ flags: flag.oem }));
    const { flags, targetName } = parseChallenge(reply.payload as Uint8Array);
    expect([flags & 3, targetName]).toEqual([flag.oem, "EXAMPLE"]);
    expect(await codeAfter(sessionFor(ntlm), "NTLM", [formatNegotiate({ flags: 0 })])).toBe("malformed-message");
  });

  test("presents itself with its names", async () => {
    const told = async (options: NtlmServerOptions, more: Partial<ServerOptions>) => {
      const { targetInfo, targetName } = parseChallenge(await challengeOf(ntlmServer(options), more));
      const ids = [av.nbDomainName, av.nbComputerName, av.dnsComputerName];
      return [targetName, ...ids.map((id) => decodeUtf16(targetInfo?.get(id) ?? new Uint8Array(0)))];
    };
    expect(await told({}, {})).toEqual(["LOCALHOST", "LOCALHOST", "LOCALHOST", ""]);
    expect(await told({}, withHost)).toEqual(["MAIL", "MAIL", "MAIL", "mail.example.com"]);
    expect(await told({ domain: "CORP", computer: "MX1" }, withHost)).toEqual([
      "CORP",
      "CORP",
      "MX1",
      "mail.example.com",
    ]);
  });

  test("R-STO-04 an NT hash that is none is a fault of the store", async () => {
    for (const ntHash of [new Uint8Array(15), "0cb6948805f797bf2a82807973b89537"]) {
      const accounts = memoryAccounts({ tim: { ntHash } });
      expect(await attempt((message) => message, { options: { accounts } })).toBe("temporary");
    }
  });

  test("is offered when it is named, on protected channels alone", () => {
    expect(serverWith([ntlm]).mechanisms(connection)).toEqual(["NTLM"]);
    expect(serverWith([ntlm]).mechanisms({ ...connection, secure: false })).toEqual([]);
    expect(ntlm.obsolete).toBe(true);
  });

  test("an NT hash is stored where the password itself might be, and goes when the password does", async () => {
    const options = { mechanisms: [ntlm], plaintext: true };
    const { changes } = await passwordChange("Password", options);
    expect(toHex(changes.ntHash as Uint8Array)).toBe("a4f49c406510bdcab6824ee7c30fd852");
    expect(await passwordChange("Password", { ...options, plaintext: false })).toMatchObject({ unserved: ["NTLM"] });
    const none = await passwordChange(undefined, options);
    expect(Object.hasOwn(none.changes, "ntHash") && none.changes.ntHash === undefined).toBe(true);
  });
});
