/** The suite finds what it is there to find: mechanisms with one fault each, and the check that has to notice. */
import { describe, expect, test } from "vitest";
import { sha256 } from "../digests.js";
import { encodeBase64 } from "../internal/base64.js";
import { concatBytes } from "../internal/bytes.js";
import type {
  ClientContext,
  ClientConversation,
  Heard,
  Mechanism,
  MechanismContext,
  ServerContext,
  ServerConversation,
} from "../mechanism.js";
import { memoryAccounts } from "../memory-accounts.js";
import { checkMechanism, type MechanismCheckOptions, mechanismChecks } from "../testing.js";

/** Small, and without a fault: a password proved in both directions. */
const sound = {
  name: "X-TWO-WAY",
  flow: "server-first",
  security: ["noPlaintext", "noAnonymous", "mutualAuth"],
  needs: "password",
  source: "this file",
  secrets: /(?<= )\S+$/,
  properties: ["userPassword"],
  available: ({ userPassword }) => userPassword !== undefined,
  setPassword: ({ plaintext }, password) =>
    plaintext && password !== undefined ? { userPassword: password } : undefined,
  async *client(ctx: ClientContext): ClientConversation {
    const nonce = yield;
    const { username, password } = await ctx.credentials("password");
    const heard = yield ctx.final(ctx.bytes(`${username} ${await proof(ctx, password, "C", nonce)}`));
    if (heard === undefined || !ctx.equal(heard, ctx.bytes(await proof(ctx, password, "S", nonce)))) {
      throw ctx.fail("peer-not-verified", "the server does not know the password");
    }
  },
  async *server(ctx: ServerContext): ServerConversation {
    const nonce = ctx.bytes(ctx.nonce());
    const { username, given } = read(ctx, yield nonce);
    const account = await ctx.identify(username);
    const password = account.properties.userPassword ?? ctx.nonce();
    if (!ctx.equal(ctx.bytes(given), ctx.bytes(await proof(ctx, password, "C", nonce))))
      throw ctx.fail("refused", "wrong proof");
    return { authcid: account.name, data: ctx.bytes(await proof(ctx, password, "S", nonce)) };
  },
} satisfies Mechanism;

function read(ctx: ServerContext, message: Heard): { username: string; given: string } {
  const [username, given, ...more] = ctx.text(message).split(" ", 3);
  if (!username || !given || more.length > 0) throw ctx.fail("malformed-message", "not a name and a proof");
  return { username, given };
}

async function proof(ctx: MechanismContext, password: string, side: string, nonce: Heard): Promise<string> {
  if (!nonce?.length) throw ctx.fail("malformed-message", "an empty nonce");
  const key = ctx.bytes(await ctx.prepare(password, "query"));
  return encodeBase64(await ctx.hmac(sha256, key, concatBytes(ctx.bytes(side), nonce)));
}

const options: MechanismCheckOptions = {
  credentials: { username: "tim", password: "tanstaaf" },
  wrong: { username: "tim", password: "something else" },
  server: { accounts: memoryAccounts({ tim: "tanstaaf", anna: "secret of anna" }) },
  rounds: 1,
  seed: 7,
  timeoutMs: 5000,
};

test("a mechanism without a fault passes, whatever the seed", async () => {
  for (let seed = 0; seed < 3; seed++) {
    const report = await checkMechanism(sound, { ...options, seed });
    expect(report).toMatchObject({ subject: "mechanism X-TWO-WAY", seed });
    expect(report.checks.length).toBeGreaterThan(30);
  }
});

