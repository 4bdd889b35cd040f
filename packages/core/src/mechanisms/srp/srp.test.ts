import { describe, expect, test, vi } from "vitest";
import { scriptOf } from "../../../test/exchanges.js";
import { codeOf, serverWith } from "../../../test/support.js";
import { loadVectors, type Vector } from "../../../test/vectors.js";
import type { AccountProperties } from "../../accounts.js";
import type { ClientOutcome } from "../../client.js";
import { sha1 } from "../../digests.js";
import type { SASLErrorCode } from "../../errors.js";
import type { SASLInterface, SASLReply } from "../../interface.js";
import { decodeBase64 } from "../../internal/base64.js";
import { concatBytes } from "../../internal/bytes.js";
import { decodeUtf8, encodeUtf8 } from "../../internal/text.js";
import type { SecurityLayer } from "../../layer.js";
import type { Mechanism } from "../../mechanism.js";
import { memoryAccounts } from "../../memory-accounts.js";
import type { SASLServer } from "../../server.js";
import { passwordChange } from "../../set-password.js";
import { SASLStateMachine } from "../../state-machine.js";
import { strengthOf } from "../../strength.js";
import { playToServer, scriptedServer } from "../../testing.js";
import { numberOf, octetsOf, raise } from "./arithmetic.js";
import { groupOf, type SrpGroup } from "./groups.js";
import { SRP, SrpSessions, type SrpVerifier, srp, srpGroups, srpServer } from "./index.js";
import * as messages from "./messages.js";

const tim = { username: "tim", password: "tanstaaftanstaaf" };
const group = groupOf(2048) as SrpGroup;

async function propertiesFor(mechanism: Mechanism, password = tim.password): Promise<AccountProperties> {
  return (await passwordChange(password, { name: "tim", mechanisms: [mechanism] })).changes;
}

const timsProperties = await propertiesFor(srp);

/** A server with SRP alone; layers up to `maxSsf` bits, from `minSsf`. */
function serverOf(
  mechanism: Mechanism,
  bits: readonly [min: number, max: number] = [0, 0],
  properties = timsProperties,
) {
  const [minSsf, maxSsf] = bits;
  return serverWith([mechanism], {
    accounts: memoryAccounts({ tim: properties }),
    policy: { minSsf, maxSsf },
    limits: { maxLayerBytes: 8192 },
  });
}

const connection = { secure: true, layers: true, externalSsf: 0, successData: true };

type Bits = readonly [min: number, max: number];

function logIn(wire: SASLInterface, client = SRP(tim), [minSsf, maxSsf]: Bits = [0, 0]): Promise<ClientOutcome> {
  const protection = { minSsf, maxSsf, maxInput: 8192 };
  return client.authenticate(new SASLStateMachine(wire), "SRP", { protection });
}

/** Changes what the server says in its nth reply. */
function bent(wire: SASLInterface, at: number, change: (payload: Uint8Array) => Uint8Array): SASLInterface {
  let count = 0;
  const bend = (reply: SASLReply): SASLReply =>
    count++ === at && reply.payload ? ({ ...reply, payload: change(reply.payload) } as SASLReply) : reply;
  return {
    secure: true,
    initiate: async (name, payload) => bend(await wire.initiate(name, payload)),
    respond: async (payload) => bend(await wire.respond(payload)),
    abort: () => wire.abort(),
  };
}

async function through(from: SecurityLayer | undefined, to: SecurityLayer | undefined, text: string): Promise<string> {
  if (from === undefined || to === undefined) throw new Error("there is no layer");
  return decodeUtf8(concatBytes(...(await to.decode(await from.encode(encodeUtf8(text))))));
}

