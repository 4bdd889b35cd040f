/** R-GEN-30: nothing an application can hold, print or log of an exchange has a secret in it, in any form. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { authenticate } from "../src/authenticate.js";
import type { CredentialProvider } from "../src/credentials.js";
import { encodeBase64 } from "../src/internal/base64.js";
import { toHex } from "../src/internal/hex.js";
import { decodeUtf8, encodeUtf8 } from "../src/internal/text.js";
import { hashSha1, hashSha256 } from "../src/mechanisms/index.js";
import { keysFromPassword } from "../src/mechanisms/scram/keys.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import { ScramKeyCache } from "../src/scram-key-cache.js";
import { SASLServer, type ServerEvent } from "../src/server.js";
import { SASLStateMachine } from "../src/state-machine.js";
import { type TraceEvent, tracer } from "../src/trace.js";
import { makeScramVerifier } from "../src/verifier.js";
import { binding, connection, type Pairing, pairings, recorded } from "./support.js";

const secret = {
  password: "Marker-of-the-password-7f3a",
  wrong: "Marker-of-a-wrong-password-91c",
  token: "Marker.of.the.token.5d20",
  wrongToken: "Marker.of.a.wrong.token.a8",
  serverKey: encodeUtf8("Marker of the server's own secret"),
};
const salt = new Uint8Array(16).fill(9);
const verifiers = await Promise.all(
  [hashSha1, hashSha256].map((hash) => makeScramVerifier(hash, secret.password, { iterations: 4096, salt })),
);
const keys = await Promise.all(
  [hashSha1, hashSha256].map(({ digest }) => {
    const crypto = {
      hash: (d: typeof digest, data: Uint8Array) => d.hash(data),
      hmac: (d: typeof digest, key: Uint8Array, data: Uint8Array) => d.hmac(key, data),
      pbkdf2: (d: typeof digest, p: Uint8Array, s: Uint8Array, i: number) => d.pbkdf2(p, s, i),
    };
    return keysFromPassword(crypto, digest, encodeUtf8(secret.password), salt, 4096);
  }),
);

/** Every secret as text, base64, hexadecimal and a list of numbers. */
function formsOf(octets: Uint8Array): readonly string[] {
  const [base64, hex] = [encodeBase64(octets), toHex(octets)];
  return [base64.slice(0, 20), hex.slice(0, 24), hex.slice(0, 24).toUpperCase(), [...octets.slice(0, 10)].join(",")];
}
const texts = [secret.password, secret.wrong, secret.token, secret.wrongToken];
const octets = [
  ...texts.map((text) => encodeUtf8(text)),
  secret.serverKey,
  ...verifiers.flatMap(({ storedKey, serverKey }) => [storedKey, serverKey]),
  ...keys.map(({ clientKey }) => clientKey),
];
const forms = [...texts, ...octets.flatMap(formsOf)];

/** Everything a value gives away when it is printed or sent somewhere. */
function shownOf(value: unknown): string {
  const options = { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null };
  const shown = [
    inspect(value, options),
    inspect(value, { ...options, showHidden: true }),
    inspect(value, { ...options, showHidden: true, getters: true, showProxy: true }),
    JSON.stringify(value) ?? "",
    String(value),
  ];
  if (typeof value === "object" && value !== null) {
    shown.push(JSON.stringify(Object.entries(value)), JSON.stringify({ ...value }));
    try {
      shown.push(inspect(structuredClone(value), options));
    } catch {
      // A value that cannot be cloned gives nothing away by it.
    }
  }
  if (value instanceof Error) shown.push(value.stack ?? "", shownOf(value.cause), value.message);
  return shown.join("\n").replaceAll(/\s+/g, "");
}

function expectNoSecret(what: string, value: unknown): void {
  const shown = shownOf(value);
  for (const form of forms) expect(shown.includes(form.replaceAll(/\s+/g, "")), `${what} shows ${form}`).toBe(false);
}

