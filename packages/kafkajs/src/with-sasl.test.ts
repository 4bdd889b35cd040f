/** Logins of the real library at a broker of ours, honest and not. */
import { readFileSync } from "node:fs";
import { type Admin, Kafka, type KafkaConfig, logLevel } from "kafkajs";
import { memoryAccounts, SASLServer, type ServerEvent, type TokenVerdict } from "sasl-core";
import { OAUTHBEARER, oauthbearer, PLAIN, plain, SCRAM, scramSha256, scramSha512 } from "sasl-core/mechanisms";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Answer, Broker, type BrokerOptions } from "../test/broker.js";
import { type AuthenticationResult, type SASLMechanism, type SASLOptions, withSASL } from "./index.js";

const read = (name: string): Buffer =>
  readFileSync(new URL(`../../core/test/certificates/${name}.pem`, import.meta.url));
const [cert, key] = [read("ecdsa-sha256.cert"), read("ec-p256.key")];
const alice = { username: "alice", password: "correct horse" };
const tokens = async (token: string): Promise<TokenVerdict> =>
  token.startsWith("good") ? { ok: true, subject: "alice" } : { ok: false, status: "invalid_token" };

const brokers: Broker[] = [];
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  for (const broker of brokers.splice(0)) broker.close();
});

async function start(options: Partial<BrokerOptions> = {}) {
  const events: ServerEvent[] = [];
  const sasl = new SASLServer({
    mechanisms: [scramSha256, scramSha512, plain, oauthbearer],
    accounts: memoryAccounts({ alice: alice.password }),
    tokens,
    onOutcome: (event) => void events.push(event),
  });
  const broker = new Broker({ sasl, ...options });
  brokers.push(broker);
  const address = await broker.listen();
  const logs: string[] = [];
  const results: AuthenticationResult[] = [];
  const connect = async (
    mechanism: string,
    mechanisms: readonly SASLMechanism[],
    config: Partial<KafkaConfig> = {},
    saslOptions: SASLOptions = {},
  ): Promise<Admin> => {
    const common = {
      brokers: [address],
      retry: { retries: 1, initialRetryTime: 5 },
      logLevel: logLevel.DEBUG,
      logCreator: () => (entry: unknown) => void logs.push(JSON.stringify(entry)),
      ...(options.tls && { ssl: { ca: cert } }),
      ...config,
    };
    const told = { onAuthenticated: (result: AuthenticationResult) => void results.push(result), ...saslOptions };
    const admin = new Kafka(withSASL(common, mechanism, mechanisms, told)).admin();
    closing.push(() => admin.disconnect());
    await admin.connect();
    return admin;
  };
  return { broker, connect, events, logs, results };
}

const tls = { cert, key };

describe("logs in", () => {
  for (const version of [0, 1] as const) {
    test(`SCRAM-SHA-256, SaslAuthenticate ${version}`, async () => {
      const { connect, results, events } = await start({ version });
      await connect("SCRAM-SHA-256", [SCRAM(alice)]);
      expect(results).toMatchObject([{ mechanism: "SCRAM-SHA-256", serverVerified: true, authcid: "alice" }]);
      expect(events).toMatchObject([{ ok: true }]);
    });
  }

  test("SCRAM-SHA-512, and the empty answer to the signature is not sent", async () => {
    const { connect, broker, results } = await start();
    await connect("SCRAM-SHA-512", [SCRAM(alice)]);
    expect(results).toMatchObject([{ mechanism: "SCRAM-SHA-512", serverVerified: true }]);
    expect(broker.heard).toHaveLength(2);
  });

  test("kafkajs asks for a name in upper case however it was written, and so do we", async () => {
    const { connect, results } = await start();
    await connect("scram-sha-512", [SCRAM(alice)]);
    expect(results).toMatchObject([{ mechanism: "SCRAM-SHA-512" }]);
  });

  test("PLAIN over TLS", async () => {
    const { connect, results, logs } = await start({ tls });
    await connect("PLAIN", [PLAIN(alice)]);
    expect(results).toMatchObject([{ mechanism: "PLAIN" }]);
    expect(logs.join("\n")).not.toContain(alice.password);
  });

  test("OAUTHBEARER, with a fresh token each time a session is renewed", async () => {
    const { connect, broker } = await start({ tls, lifetimeMs: 10_060 });
    let count = 0;
    const credentials = async () => ({ token: `good-${++count}` });
    const admin = await connect("OAUTHBEARER", [OAUTHBEARER(credentials)], { reauthenticationThreshold: 10_000 });
    await vi.waitFor(async () => {
      await admin.listTopics();
      expect(broker.heard.length).toBeGreaterThan(broker.connections);
    });
    const heard = broker.heard.map((octets) => /good-\d+/.exec(octets.toString())?.[0]);
    expect(new Set(heard).size).toBe(heard.length);
  });
});

