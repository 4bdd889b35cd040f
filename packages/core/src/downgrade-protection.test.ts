import { describe, expect, test, vi } from "vitest";
import { bindingOf, type ScramInputs, scriptOf, verifierOf } from "../test/exchanges.js";
import { connection, recorded, serverWith, user } from "../test/support.js";
import { loadVectors, type Vector } from "../test/vectors.js";
import { type AuthenticateOptions, authenticate } from "./authenticate.js";
import { channelBinding } from "./channel-binding.js";
import type { SASLMechanism } from "./client.js";
import { sha1, sha256, sha512 } from "./digests.js";
import { type DowngradeProtectionOptions, downgradeProtection, type LoginMemory } from "./downgrade-protection.js";
import type { SASLErrorCode } from "./errors.js";
import { announcedHash } from "./internal/announced.js";
import { decodeUtf8, encodeUtf8 } from "./internal/text.js";
import type { Mechanism } from "./mechanism.js";
import * as all from "./mechanisms/index.js";
import {
  ANONYMOUS,
  anonymous,
  EXTERNAL,
  external,
  hashSha1,
  hashSha256,
  hashSha512,
  LOGIN,
  login,
  OAUTHBEARER,
  oauthbearer,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha256,
  scramSha256Plus,
} from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import { SASLServer, type ServerConnection } from "./server.js";
import { SASLStateMachine } from "./state-machine.js";
import { playToServer, scriptedServer } from "./testing.js";

interface Inputs extends ScramInputs {
  readonly mechanism: string;
  readonly mechanisms: readonly string[];
  readonly channel_binding_types: readonly string[] | null;
  readonly tls_version?: string;
  readonly hash?: "sha1" | "sha256" | "sha512";
}
type Replay = Vector<Inputs, { outcome: string; over?: string; h_b64?: string }>;

const vectors: readonly Replay[] = ["xep-0474", "xep-0515"].flatMap((file) =>
  loadVectors<Inputs, Replay["result"]>(file),
);
const digests = { sha1, sha256, sha512 };
const hashes = [hashSha1, hashSha256, hashSha512];
const exchanges = vectors.filter(({ messages }) => messages.length > 0);
const played = exchanges.filter(({ result }) => result.outcome === "success");
const family = (Object.values(all) as unknown[]).filter(
  (each): each is Mechanism => typeof each === "object" && each !== null && "server" in each,
);