describe("recorded with Cyrus SASL", () => {
  interface Inputs {
    readonly username: string;
    readonly password: string;
    readonly salt_b64?: string;
    readonly min_ssf: number;
    readonly max_ssf: number;
    readonly max_buffer: number;
    readonly random_b64: readonly string[];
  }
  interface Recorded extends Vector<Inputs, { readonly ssf: number }> {
    readonly frames: readonly { readonly from: "peer" | "own"; readonly text: string; readonly b64: string }[];
  }
  const recorded = loadVectors("srp-cyrus") as unknown as readonly Recorded[];

  const replay = (octets: readonly string[]) => {
    const left = octets.map((each) => decodeBase64(each));
    return () => left.shift() as Uint8Array;
  };
  const goOn = async (layer: SecurityLayer | undefined, { frames, result }: Recorded) => {
    expect(layer?.ssf ?? 0).toBe(result.ssf);
    expect(frames.length > 0).toBe(layer !== undefined);
    for (const { from, text, b64 } of frames) {
      const frame = decodeBase64(b64);
      if (from === "own") expect(await layer?.encode(encodeUtf8(text))).toEqual(frame);
      else expect(decodeUtf8(concatBytes(...((await layer?.decode(frame)) ?? [])))).toBe(text);
    }
  };

  test.each(recorded.filter(({ id }) => id.startsWith("cyrus-server")))("R-SRP-04 $id", async (vector) => {
    const { min_ssf: minSsf, max_ssf: maxSsf, max_buffer: maxInput, random_b64, ...credentials } = vector.inputs;
    const outcome = await SRP(credentials).authenticate(new SASLStateMachine(scriptedServer(scriptOf(vector))), "SRP", {
      random: replay(random_b64),
      protection: { minSsf, maxSsf, maxInput },
    });
    expect(outcome).toMatchObject({ authcid: "tim", serverVerified: true });
    await goOn(outcome.layer, vector);
  });

  test.each(recorded.filter(({ id }) => id.startsWith("cyrus-client")))("R-SRP-04 $id", async (vector) => {
    const { username, password, salt_b64, min_ssf, max_ssf, max_buffer, random_b64 } = vector.inputs;
    const salt = decodeBase64(salt_b64 as string);
    const { changes } = await passwordChange(password, { name: username, mechanisms: [srp], random: () => salt });
    const session = serverWith([srp], {
      accounts: memoryAccounts({ [username]: changes }),
      policy: { minSsf: min_ssf, maxSsf: max_ssf },
      limits: { maxLayerBytes: max_buffer },
      random: replay(random_b64),
    }).session(connection);
    expect(await playToServer(session, "SRP", scriptOf(vector))).toEqual({ state: "success" });
    await goOn(session.result?.layer, vector);
  });
});

describe("an exchange", () => {
  const variants = [["SHA-1"], ["SHA-256"], ["SHA-512"]] as const;
  test.each(variants)("R-SRP-04 with %s, in every strength", async (hash) => {
    const mechanism = srpServer({ hash, groupBits: 3072 });
    const properties = await propertiesFor(mechanism);
    expect(properties.srpVerifier).toMatchObject({ hash, group: 3072 });
    for (const ssf of [0, 1, 128]) {
      const session = serverOf(mechanism, [ssf, ssf], properties).session(connection);
      const { layer, serverVerified } = await logIn(session, SRP(tim), [ssf, ssf]);
      expect([layer?.ssf ?? 0, session.result?.layer?.ssf ?? 0, serverVerified]).toEqual([ssf, ssf, true]);
      if (ssf === 0) continue;
      expect(await through(layer, session.result?.layer, "hello")).toBe("hello");
      expect(await through(session.result?.layer, layer, "good day")).toBe("good day");
    }
  });

  test("R-GEN-26 neither end does with less than its policy wants", async () => {
    expect(await codeOf(logIn(serverOf(srp, [0, 128]).session(connection), SRP(tim), [56, 127]))).toBe(
      "mechanism-too-weak",
    );
    expect(await codeOf(logIn(serverOf(srp, [0, 1]).session(connection), SRP(tim), [56, 128]))).toBe(
      "mechanism-too-weak",
    );
    expect(await codeOf(logIn(serverOf(srp, [1, 1]).session(connection), SRP(tim), [0, 0]))).toBe("mechanism-too-weak");
  });

  test("it acts as somebody else where that is allowed", async () => {
    const server = serverWith([srp], {
      accounts: memoryAccounts({ tim: timsProperties, anna: {} }),
      authorize: ({ authzid }) => authzid === "anna",
    });
    const session = server.session(connection);
    await logIn(session, SRP({ ...tim, authzid: "anna" }));
    expect(session.result).toMatchObject({ authcid: "tim", authzid: "anna" });
    const other = serverOf(srp).session(connection);
    expect(await codeOf(logIn(other, SRP({ ...tim, authzid: "anna" })))).toBe("authorization-refused");
  });

  test("says of itself what holds", () => {
    expect(srp).toMatchObject({ obsolete: true, maxSsf: 128, authzid: true, flow: "client-first" });
    expect(strengthOf(srp)).toBe("mutual"); // nothing binds it to a channel
    expect(srp.security).not.toContain("noActive");
  });
});