const believing: Mechanism["client"] = async function* (ctx) {
  const nonce = yield;
  const { username, password } = await ctx.credentials("password");
  yield ctx.final(ctx.bytes(`${username} ${await proof(ctx, password, "C", nonce)}`));
};
/** The sound server with something else done to the proof. */
const serverWith = (
  judge: (ctx: ServerContext, username: string, given: string, right: string) => void,
): NonNullable<Mechanism["server"]> =>
  async function* (ctx) {
    const nonce = ctx.bytes(ctx.nonce());
    const { username, given } = read(ctx, yield nonce);
    const account = await ctx.identify(username);
    const password = account.properties.userPassword ?? ctx.nonce();
    judge(ctx, account.name, given, await proof(ctx, password, "C", nonce));
    return { authcid: account.name, data: ctx.bytes(await proof(ctx, password, "S", nonce)) };
  };
const refuse = (ctx: ServerContext) => ctx.fail("refused", "wrong proof");
let lastNonce: Uint8Array | undefined;

const faults: readonly (readonly [fault: string, change: Partial<Mechanism>, noticed: RegExp])[] = [
  ["a flag that does not exist", { security: ["mutual" as "mutualAuth"] }, /shape of a mechanism: security is \["mutual"\]/],
  ["a flow that is not its own", { flow: "client-first" }, /R-GEN-04 R-GEN-06/],
  ["a client that believes any server", { client: believing }, /R-GEN-11 .*believes a success|R-GEN-32 bit-flip of any message: .*server message/],
  ["a server that accepts any proof", { server: serverWith(() => {}) }, /R-GEN-31 wrong credentials are refused/],
  [
    "a server that looks at the beginning of the proof alone",
    { server: serverWith((ctx, _, given, right) => { if (given.slice(0, 20) !== right.slice(0, 20)) throw refuse(ctx); }) },
    /R-GEN-32 (?:truncate|extend) of any message: .*convinced all the same/,
  ],
  [
    "a server that takes a name for another",
    { server: async function* (ctx) { for await (const outcome of [yield* sound.server(ctx)]) return { ...outcome, authcid: "anna" }; throw refuse(ctx); } },
    /a success for "anna"/,
  ],
  [
    "a parser that throws what is no SASL error",
    { server: async function* (ctx) { const nonce = ctx.bytes(ctx.nonce()); const heard = yield nonce; JSON.parse(ctx.text(heard).includes(" ") ? "1" : "{"); throw refuse(ctx); } },
    /is no SASL error/,
  ],
  [
    "a client that throws what is no SASL error",
    { client: async function* (ctx) { const nonce = yield; if (nonce?.length !== 24) throw new RangeError("24 octets"); yield* again(sound.client(ctx), nonce); } },
    /a half threw RangeError: 24 octets/,
  ],
  [
    "a server that never answers a malformed message",
    { server: async function* (ctx) { const half = sound.server(ctx); const first = await half.next(); const heard = yield first.value as Uint8Array; if (!ctx.text(heard).endsWith("=")) await new Promise(() => {}); const last = await half.next(heard); if (last.done) return last.value; throw refuse(ctx); } },
    /no answer within 100 ms/,
  ],
  [
    "a client that waits for ever",
    { client: async function* (ctx) { const nonce = yield; if (nonce?.length !== 24) await new Promise(() => {}); yield* again(sound.client(ctx), nonce); } },
    /no answer within 100 ms/,
  ],
  [
    "an error that shows the password",
    { server: serverWith((ctx, _, given, right) => { if (given !== right) throw ctx.fail("refused", "wrong", { detail: "tanstaaf was expected" }); }) },
    /R-GEN-30 .* shows a secret/,
  ],
  [
    "an error that shows the password in its cause, as base64",
    { server: serverWith((ctx, _, given, right) => { if (given !== right) throw ctx.fail("refused", "wrong", { cause: refuseWith(encodeBase64(ctx.bytes("x tanstaaf"))) }); }) },
    /R-GEN-30 .* shows a secret/,
  ],
  [
    "a trace that shows the password",
    { client: async function* (ctx) { const nonce = yield; const { username, password } = await ctx.credentials("password"); yield ctx.final(ctx.bytes(`${username} ${password} ${nonce?.length}`)); }, secrets: /(?!)/ },
    /the trace of .* shows a secret|right credentials fail/,
  ],
  [
    "unknown names that are told from others",
    { server: async function* (ctx) { const nonce = ctx.bytes(ctx.nonce()); const { username, given } = read(ctx, yield nonce); const account = await ctx.identify(username); const { userPassword } = account.properties; if (userPassword === undefined) throw ctx.fail("refused", "no such user"); if (given !== (await proof(ctx, userPassword, "C", nonce))) throw refuse(ctx); return { authcid: account.name, data: ctx.bytes(await proof(ctx, userPassword, "S", nonce)) }; } },
    /R-GEN-31 a name nobody has/,
  ],
  [
    "a nonce that is kept",
    { server: async function* (ctx) { const nonce = ctx.bytes("the same nonce each time"); const { username, given } = read(ctx, yield nonce); const account = await ctx.identify(username); const password = account.properties.userPassword ?? ctx.nonce(); if (given !== (await proof(ctx, password, "C", nonce))) throw refuse(ctx); return { authcid: account.name, data: ctx.bytes(await proof(ctx, password, "S", nonce)) }; } },
    /R-GEN-15 .*the same messages succeed a second time/,
  ],
  [
    "state outside of the exchange",
    { server: async function* (ctx) { lastNonce = ctx.bytes(ctx.nonce()); const { username, given } = read(ctx, yield lastNonce); const account = await ctx.identify(username); const password = account.properties.userPassword ?? "x"; if (given !== (await proof(ctx, password, "C", lastNonce))) throw refuse(ctx); return { authcid: account.name, data: ctx.bytes(await proof(ctx, password, "S", lastNonce)) }; } },
    /R-GEN-15 R-LIM-07 .*right credentials fail/,
  ],
  ["properties it does not declare", { properties: [] }, /R-CAN-04|right credentials fail/],
  ["a password it stores although it must not", { setPassword: (_, password) => ({ userPassword: password }) }, /stores the password itself/],
  ["a password it stores where it does not look", { setPassword: (_, password) => password === undefined ? undefined : ({ other: "x" }) }, /setPassword sets other/],
  ["an availability it does not have", { available: () => true }, /without a password it says it is available/],
  [
    "a half that is never let go of",
    { server: async function* (ctx) { try { return yield* sound.server(ctx); } finally { if (lastNonce === undefined) await new Promise(() => {}); } } },
    /half is still waiting|no answer within/,
  ],
]; // biome-ignore format: a table