describe("published and computed values", () => {
  const hashed = vectors.filter(({ result }) => result.h_b64 !== undefined);

  test.each(hashed)("R-SSDP-01 the hash of $id", async ({ inputs, result }) => {
    const { mechanisms, channel_binding_types: types, hash = "sha1" } = inputs;
    const context = { bytes: encodeUtf8, hash: (digest: typeof sha1, data: Uint8Array) => digest.hash(data) };
    const announced = { mechanisms, bindingTypes: types ?? undefined };
    expect(await announcedHash(context, digests[hash], announced)).toBe(result.h_b64);
    expect(mechanisms, "the list of the caller stays as it is").toEqual(inputs.mechanisms);
  });

  function clientOf({ username, password, channel_binding: bound }: Inputs): SASLMechanism {
    const credentials = { username, password: password ?? "" };
    return bound
      ? SCRAMPLUS(credentials, bindingOf({ channel_binding: bound }), { hashes })
      : SCRAM(credentials, { hashes });
  }

  function settingsOf({ mechanisms, channel_binding_types, tls_version, client_nonce }: Inputs) {
    return {
      offered: mechanisms,
      serverBindingTypes: channel_binding_types ?? undefined,
      tlsVersion: tls_version,
      nonce: () => client_nonce,
      downgradeProtection: downgradeProtection({ requireHash: true, requireTlsVersion: tls_version !== undefined }),
    };
  }

  test.each(played)("R-SSDP-01 R-TDP-01 the server replays $id", async (vector) => {
    const { inputs } = vector;
    const server = new SASLServer({
      mechanisms: family,
      accounts: memoryAccounts({ user: { authPassword: [await verifierOf(inputs, inputs.mechanism)] } }),
      nonce: () => inputs.server_nonce,
    });
    const session = server.session({
      secure: true,
      successData: true,
      channelBinding: bindingOf(inputs),
      announced: { mechanisms: inputs.mechanisms, bindingTypes: inputs.channel_binding_types ?? undefined },
      tlsVersion: inputs.tls_version,
    });
    expect(await playToServer(session, inputs.mechanism, scriptOf(vector))).toEqual({ state: "success" });
  });

  // The client of the example in XEP-0474 adds an extension of its own, which ours does not.
  const complete = played.filter(({ inputs }) => !inputs.client_final_extensions);
  test.each(complete)("R-SSDP-01 R-TDP-02 the client replays $id", async (vector) => {
    const { inputs } = vector;
    const wire = scriptedServer(scriptOf(vector), { successData: true });
    const client = clientOf(inputs);
    const outcome = await client.authenticate(new SASLStateMachine(wire), inputs.mechanism, settingsOf(inputs));
    expect(outcome).toMatchObject({ mechanism: inputs.mechanism, serverVerified: true });
  });

  const [example] = played.filter(({ inputs }) => inputs.client_final_extensions);
  test("R-SSDP-01 the client takes the server's message of the example in XEP-0474", async () => {
    const { inputs, messages } = example as Replay;
    const wire = recorded({
      secure: true,
      initiate: async () => ({ state: "challenge", payload: encodeUtf8(messages[1]?.text as string) }),
      respond: async () => ({ state: "success" }),
      abort: async () => ({ state: "failure" }),
    });
    const client = clientOf(inputs);
    const outcome = client.authenticate(new SASLStateMachine(wire), inputs.mechanism, settingsOf(inputs));
    await expect(outcome).rejects.toMatchObject({ message: expect.stringContaining("signature") });
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "respond"]);
    expect(decodeUtf8(wire.calls[0]?.payload as Uint8Array)).toBe(messages[0]?.text);
    const own = String(messages[2]?.text).replace(/,x=.*/, "");
    expect(decodeUtf8(wire.calls[1]?.payload as Uint8Array).startsWith(`${own},p=`)).toBe(true);
  });

  test.each(exchanges.filter((each) => !played.includes(each)))("R-SSDP-03 the client ends $id", async (vector) => {
    const { inputs } = vector;
    const wire = recorded(scriptedServer(scriptOf(vector)));
    const client = clientOf(inputs);
    const outcome = client.authenticate(new SASLStateMachine(wire), inputs.mechanism, settingsOf(inputs));
    await expect(outcome).rejects.toMatchObject({ code: "peer-not-verified" });
    expect(wire.calls.map(({ call }) => call)).toEqual(["initiate", "abort"]);
  });
});

const offered = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"];
const types = ["tls-exporter", "tls-server-end-point"];
const mechanisms = [scramSha256, scramSha256Plus, plain, login, anonymous, external, oauthbearer];
const clients = [SCRAM(user), SCRAMPLUS(user), PLAIN(user)];
const tls = { "tls-exporter": new Uint8Array(32).fill(1), "tls-server-end-point": new Uint8Array(32).fill(2) };

/** A login through our own server; what it took, or the code it failed with, and what was called. */
async function logIn(
  here: Partial<ServerConnection>,
  options: AuthenticateOptions & { offered?: readonly string[]; clients?: readonly SASLMechanism[] } = {},
  change: (text: string) => string = (text) => text,
) {
  const server = serverWith(mechanisms);
  const wire = recorded(
    server.session({ ...connection, channelBinding: channelBinding(tls), ...here }),
    (reply, index) =>
      index === 0 && reply.payload
        ? { state: "challenge", payload: encodeUtf8(change(decodeUtf8(reply.payload))) }
        : reply,
  );
  const names = options.offered ?? offered;
  const result = await authenticate(wire, names, options.clients ?? clients, {
    channelBinding: channelBinding(tls),
    serverBindingTypes: types,
    host: "example.com",
    ...options,
  }).then(
    ({ mechanism }) => mechanism,
    ({ code }: { code: SASLErrorCode }) => code,
  );
  return { result, calls: wire.calls.map(({ call }) => call) };
}