describe("the client", () => {
  const first = (change: (parsed: messages.ServerFirst) => Partial<messages.ServerFirst>) => (payload: Uint8Array) => {
    const parsed = messages.parseServerFirst(payload) as messages.ServerFirst;
    const { offer, ...rest } = { ...parsed, ...change(parsed) };
    return messages.formatServerFirst({ ...rest, offer: offer.text });
  };
  const second =
    (change: (parsed: messages.ServerEvidence) => Partial<messages.ServerEvidence>) => (payload: Uint8Array) => {
      const parsed = messages.parseServerEvidence(payload);
      const { sid, ...rest } = { ...parsed, ...change(parsed) };
      return messages.formatServerEvidence({ ...rest, sid: sid.text });
    };
  const text = (given: string) => ({ text: given, bytes: encodeUtf8(given) });
  const { prime } = group;

  const hostile: readonly [
    why: string,
    at: number,
    change: (payload: Uint8Array) => Uint8Array,
    code: SASLErrorCode,
  ][] = [
    ["R-SRP-02 B = 0", 0, first(() => ({ B: 0n })), "peer-not-verified"],
    ["R-SRP-02 B = N", 0, first(() => ({ B: prime })), "peer-not-verified"],
    ["R-SRP-02 B = 2N", 0, first(() => ({ B: 2n * prime })), "peer-not-verified"],
    ["R-SRP-02 B = N + 1", 0, first(() => ({ B: prime + 1n })), "malformed-message"],
    [
      "R-SRP-03 a group of 1024 bits",
      0,
      first(() => ({ prime: (groupOf(1024) as SrpGroup).prime })),
      "peer-not-verified",
    ],
    ["R-SRP-03 a number of its own", 0, first(() => ({ prime: prime - 2n })), "peer-not-verified"],
    ["R-SRP-03 another generator", 0, first(() => ({ generator: 4n })), "peer-not-verified"],
    ["R-SRP-03 a generator of 1", 0, first(() => ({ generator: 1n })), "peer-not-verified"],
    ["R-SRP-05 octets at the end", 0, (payload) => concatBytes(payload, Uint8Array.of(0)), "malformed-message"],
    ["R-SRP-06 no hash in common", 0, first(() => ({ offer: text("mda=md5") })), "no-common-mechanism"],
    [
      "R-SRP-06 something mandatory",
      0,
      first(() => ({ offer: text("mandatory=confidentiality") })),
      "mechanism-too-weak",
    ],
    [
      "R-SRP-09 a session nobody asked for",
      0,
      () => messages.formatResumption(new Uint8Array(16)),
      "unexpected-message",
    ],
    ["R-SRP-04 no evidence", 1, second(() => ({ evidence: new Uint8Array(0) })), "peer-not-verified"],
    ["R-SRP-04 wrong evidence", 1, second(() => ({ evidence: new Uint8Array(20) })), "peer-not-verified"],
    ["R-SRP-04 another session id", 1, second(() => ({ sid: text("x") })), "peer-not-verified"],
    ["R-SRP-04 another time", 1, second(() => ({ ttl: 9 })), "peer-not-verified"],
    ["R-SRP-05 no message at the end", 1, () => new Uint8Array(0), "malformed-message"],
  ];
  test.each(hostile)("%s", async (_, at, change, code) => {
    expect(await codeOf(logIn(bent(serverOf(srp).session(connection), at, change)))).toBe(code);
  });

  // What another server would have agreed to is found out by the evidence of it.
  const changed: readonly [why: string, change: (payload: Uint8Array) => Uint8Array][] = [
    ["R-SRP-06 an offer without its layers", first(() => ({ offer: text("mda=sha-1") }))],
    ["R-SRP-06 an offer with something new", first(({ offer }) => ({ offer: text(`${offer.text},new`) }))],
    ["another salt", first(() => ({ salt: new Uint8Array(16) }))],
    ["another public key", first(({ B }) => ({ B: B - 1n }))],
  ];
  test.each(changed)("%s is refused", async (_, change) => {
    expect(await codeOf(logIn(bent(serverOf(srp, [0, 128]).session(connection), 0, change), SRP(tim), [0, 128]))).toBe(
      "refused",
    );
  });

  test("R-SRP-04 success without evidence, and before it", async () => {
    const session = serverOf(srp).session(connection);
    const early = { ...wireOf(session), respond: async (): Promise<SASLReply> => ({ state: "success" }) };
    expect(await codeOf(logIn(early))).toBe("unexpected-message");
    const earlier = { ...wireOf(session), initiate: async (): Promise<SASLReply> => ({ state: "success" }) };
    expect(await codeOf(logIn(earlier))).toBe("peer-not-verified");
  });

  test("initial vectors that would give both directions one key stream", async () => {
    const session = serverOf(srp, [128, 128]).session(connection);
    let cIV = new Uint8Array(0);
    const wire = bent(
      {
        ...wireOf(session),
        respond: (payload) => {
          cIV = messages.parseClientEvidence(payload).iv.slice();
          return session.respond(payload);
        },
      },
      1,
      (payload) => second(() => ({ iv: cIV }))(payload),
    );
    expect(await codeOf(logIn(wire, SRP(tim), [128, 128]))).toBe("peer-not-verified");
    const short = bent(
      serverOf(srp, [128, 128]).session(connection),
      1,
      second(() => ({ iv: new Uint8Array(8) })),
    );
    expect(await codeOf(logIn(short, SRP(tim), [128, 128]))).toBe("peer-not-verified");
  });

  test("R-SRP-03 shorter groups where the application says so", async () => {
    const mechanism = srpServer({ groupBits: 1024 });
    const server = serverOf(mechanism, [0, 0], await propertiesFor(mechanism));
    expect(await codeOf(logIn(server.session(connection)))).toBe("peer-not-verified");
    const { serverVerified } = await logIn(server.session(connection), SRP(tim, { groups: srpGroups }));
    expect(serverVerified).toBe(true);
  });

  test("R-SRP-02 u = 0 fails", async () => {
    const session = serverOf(srp).session(connection);
    const hash = sha1.hash.bind(sha1);
    // No public keys are known that digest to nothing: here any two do, and nothing else is of their length.
    const spy = vi
      .spyOn(sha1, "hash")
      .mockImplementation((data) => (data.length >= 500 ? new Uint8Array(20) : hash(data)));
    try {
      expect(await codeOf(logIn(session))).toBe("peer-not-verified");
      expect(spy).toHaveBeenCalled();
    } finally {
      spy.mockRestore();
    }
  });

  test("a name that preparation empties", async () => {
    const nobody = SRP({ ...tim, username: "\u00ad" });
    expect(await codeOf(logIn(serverOf(srp).session(connection), nobody))).toBe("malformed-message");
  });
});