describe("fails with KafkaJSSASLAuthenticationError, and our error as its cause", () => {
  const refused = { kind: "AuthenticationFailure", code: "refused" };
  const rows = [
    ["a wrong password", {}, "SCRAM-SHA-256", [SCRAM({ ...alice, password: "wrong" })], refused],
    ["a wrong password of PLAIN", { tls }, "PLAIN", [PLAIN({ ...alice, password: "wrong" })], refused],
    ["a bad token", { tls }, "OAUTHBEARER", [OAUTHBEARER({ token: "bad" })], refused],
    ["PLAIN without TLS", {}, "SCRAM-SHA-256", [PLAIN(alice)], { code: "no-common-mechanism" }],
  ] as const;
  for (const [what, options, mechanism, mechanisms, cause] of rows) {
    test(what, async () => {
      const { connect, logs, results } = await start(options);
      const error = await connect(mechanism, mechanisms).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "KafkaJSSASLAuthenticationError", retriable: false, cause });
      expect(results).toEqual([]);
      expect(logs.join("\n")).not.toMatch(/correct horse|"wrong"/);
    });
  }

  test("a mechanism the broker does not have is kafkajs' own to tell", async () => {
    const { connect } = await start();
    await expect(connect("GSSAPI", [SCRAM(alice)])).rejects.toThrow("does not support the requested SASL mechanism");
  });

  test("TLS without verified certificates protects nothing", async () => {
    const { connect, broker } = await start({ tls });
    const error = await connect("PLAIN", [PLAIN(alice)], { ssl: { rejectUnauthorized: false } }).catch(
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ cause: { code: "no-common-mechanism" } });
    expect(broker.heard).toEqual([]);
  });
});

test("certificates that Node.js was told not to verify protect nothing", async () => {
  const { connect, broker } = await start({ tls });
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  const failing = connect("PLAIN", [PLAIN(alice)], { ssl: true }).catch((thrown: unknown) => thrown);
  const error = await failing.finally(() => vi.unstubAllEnvs());
  expect(error).toMatchObject({ cause: { code: "no-common-mechanism" } });
  expect(broker.heard).toEqual([]);
});

describe("a broker that lies", () => {
  const octets = (text: string): Answer => ({ octets: Buffer.from(text) });
  const first = (heard: Buffer): Answer => {
    const nonce = /r=([^,]+)/.exec(heard.toString())?.[1];
    return octets(`r=${nonce}xyz,s=${Buffer.from("salt of sixteen.").toString("base64")},i=4096`);
  };
  const second =
    (answer: Answer): NonNullable<BrokerOptions["script"]> =>
    (heard, count) =>
      count === 1 ? first(heard) : answer;
  const forged = octets(`v=${Buffer.alloc(32, 7).toString("base64")}`);
  const rows: readonly [what: string, code: string, script: NonNullable<BrokerOptions["script"]>][] = [
    ["a forged signature", "peer-not-verified", second(forged)],
    ["no signature", "peer-not-verified", second({ octets: undefined })],
    ["an empty signature", "peer-not-verified", second({ octets: new Uint8Array(0) })],
    ["success at once", "peer-not-verified", () => ({ octets: undefined })],
    ["somebody else's nonce", "peer-not-verified", () => octets("r=abc,s=c2FsdA==,i=4096")],
    ["an answer that makes no sense", "malformed-message", () => octets("hello")],
    ["an answer that is too long", "limit-exceeded", () => ({ octets: Buffer.alloc(500_000) })],
    ["another state", "unexpected-message", () => ({ refusal: "no", code: 34 })],
  ];
  for (const [what, code, script] of rows) {
    test(`${what}: ${code}, once`, async () => {
      const { connect, results } = await start({ script });
      const error = await connect("SCRAM-SHA-256", [SCRAM(alice)]).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "KafkaJSSASLAuthenticationError", cause: { code } });
      expect(results).toEqual([]);
    });
  }

  test("what a terminal would obey is in no message", async () => {
    const { connect, logs } = await start({ script: () => ({ refusal: "no\u001b[2J\r\nok" }) });
    const error = await connect("SCRAM-SHA-256", [SCRAM(alice)]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: "SASL SCRAM-SHA-256: no [2J  ok", cause: { code: "refused" } });
    expect(logs.join("\n")).toContain("no [2J  ok");
  });

  test("an end in the middle is tried again", async () => {
    const script = (_: Buffer, count: number): Answer | undefined => (count === 1 ? "close" : undefined);
    const { connect, results } = await start({ script });
    await connect("SCRAM-SHA-256", [SCRAM(alice)]);
    expect(results).toMatchObject([{ mechanism: "SCRAM-SHA-256" }]);
  });
});