const announced = { mechanisms: offered, bindingTypes: types };
const strict = { downgradeProtection: downgradeProtection({ requireHash: true, requireTlsVersion: true }) };
const mild = { downgradeProtection: downgradeProtection() };
const unbound = { serverBindingTypes: undefined, channelBinding: undefined };
const beforeProof = ["initiate", "abort"];

describe("both ends of ours", () => {
  const rows: readonly [
    why: string,
    here: Partial<ServerConnection>,
    options: AuthenticateOptions & { offered?: readonly string[] },
    result: string,
  ][] = [
    ["R-SSDP-01 equal lists", { announced }, mild, "SCRAM-SHA-256-PLUS"],
    ["R-SSDP-01 in another order", { announced }, { ...mild, offered: offered.toReversed() }, "SCRAM-SHA-256-PLUS"],
    [
      "R-SSDP-01 types announced by the server alone",
      { announced: { mechanisms: offered, bindingTypes: types } },
      { ...mild, serverBindingTypes: undefined },
      "peer-not-verified",
    ],
    ["R-SSDP-01 types that arrived alone", { announced: { mechanisms: offered } }, mild, "peer-not-verified"],
    [
      "R-SSDP-01 no types at both ends",
      { announced: { mechanisms: offered } },
      { ...mild, serverBindingTypes: undefined },
      "SCRAM-SHA-256-PLUS",
    ],
    [
      "R-SSDP-03 a mechanism withheld",
      { announced: { mechanisms: [...offered, "SCRAM-SHA-512-PLUS"], bindingTypes: types } },
      mild,
      "peer-not-verified",
    ],
    [
      "R-SSDP-03 a mechanism added",
      { announced: { mechanisms: offered.slice(0, 2), bindingTypes: types } },
      mild,
      "peer-not-verified",
    ],
    ["R-SSDP-03 a type withheld", { announced }, { ...mild, serverBindingTypes: types.slice(1) }, "peer-not-verified"],
    [
      "R-SSDP-03 a type added",
      { announced },
      { ...mild, serverBindingTypes: [...types, "tls-unique"] },
      "peer-not-verified",
    ],
    [
      "R-SSDP-03 two names joined to one by the delimiter",
      { announced: { mechanisms: ["A", "B", "SCRAM-SHA-256"] } },
      { ...mild, offered: ["A\x1eB", "SCRAM-SHA-256"], ...unbound },
      "peer-not-verified",
    ],
    [
      "R-SSDP-03 types hidden in a name",
      { announced: { mechanisms: ["SCRAM-SHA-256", "X"], bindingTypes: ["tls-exporter"] } },
      { ...mild, offered: ["SCRAM-SHA-256", "X\x1ftls-exporter"], ...unbound },
      "peer-not-verified",
    ],
    [
      "R-SSDP-02 the list of the other profile",
      { announced: { mechanisms: ["SCRAM-SHA-256"], bindingTypes: types } },
      mild,
      "peer-not-verified",
    ],
    ["R-SSDP-04 no hash", {}, mild, "SCRAM-SHA-256-PLUS"],
    [
      "R-SSDP-04 no hash where it is required",
      {},
      { downgradeProtection: downgradeProtection({ requireHash: true }) },
      "peer-not-verified",
    ],
    [
      "R-TDP-01 equal versions",
      { announced, tlsVersion: "0304" },
      { ...strict, tlsVersion: "0304" },
      "SCRAM-SHA-256-PLUS",
    ],
    [
      "R-TDP-01 equal old versions",
      { announced, tlsVersion: "0303" },
      { ...strict, tlsVersion: "0303" },
      "SCRAM-SHA-256-PLUS",
    ],
    [
      "R-TDP-02 other versions",
      { announced, tlsVersion: "0303" },
      { ...mild, tlsVersion: "0304" },
      "peer-not-verified",
    ],
    ["R-TDP-02 the other way", { tlsVersion: "0304" }, { ...mild, tlsVersion: "0303" }, "peer-not-verified"],
    ["R-TDP-02 no version", { announced }, { ...mild, tlsVersion: "0304" }, "SCRAM-SHA-256-PLUS"],
    ["R-TDP-02 no version where it is required", { announced }, { ...strict, tlsVersion: "0304" }, "peer-not-verified"],
    ["R-TDP-02 a version, and none known here", { announced, tlsVersion: "0304" }, mild, "SCRAM-SHA-256-PLUS"],
    ["R-TDP-02 the same where it is required", { announced, tlsVersion: "0304" }, strict, "peer-not-verified"],
    [
      "wrong lists and versions, and nobody looks",
      { announced: { mechanisms: ["X"] }, tlsVersion: "0303" },
      { tlsVersion: "0304" },
      "SCRAM-SHA-256-PLUS",
    ],
  ];
  for (const [why, here, options, expected] of rows) {
    test(`${why}: ${expected}`, async () => {
      const { result, calls } = await logIn(here, options);
      expect(result).toBe(expected);
      if (expected === "peer-not-verified") expect(calls).toEqual(beforeProof);
    });
  }

  test("R-SSDP-02 without a list nothing is compared, unless it has to be", async () => {
    const direct = async (protection: DowngradeProtectionOptions) => {
      const session = serverWith(mechanisms).session({ ...connection, announced });
      const settings = { downgradeProtection: downgradeProtection(protection) };
      return SCRAM(user).authenticate(new SASLStateMachine(session), "SCRAM-SHA-256", settings);
    };
    await expect(direct({})).resolves.toMatchObject({ mechanism: "SCRAM-SHA-256" });
    await expect(direct({ requireHash: true })).rejects.toMatchObject({ code: "peer-not-verified" });
  });

  test("R-SSDP-01 names nobody has get the same", async () => {
    const first = async (username: string) => {
      const session = serverWith(mechanisms).session({ ...connection, announced, tlsVersion: "0304" });
      const { payload } = await session.initiate("SCRAM-SHA-256", encodeUtf8(`n,,n=${username},r=abc`));
      return decodeUtf8(payload as Uint8Array).replace(/^r=[^,]+,s=[^,]+,i=\d+,/, "");
    };
    expect(await first("nobody")).toMatch(/^h=[^,]{44},t=0304$/);
    expect(await first("nobody")).toBe(await first("tim"));
  });

  test("R-TDP-01 never without TLS, and never anything but a version", async () => {
    const server = serverWith([scramSha256]);
    const session = server.session({ secure: false, tlsVersion: "0304" });
    const { payload } = await session.initiate("SCRAM-SHA-256", encodeUtf8("n,,n=tim,r=abc"));
    expect(decodeUtf8(payload as Uint8Array)).not.toContain(",t=");
    for (const tlsVersion of ["TLSv1.3", "304", "03044", "030A", "", "0304,h=x"]) {
      expect(() => server.session({ secure: true, tlsVersion })).toThrow(RangeError);
    }
  });

  test("a server that announced what cannot be hashed does not pretend to", async () => {
    const { result } = await logIn({ announced: { mechanisms: ["A\x1eB"] } }, {});
    expect(result).toBe("temporary");
  });

  test("a client told a version that is none is a TypeError", async () => {
    const wire = serverWith(mechanisms).session({ ...connection, announced });
    const login = authenticate(wire, offered, [SCRAM(user)], { ...mild, tlsVersion: "TLSv1.3" });
    await expect(login).rejects.toBeInstanceOf(TypeError);
  });
});