function wireOf(session: SASLInterface): SASLInterface {
  return {
    secure: true,
    initiate: (name, payload) => session.initiate(name, payload),
    respond: (payload) => session.respond(payload),
    abort: () => session.abort(),
  };
}

describe("the server", () => {
  const hello = messages.formatClientFirst("tim", "", "", new Uint8Array(0));
  const { prime } = group;
  const evidence = { A: 5n, evidence: new Uint8Array(20), choice: "mda=sha-1", iv: new Uint8Array(0) };
  const answer = (change: Partial<typeof evidence>) => messages.formatClientEvidence({ ...evidence, ...change });

  const hostile: readonly [why: string, message: Uint8Array, code: SASLErrorCode][] = [
    ["R-SRP-01 A = 0", answer({ A: 0n }), "malformed-message"],
    ["R-SRP-01 A = N", answer({ A: prime }), "malformed-message"],
    ["R-SRP-01 A = 2N", answer({ A: 2n * prime }), "malformed-message"],
    ["R-SRP-01 A = 3N", answer({ A: 3n * prime }), "malformed-message"],
    ["R-SRP-01 A = N ** 2", answer({ A: prime ** 2n }), "malformed-message"],
    ["R-SRP-01 A = N + 5", answer({ A: prime + 5n }), "malformed-message"],
    ["R-SRP-04 wrong evidence", answer({}), "refused"],
    ["R-SRP-04 no evidence", answer({ evidence: new Uint8Array(0) }), "refused"],
    ["R-SRP-05 octets at the end", concatBytes(answer({}), Uint8Array.of(0)), "malformed-message"],
    ["R-SRP-05 nothing", new Uint8Array(0), "malformed-message"],
    ["R-SRP-06 a hash that was not offered", answer({ choice: "mda=sha-256" }), "malformed-message"],
    ["R-SRP-06 a layer that was not offered", answer({ choice: "mda=sha-1,replay_detection" }), "malformed-message"],
    ["R-LIM-01 more than 64 KiB", new Uint8Array(65_537), "limit-exceeded"],
  ];
  test.each(hostile)("%s", async (_, message, code) => {
    const session = serverOf(srp).session(connection);
    await session.initiate("SRP", hello);
    expect(await codeOf(session.respond(message))).toBe(code);
    expect(session.result).toBeUndefined();
  });

  test("R-SRP-01 the secret everybody knows when A is a multiple of N lets nobody in", async () => {
    for (const A of [0n, prime, 2n * prime]) {
      // S = (A * v ** u) ** b % N is 0 for these, whatever the password: evidence for K = H(0) would fit.
      const session = serverOf(srp).session(connection);
      const cheat: SASLInterface = {
        ...wireOf(session),
        respond: (payload) => session.respond(messages.formatClientEvidence({ ...reread(payload), A })),
      };
      expect(await codeOf(logIn(cheat))).toBe("malformed-message");
    }
  });

  test("R-SRP-06 an encrypted layer without an initial vector", async () => {
    const session = serverOf(srp, [0, 128]).session(connection);
    const wire = {
      ...wireOf(session),
      respond: (payload: Uint8Array) =>
        session.respond(messages.formatClientEvidence({ ...reread(payload), iv: new Uint8Array(15) })),
    };
    expect(await codeOf(logIn(wire, SRP(tim), [0, 128]))).toBe("malformed-message");
  });

  test("R-SRP-06 a choice that was changed on the way is noticed by the client", async () => {
    const session = serverOf(srp, [0, 128]).session(connection);
    const wire = {
      ...wireOf(session),
      respond: (payload: Uint8Array) =>
        session.respond(messages.formatClientEvidence({ ...reread(payload), choice: "mda=sha-1,replay_detection" })),
    };
    expect(await codeOf(logIn(wire, SRP(tim), [0, 128]))).toBe("peer-not-verified");
  });

  function reread(payload: Uint8Array) {
    const { choice, ...rest } = messages.parseClientEvidence(payload);
    return { ...rest, choice: choice.text };
  }

  test("R-SRP-08 an unknown user gets a salt and a key that look like anybody's, and always the same salt", async () => {
    const secret = new Uint8Array(32).fill(7);
    const start = async (name: string, server: SASLServer) =>
      messages.parseServerFirst(
        (await server.session(connection).initiate("SRP", messages.formatClientFirst(name, "", "", new Uint8Array(0))))
          .payload,
      ) as messages.ServerFirst;
    const make = () => serverWith([srp], { secret, accounts: memoryAccounts({ tim: timsProperties, bare: {} }) });
    const [known, nobody, again, other, bare] = await Promise.all([
      start("tim", make()),
      start("nobody", make()),
      start("nobody", make()), // as after a restart
      start("somebody", make()),
      start("bare", make()),
    ]);
    expect(nobody.salt).toEqual(again.salt);
    expect(nobody.B).not.toBe(again.B);
    for (const each of [other, bare, known]) expect(each.salt).not.toEqual(nobody.salt);
    for (const each of [nobody, other, bare]) {
      expect([each.prime, each.generator, each.offer.text]).toEqual([known.prime, known.generator, known.offer.text]);
      expect(each.salt.length).toBe(known.salt.length);
    }
  });

  test("R-SRP-08 neither does the answer tell, and nothing lets in", async () => {
    const fails = async (username: string) => {
      const session = serverOf(srp).session(connection);
      return logIn(session, SRP({ username, password: "something else" })).then(
        () => "let in",
        (error: Error & { code?: string }) => `${error.code} ${error.message}`,
      );
    };
    expect(await fails("tim")).toMatch(/^refused /);
    expect(await fails("nobody")).toBe(await fails("tim"));
  });

  const good = timsProperties.srpVerifier as SrpVerifier;
  const strange: readonly [why: string, stored: unknown][] = [
    ["null", null],
    ["text", "verifier"],
    ["an unknown hash", { ...good, hash: "MD5" }],
    ["an unknown group", { ...good, group: 512 }],
    ["an empty salt", { ...good, salt: new Uint8Array(0) }],
    ["a salt of 256 octets", { ...good, salt: new Uint8Array(256) }],
    ["no verifier", { ...good, verifier: undefined }],
    ["a verifier of zero", { ...good, verifier: new Uint8Array(256) }],
    ["a verifier of N", { ...good, verifier: octetsOf(prime) }],
    ["a verifier that is too long", { ...good, verifier: new Uint8Array(257).fill(1) }],
  ];
  test.each(strange)("R-STO-04 a stored verifier that is %s is the store's fault", async (_, srpVerifier) => {
    const session = serverOf(srp, [0, 0], { srpVerifier }).session(connection);
    expect(await codeOf(session.initiate("SRP", hello))).toBe("temporary");
  });

  test("what it stores is made from name, password and a salt of 16 octets, and nothing without a name", async () => {
    const stored = timsProperties.srpVerifier as SrpVerifier;
    expect(stored).toMatchObject({ hash: "SHA-1", group: 2048 });
    expect(stored.salt.length).toBe(16);
    expect(numberOf(stored.verifier)).toBeLessThan(prime);
    expect(numberOf(stored.verifier)).not.toBe(raise(group, 0n));
    const { unserved } = await passwordChange("x", { mechanisms: [srp] });
    expect(unserved).toEqual(["SRP"]);
    const gone = await passwordChange(undefined, { name: "tim", mechanisms: [srp] });
    expect(gone.changes).toHaveProperty("srpVerifier", undefined);
  });

  test("options that are none", () => {
    expect(() => srpServer({ hash: "MD5" as "SHA-1" })).toThrow(RangeError);
    expect(() => srpServer({ groupBits: 2047 })).toThrow(RangeError);
    for (const sessionSeconds of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
      expect(() => srpServer({ sessionSeconds })).toThrow(RangeError);
    }
    expect(() => srpServer({ maxSessions: 0 })).toThrow(RangeError);
    expect(() => new SrpSessions({ maxEntries: 0 })).toThrow(RangeError);
  });
});