describe("the suite notices", () => {
  test.each(faults)("%s", { timeout: 60_000 }, async (_, change, noticed) => {
    lastNonce = undefined;
    const failed: string[] = [];
    for (const { name, run } of mechanismChecks({ ...sound, ...change }, { ...options, timeoutMs: 100 })) {
      const error: unknown = await run().catch((thrown: unknown) => thrown);
      if (error === undefined) continue;
      failed.push(`${name}: ${(error as Error).message}`);
      if (noticed.test(failed.at(-1) as string)) return;
    }
    expect(failed).toContainEqual(expect.stringMatching(noticed));
  });
});

test("the error names every check that failed, and the seed", async () => {
  const error: unknown = await checkMechanism({ ...sound, client: believing }, options).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({
    name: "ComplianceFailure",
    cause: expect.objectContaining({ name: "ComplianceFailure" }),
  });
  const [first, ...lines] = (error as Error).message.split("\n");
  expect(first).toMatch(/^mechanism X-TWO-WAY: \d+ of \d+ checks failed \(seed 7\)$/);
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) expect(line).toMatch(/^- [^:]+: ./);
});

/** A client half that has heard its first message already. */
async function* again(half: ClientConversation, heard: Heard): ClientConversation {
  await half.next();
  const turn = await half.next(heard);
  if (turn.done || turn.value === undefined) return;
  const answer = yield turn.value;
  await half.next(answer);
}

function refuseWith(text: string): Error {
  return new Error(`refused ${text}`);
}