describe("what the server's first message may not say", () => {
  const other = "G6k/rBLDqgOhRRaCuuatSDFkJ08=";
  const rows: readonly [why: string, extension: string, code: SASLErrorCode][] = [
    ["R-SSDP-03 a hash of other lists", `,h=${other}`, "peer-not-verified"],
    ["R-SSDP-03 a hash that is not base64", ",h=%%%", "peer-not-verified"],
    ["R-SSDP-03 a hash cut short", ",h=jl3R", "peer-not-verified"],
    ["R-SSDP-03 an empty hash", ",h=", "malformed-message"],
    ["R-SSDP-04 a hash that is repeated", `,h=${other},h=${other}`, "malformed-message"],
    ["R-SSDP-04 no hash", "", "peer-not-verified"],
    ["R-SSDP-04 a hash under another letter", `,H=${other}`, "peer-not-verified"],
    ["R-TDP-02 another version", "$h,t=0303", "peer-not-verified"],
    ["R-TDP-02 no version", "$h", "peer-not-verified"],
    ["R-TDP-02 three digits", "$h,t=304", "peer-not-verified"],
    ["R-TDP-02 five digits", "$h,t=00304", "peer-not-verified"],
    ["R-TDP-02 the name of the version", "$h,t=TLSv1.3", "peer-not-verified"],
    ["R-TDP-02 a blank", "$h,t=0304 ", "peer-not-verified"],
    ["R-TDP-02 an empty version", "$h,t=", "malformed-message"],
    ["R-TDP-02 a version that is repeated", "$h,t=0304,t=0304", "malformed-message"],
    ["R-TDP-02 a version before the hash that is another", ",t=0303$h", "peer-not-verified"],
  ];
  for (const [why, extension, code] of rows) {
    test(`${why}: ${code}`, async () => {
      const tamper = (text: string) => {
        const hash = /,h=[^,]+/.exec(text)?.[0] as string;
        return text.replace(/,h=.*/, () => extension.replace("$h", () => hash));
      };
      const { result, calls } = await logIn(
        { announced, tlsVersion: "0304" },
        { ...strict, tlsVersion: "0304" },
        tamper,
      );
      expect(result).toBe(code);
      expect(calls).toEqual(beforeProof);
    });
  }

  const illFormed = ["304", "030A", "tls1", "0304 "];
  test.each(illFormed)("R-TDP-02 %j fails where no version is known here, too", async (version) => {
    const { result, calls } = await logIn({}, mild, (text) => `${text},t=${version}`);
    expect(result).toBe("peer-not-verified");
    expect(calls).toEqual(beforeProof);
  });

  test("R-SSDP-03 R-TDP-02 a forged hash or version that fits does not fit the proof", async () => {
    for (const forged of ["h", "t"] as const) {
      const right = await logIn({ announced, tlsVersion: "0304" }, { ...strict, tlsVersion: "0304" });
      expect(right.result).toBe("SCRAM-SHA-256-PLUS");
      const seen = { mechanisms: offered.slice(0, 1), bindingTypes: types };
      const context = { bytes: encodeUtf8, hash: (digest: typeof sha1, data: Uint8Array) => digest.hash(data) };
      const hash = await announcedHash(context, sha256, seen);
      const { result, calls } = await logIn(
        { announced, tlsVersion: "0304" },
        {
          ...strict,
          ...(forged === "h"
            ? { offered: seen.mechanisms, channelBinding: undefined, tlsVersion: "0304" }
            : { tlsVersion: "0303" }),
        },
        (text) => (forged === "h" ? text.replace(/h=[^,]+/, `h=${hash}`) : text.replace("t=0304", "t=0303")),
      );
      expect(result).toBe("refused");
      expect(calls.slice(0, 2)).toEqual(["initiate", "respond"]);
    }
  });
});