test("a secret would be found", () => {
  for (const each of [
    secret.password,
    { a: { b: [secret.token] } },
    keys[0],
    new Error(secret.wrong),
    verifiers,
    [secret.serverKey],
  ]) {
    expect(() => expectNoSecret("it", each)).toThrow();
  }
  expect(() => expectNoSecret("it", new Error("x", { cause: { password: secret.password } }))).toThrow();
});

const right = { username: "tim", password: secret.password, token: secret.token };
const wrong = { username: "tim", password: secret.wrong, token: secret.wrongToken };

type Store = "passwords" | "verifiers";

async function everythingOf(pairing: Pairing, given: CredentialProvider, store: Store, sabotage: boolean) {
  const events: ServerEvent[] = [];
  const trace: TraceEvent[] = [];
  const properties = store === "passwords" ? { userPassword: secret.password } : { authPassword: verifiers };
  const accounts = memoryAccounts({ tim: properties });
  const server = new SASLServer({
    mechanisms: [pairing.mechanism],
    accounts,
    anonymous: "nobody",
    secret: secret.serverKey,
    tokens: (token) =>
      token === secret.token ? { ok: true, subject: "tim" } : { ok: false, status: "invalid_token", detail: "expired" },
    onOutcome: (event) => events.push(event),
  });
  const session = server.session(connection);
  const wire = recorded(session, (reply) => {
    if (sabotage && reply.state === "success") throw new Error("the connection broke");
    return reply;
  });
  const mechanism = pairing.client(given);
  const keyCache = new ScramKeyCache();
  const machine = new SASLStateMachine(wire);
  const options = { channelBinding: binding, keyCache, trace: tracer((event) => trace.push(event)) };
  const result = await authenticate(wire, [pairing.name], [mechanism], options).catch((error: unknown) => error);
  const pending = server.session(connection);
  await pending.initiate(pairing.name).catch(() => {});
  const byHand = await mechanism
    .authenticate(machine, pairing.name, { ...options, offered: [pairing.name] })
    .catch((e: unknown) => e);
  return { result, byHand, session, pending, server, mechanism, keyCache, machine, events, trace, accounts };
}

describe.each(pairings)("R-GEN-30 $name", (pairing) => {
  const cases: readonly [how: string, given: CredentialProvider, sabotage: boolean][] = [
    ["success", right, false],
    ["success, a provider", () => right, false],
    ["wrong credentials", wrong, false],
    ["a lost connection", right, true],
    ["a provider that throws", () => Promise.reject(new Error("no wallet")), false],
  ];
  const stores: readonly Store[] = pairing.name === "CRAM-MD5" ? ["passwords"] : ["passwords", "verifiers"];
  for (const store of stores) {
    test.each(cases)(`%s, the server has ${store}`, async (_, given, sabotage) => {
      const everything = await everythingOf(pairing, given, store, sabotage);
      for (const [what, value] of Object.entries(everything)) expectNoSecret(what, value);
    });
  }
});

test("R-GEN-30 proofs and signatures are not in a trace", async () => {
  for (const pairing of pairings.filter(({ name }) => /^(SCRAM|CRAM)/.test(name))) {
    const said: string[] = [];
    const { trace } = await everythingOf(pairing, right, "passwords", false);
    const server = new SASLServer({
      mechanisms: [pairing.mechanism],
      accounts: memoryAccounts({ tim: secret.password }),
    });
    const session = server.session(connection);
    const events: TraceEvent[] = [];
    const wire = recorded(session, (reply) => {
      if (reply.payload?.length) said.push(decodeUtf8(reply.payload));
      return reply;
    });
    const options = { channelBinding: binding, trace: tracer((event) => events.push(event)) };
    await authenticate(wire, [pairing.name], [pairing.client(right)], options);
    for (const { payload } of wire.calls) if (payload?.length) said.push(decodeUtf8(payload));
    const proofs = said.flatMap((text) => /(?:,p=|^v=| )([\w+/=]{20,})$/.exec(text)?.[1] ?? []);
    expect(proofs.length, pairing.name).toBeGreaterThan(0);
    for (const proof of proofs) expect(JSON.stringify([events, trace])).not.toContain(proof);
  }
});