describe("sessions that are taken up again", () => {
  /** A server whose clock and accounts can be set, and a client with its sessions. */
  async function setUp(options: { readonly maxSessions?: number } = {}) {
    const clock = { now: 1_000_000 };
    const mechanism = srpServer({ sessionSeconds: 60, now: () => clock.now, ...options });
    const accounts = memoryAccounts({ tim: timsProperties, anna: await annasProperties });
    const server = serverWith([mechanism], {
      accounts,
      policy: { minSsf: 0, maxSsf: 128 },
      authorize: () => true,
    });
    const sessions = new SrpSessions({ now: () => clock.now });
    let steps = 0;
    const login = async (credentials: object = tim, bits: Bits = [0, 128], own = sessions) => {
      steps = 0;
      const session = server.session(connection);
      const counted: SASLInterface = {
        ...wireOf(session),
        respond: (payload) => {
          steps++;
          return session.respond(payload);
        },
      };
      const outcome = await logIn(counted, SRP(credentials as typeof tim, { sessions: own }), bits);
      return { outcome, session, short: steps === 0 };
    };
    return { clock, mechanism, accounts, server, sessions, login };
  }
  const annasProperties = passwordChange("annas password", { name: "anna", mechanisms: [srp] }).then(
    ({ changes }) => changes,
  );

  test("R-SRP-09 one login is short, with keys of its own, and the next one whole again", async () => {
    const { login, sessions } = await setUp();
    const first = await login();
    expect([first.short, sessions.size]).toEqual([false, 1]);
    const second = await login();
    expect([second.short, sessions.size]).toEqual([true, 0]); // it is used up
    expect(second.session.result).toMatchObject({ authcid: "tim", authzid: "tim", mechanism: "SRP" });
    expect(second.outcome.layer?.ssf).toBe(128);
    expect(await through(second.outcome.layer, second.session.result?.layer, "hello")).toBe("hello");
    expect(await through(second.session.result?.layer, second.outcome.layer, "good day")).toBe("good day");
    expect(await codeOf(through(first.outcome.layer, second.session.result?.layer, "old keys"))).toBe(
      "peer-not-verified",
    );
    expect((await login()).short).toBe(false);
    expect((await login()).short).toBe(true);
  });

  test("R-SRP-09 no longer than its time", async () => {
    const { clock, login } = await setUp();
    await login();
    clock.now += 59_999;
    expect((await login()).short).toBe(true);
    await login();
    clock.now += 60_000;
    expect((await login()).short).toBe(false);
  });

  test("R-SRP-09 no longer at the server than there, whatever the client thinks", async () => {
    const { clock, login } = await setUp();
    const own = new SrpSessions({ now: () => 0 });
    await login(tim, [0, 128], own);
    clock.now += 60_000;
    expect((await login(tim, [0, 128], own)).short).toBe(false);
  });

  test("R-SRP-09 not after the password changed, even to the same one", async () => {
    const { accounts, login } = await setUp();
    await login();
    accounts.store("tim", await propertiesFor(srp));
    expect((await login()).short).toBe(false);
    expect((await login()).short).toBe(true);
  });

  /** Says hello with a session of one's choosing, and tells whether the server takes it up. */
  async function takenUp(server: SASLServer, name: string, authzid: string, sid: string): Promise<boolean> {
    const message = messages.formatClientFirst(name, authzid, sid, new Uint8Array(16));
    return (await server.session(connection).initiate("SRP", message)).state === "success";
  }
  async function sidOf(server: SASLServer): Promise<string> {
    let sid = "";
    const wire = bent(server.session(connection), 1, (payload) => {
      sid = messages.parseServerEvidence(payload).sid.text;
      return payload;
    });
    await logIn(wire, SRP(tim), [0, 128]);
    return sid;
  }

  test("R-SRP-09 R-GEN-15 by its owner alone, for the same identity, and once", async () => {
    const { server } = await setUp();
    const sid = await sidOf(server);
    expect(sid).not.toBe("");
    expect(await takenUp(server, "anna", "anna", sid)).toBe(false);
    expect(await takenUp(server, "tim", "anna", sid)).toBe(false);
    expect(await takenUp(server, "tim", "", sid)).toBe(false);
    expect(await takenUp(server, "nobody", "nobody", sid)).toBe(false);
    expect(await takenUp(server, "tim", "tim", `${sid}x`)).toBe(false);
    expect(await takenUp(server, "tim", "tim", sid)).toBe(true); // none of them took it from its owner
    expect(await takenUp(server, "tim", "tim", sid)).toBe(false);
  });

  test("not another user's, password's or authzid's at the client", async () => {
    const { login, sessions } = await setUp();
    await login();
    expect((await login({ username: "anna", password: "annas password" })).short).toBe(false);
    expect((await login({ ...tim, authzid: "anna" })).short).toBe(false);
    expect(await codeOf(login({ ...tim, password: "something else" }))).toBe("refused");
    expect((await login()).short).toBe(true);
    expect(sessions.size).toBe(2); // those of anna, and as anna
    sessions.clear();
    expect(sessions.size).toBe(0);
    expect(JSON.stringify(sessions)).toBe('{"size":0}');
  });

  test("only one with a layer, and with one that may be on the new connection", async () => {
    const { login, sessions } = await setUp();
    await login(tim, [0, 0]);
    expect(sessions.size).toBe(0);
    await login(tim, [0, 1]);
    expect((await login(tim, [56, 128])).short).toBe(false);
    await login(tim, [0, 128]);
    expect((await login(tim, [0, 1])).short).toBe(false);
  });

  test("R-LIM-04 the oldest leave first, and all with the mechanism", async () => {
    const { server, mechanism } = await setUp({ maxSessions: 2 });
    const [one, two, three] = [await sidOf(server), await sidOf(server), await sidOf(server)];
    expect(await takenUp(server, "tim", "tim", one)).toBe(false);
    expect(await takenUp(server, "tim", "tim", two)).toBe(true);
    await mechanism.dispose?.();
    expect(await takenUp(server, "tim", "tim", three)).toBe(false);
  });

  test("off unless configured", async () => {
    expect(await sidOf(serverOf(srp, [0, 128]))).toBe("");
    const sessions = new SrpSessions();
    await logIn(serverOf(srp, [0, 128]).session(connection), SRP(tim, { sessions }), [0, 128]);
    expect(sessions.size).toBe(0);
  });

  test("R-SRP-04 a server that takes one up has not proved itself yet", async () => {
    const { login, sessions } = await setUp();
    expect((await login()).outcome.serverVerified).toBe(true);
    const anybody: SASLInterface = {
      secure: true,
      initiate: async () => ({ state: "success", payload: messages.formatResumption(new Uint8Array(16)) }),
      respond: () => Promise.reject(new Error("there is nothing more to say")),
      abort: async () => ({ state: "failure" }),
    };
    const outcome = await logIn(anybody, SRP(tim, { sessions }), [0, 128]);
    expect(outcome.serverVerified).toBe(false);
    await login();
    expect((await login()).outcome.serverVerified).toBe(false);
  });

  test("R-SRP-04 a success that begins a new session, in answer to one that was to be taken up, is too early", async () => {
    const { login, server, sessions } = await setUp();
    await login();
    const session = server.session(connection);
    const early: SASLInterface = {
      ...wireOf(session),
      async initiate() {
        const first = messages.formatClientFirst("tim", "tim", "", new Uint8Array(0));
        const { payload } = await session.initiate("SRP", first);
        return { state: "success", payload };
      },
    };
    expect(await codeOf(logIn(early, SRP(tim, { sessions }), [0, 128]))).toBe("peer-not-verified");
  });

  test("a nonce of the server that is the client's own", async () => {
    const { login, server, sessions } = await setUp();
    await login();
    let cn = new Uint8Array(0);
    const session = server.session(connection);
    const echo: SASLInterface = {
      ...wireOf(session),
      async initiate(_, payload) {
        cn = messages.parseClientFirst(payload).nonce.slice();
        return { state: "success", payload: messages.formatResumption(cn) };
      },
    };
    expect(await codeOf(logIn(echo, SRP(tim, { sessions }), [0, 128]))).toBe("peer-not-verified");
    expect(cn.length).toBe(16);
  });
});