describe("R-CBT-03 R-SSDP-04 announced types that no server should have", () => {
  const strange = { ...announced, bindingTypes: ["tls-strange"] };
  const rows: readonly [
    why: string,
    here: Partial<ServerConnection>,
    clients: readonly SASLMechanism[],
    result: string,
  ][] = [
    ["a verified hash lets SCRAM go on, unbound", { announced: strange }, clients, "SCRAM-SHA-256"],
    ["a hash of other types does not", { announced }, clients, "peer-not-verified"],
    ["no hash does not", {}, clients, "peer-not-verified"],
    ["ANONYMOUS checks nothing", { announced: strange }, [ANONYMOUS(), SCRAMPLUS(user)], "peer-not-verified"],
    ["PLAIN checks nothing", { announced: strange }, [PLAIN(user), SCRAMPLUS(user)], "peer-not-verified"],
  ];
  for (const [why, here, given, expected] of rows) {
    test(why, async () => {
      const names = [...offered, "ANONYMOUS"];
      const lists = { announced: here.announced && { ...here.announced, mechanisms: names }, offered: names };
      const settings = { ...mild, clients: given, serverBindingTypes: ["tls-strange"], offered: names };
      const { result } = await logIn({ ...here, announced: lists.announced }, settings);
      expect(result).toBe(expected);
    });
  }

  test("a failure without credentials leads to nothing weaker", async () => {
    const given = [SCRAM(() => undefined), SCRAMPLUS(user), PLAIN(user)];
    const options = { ...mild, clients: given, serverBindingTypes: ["tls-strange"] };
    expect(await logIn({ announced: strange }, options)).toEqual({ result: "peer-not-verified", calls: [] });
  });

  test("without the protection nothing is said", async () => {
    const { result, calls } = await logIn({ announced: strange }, { serverBindingTypes: ["tls-strange"] });
    expect(result).toBe("peer-not-verified");
    expect(calls).toEqual([]);
  });
});

describe("R-CBT-04 the type", () => {
  const weakestFirst = channelBinding({
    "tls-server-end-point": tls["tls-server-end-point"],
    "tls-exporter": tls["tls-exporter"],
  });
  const rows: readonly [announced: readonly string[] | undefined, bound: string][] = [
    [["tls-server-end-point", "tls-exporter"], "tls-exporter"],
    [["tls-exporter"], "tls-exporter"],
    [["tls-server-end-point", "tls-unique"], "tls-server-end-point"],
    [undefined, "tls-exporter"],
  ];
  for (const [serverBindingTypes, bound] of rows) {
    test(`of ${serverBindingTypes ?? "what nobody announced"} it is ${bound}`, async () => {
      const session = serverWith(mechanisms).session({ ...connection, channelBinding: channelBinding(tls) });
      const options = { channelBinding: weakestFirst, serverBindingTypes };
      const outcome = await authenticate(session, offered, clients, options);
      expect(outcome.channelBinding).toBe(bound);
    });
  }
});

describe("R-SSDP-05 who got in without showing the password", () => {
  const every = ["SCRAM-SHA-256", "EXTERNAL", "PLAIN", "LOGIN", "OAUTHBEARER", "ANONYMOUS"];
  const certificate = EXTERNAL();
  const attempt = async (
    protection: DowngradeProtectionOptions,
    given: readonly SASLMechanism[],
    options: AuthenticateOptions = {},
  ) => {
    const wire = recorded(serverWith(mechanisms).session(connection));
    const settings = { host: "example.com", ...options, downgradeProtection: downgradeProtection(protection) };
    const names = every;
    const result = await authenticate(wire, names, given, settings).then(
      ({ mechanism }) => mechanism,
      ({ code }: { code: SASLErrorCode }) => code,
    );
    return { result, said: wire.calls.filter(({ call }) => call !== "abort").length };
  };

  test.each([
    ["SCRAM", SCRAM(user)],
    ["EXTERNAL", EXTERNAL({ authzid: "tim" })],
    ["EXTERNAL without a name", certificate],
  ])("by %s does not use PLAIN again", async (_, first) => {
    const logins = new Set<string>();
    expect((await attempt({ logins }, [PLAIN(user)])).result).toBe("PLAIN");
    expect(logins.size).toBe(0);
    await attempt({ logins }, [first]);
    expect(logins.size).toBe(1);
    expect(await attempt({ logins }, [PLAIN(user)])).toEqual({ result: "mechanism-too-weak", said: 0 });
    expect(await attempt({ logins }, [LOGIN(user)])).toMatchObject({ result: "mechanism-too-weak" });
    expect((await attempt({ logins }, [first])).result).toMatch(/SCRAM|EXTERNAL/);
    expect((await attempt({}, [PLAIN(user)])).result, "without a memory").toBe("PLAIN");
  });

  test("what is no password still works", async () => {
    const logins = new Set<string>();
    await attempt({ logins }, [SCRAM(user)]);
    expect((await attempt({ logins }, [OAUTHBEARER(user)])).result).toBe("OAUTHBEARER");
    const both = [PLAIN(user), OAUTHBEARER(user)];
    expect((await attempt({ logins }, both, { order: "given" })).result).toBe("OAUTHBEARER");
    expect((await attempt({ logins }, [ANONYMOUS()])).result).toBe("ANONYMOUS");
  });

  test("a login that failed is not remembered", async () => {
    const logins = new Set<string>();
    expect((await attempt({ logins }, [SCRAM({ ...user, password: "wrong" })])).result).toBe("refused");
    expect(logins.size).toBe(0);
  });

  test("accounts are told apart by service, host and name", async () => {
    const logins = new Set<string>();
    await attempt({ logins }, [SCRAM(user)], { service: "xmpp" });
    const again = (options: AuthenticateOptions, credentials: typeof user | { username: string; password: string }) =>
      attempt({ logins }, [PLAIN(credentials)], { service: "xmpp", ...options }).then(({ result }) => result);
    expect(await again({}, user)).toBe("mechanism-too-weak");
    expect(await again({}, { ...user, username: "tim@example.com" })).toBe("mechanism-too-weak");
    expect(await again({ host: "example.org" }, user)).toBe("PLAIN");
    expect(await again({ service: "imap" }, user)).toBe("PLAIN");
    expect(await again({}, { username: "__proto__", password: "x" }), "the server's own word").toBe("refused");
  });

  test("the user's consent lets it through, each time", async () => {
    const logins = new Set<string>();
    const consent = vi.fn(async () => true);
    expect((await attempt({ logins, consent }, [PLAIN(user)])).result).toBe("PLAIN");
    expect(consent).not.toHaveBeenCalled();
    await attempt({ logins, consent }, [SCRAM(user)]);
    for (const times of [1, 2]) {
      expect((await attempt({ logins, consent }, [PLAIN(user)])).result).toBe("PLAIN");
      expect(consent).toHaveBeenCalledTimes(times);
    }
    expect(consent).toHaveBeenCalledWith({
      mechanism: "PLAIN",
      service: undefined,
      host: "example.com",
      username: "tim",
    });
    for (const answer of [false, undefined, "yes"]) {
      const refusal = { logins, consent: () => answer as boolean };
      expect(await attempt(refusal, [PLAIN(user)])).toEqual({ result: "mechanism-too-weak", said: 0 });
    }
  });

  test("a memory that cannot be read sends no password", async () => {
    const logins: LoginMemory = { has: () => Promise.reject(new Error("disk")), add: () => {} };
    expect(await attempt({ logins }, [PLAIN(user)])).toEqual({ result: "temporary", said: 0 });
  });

  test("one that cannot be written tells, and the login stands", async () => {
    const onFault = vi.fn();
    const logins: LoginMemory = {
      has: () => false,
      add() {
        throw new Error("disk");
      },
    };
    expect((await attempt({ logins, onFault }, [SCRAM(user)])).result).toBe("SCRAM-SHA-256");
    await vi.waitFor(() => expect(onFault).toHaveBeenCalledWith(expect.objectContaining({ message: "disk" })));
    expect((await attempt({ logins }, [SCRAM(user)])).result).toBe("SCRAM-SHA-256");
  });
});
