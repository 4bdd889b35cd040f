/**
 * What every mechanism has to do. Source: the rules in `mechanism.ts`; R-GEN, R-LIM.
 *
 * @module
 */
import { type AccountProperties, makesHashes } from "../accounts.js";
import { clientMechanism } from "../client.js";
import type { Credentials } from "../credentials.js";
import { AuthenticationFailure, isSASLError, SASLFailure } from "../errors.js";
import type { SASLInterface, SASLReply } from "../interface.js";
import { concatBytes, equalBytes } from "../internal/bytes.js";
import type { SecurityLayer } from "../layer.js";
import type { ClientContext, Mechanism, MechanismContext, ServerContext } from "../mechanism.js";
import { memoryAccounts } from "../memory-accounts.js";
import { objectionToMechanism } from "../plugin-shape.js";
import { passwordChange } from "../set-password.js";
import { SASLStateMachine } from "../state-machine.js";
import { Bench, type BenchOptions, type Play, type Played, type WireMessage } from "./bench.js";
import { type Check, type ComplianceReport, expect, messageOf, runChecks, within } from "./checks.js";
import { type Corruption, corruptEveryStep, corruptions, flipped } from "./corruption.js";
import { formsOf, textsIn } from "./exposure.js";
import { chance, freshSeed } from "./random.js";

/** What the suite has to know about a mechanism. */
export interface MechanismCheckOptions extends BenchOptions {
  /** Credentials the server has to refuse. Left out only where none can be wrong. */
  readonly wrong?: Play["credentials"];
  /** Credentials of a name nobody has, which must look like `wrong`. Default: `wrong` with another name of the same length. */
  readonly unknown?: Play["credentials"];
  /** Texts that nothing may show. Default: passwords and tokens among the credentials. */
  readonly secrets?: readonly string[] | undefined;
  /**
   * Whether an exchange may go well although one message was spoilt, because the mechanism does not look at that part of it:
   * the prompts of LOGIN, the trace of ANONYMOUS. It is for the right identity even then. Left out: never.
   */
  readonly harmless?: ((corruption: Corruption) => boolean) | undefined;
  /**
   * True where a user can have one exchange at a time: those beside it may fail as temporary. Default false.
   */
  readonly exclusive?: boolean | undefined;
  /** How often each corruption is tried at each step. Default 3. */
  readonly rounds?: number | undefined;
  /** What the random part begins with. Default: another one each time. */
  readonly seed?: number | undefined;
}

/**
 * Checks a mechanism against everything the engine and applications count on, and against every corruption of every message.
 *
 * @throws {ComplianceFailure} with all that does not hold, and the seed.
 */
export function checkMechanism(mechanism: Mechanism, options: MechanismCheckOptions): Promise<ComplianceReport> {
  const seed = options.seed ?? freshSeed();
  return runChecks(`mechanism ${mechanism.name}`, mechanismChecks(mechanism, { ...options, seed }), seed);
}

/** What each check gets. */
interface Subject {
  readonly bench: Bench;
  readonly mechanism: Mechanism;
  readonly options: MechanismCheckOptions;
  readonly seed: number;
}

/** The same checks one by one, for test runners that show each: `for (const { name, run } of mechanismChecks(…)) test(name, run)`. */
export function mechanismChecks(mechanism: Mechanism, options: MechanismCheckOptions): readonly Check[] {
  const { seed = freshSeed(), rounds = 3, harmless, wrong } = options;
  let made: Bench | undefined; // late, so that a mechanism without shape fails in a check
  const subject = (): Subject => {
    made ??= new Bench(mechanism, options);
    return { bench: made, mechanism: made.mechanism, options, seed };
  };
  const check = (name: string, work: (subject: Subject) => Promise<void>): Check => ({
    name,
    run: async () => work(subject()),
  });
  const shape = async () => {
    const objection = objectionToMechanism(mechanism);
    expect(objection === undefined, `${objection?.path} ${objection?.what}`);
  };
  const checks: Check[] = [
    { name: "it has the shape of a mechanism", run: shape },
    check("R-GEN-08 R-GEN-09 R-GEN-10 both ends agree on a success, with and without data", checkSuccess),
    check("R-GEN-04 R-GEN-06 an initial response as the flow says", checkFlow),
    check("R-GEN-05 R-GEN-07 the first message where it belongs", checkFirst),
    check("R-GEN-11 success that comes too early is a failure", checkEarly),
    check("R-GEN-13 success with data nobody expects is a failure", checkData),
    check("R-GEN-12 a failure of the protocol is a failure at every step", checkFailure),
    check("R-GEN-14 after the end every call fails and changes nothing", checkEnd),
    check("R-GEN-15 R-LIM-07 exchanges at the same time do not know of each other", checkTogether),
    check("R-GEN-16 R-GEN-17 either end gives up at every step, and a new exchange follows", checkAborts),
    check("R-LIM-01 R-LIM-05 a peer that never comes to an end", checkEndless),
    check("R-GEN-30 nothing that is printed, logged or traced shows a secret", checkSecrets),
    check("every half is let go of, and told once that the exchange is over", checkDisposal),
    check("R-GEN-15 an exchange that is played again is refused where the server has a say in it", checkReplay),
    check("R-CAN-04 the server half works with the properties it declares", checkProperties),
  ];
  if (wrong) {
    checks.push(check("R-GEN-14 R-GEN-31 wrong credentials are refused, and right ones follow", checkWrong));
    const unknown = unknownCredentials(options);
    if (unknown)
      checks.push(check("R-GEN-31 a name nobody has looks like a wrong secret", (at) => checkUnknown(at, unknown)));
  }
  if (mechanism.setPassword) checks.push(check("what it stores for a password is what it needs", checkSetPassword));
  for (const kind of corruptions) {
    const name = `R-LIM-05 R-GEN-32 ${kind} of any message`;
    checks.push(check(name, ({ bench }) => corruptEveryStep(bench, kind, { seed, rounds, harmless })));
    if (!wrong) continue;
    const never = `R-LIM-05 R-GEN-10 ${kind} of any message lets nobody in with wrong credentials`;
    checks.push(check(never, ({ bench }) => corruptEveryStep(bench, kind, { seed, rounds, harmless, wrong })));
  }
  return checks;
}

const both = [false, true] as const;

async function checkSuccess({ bench, mechanism, seed }: Subject): Promise<void> {
  for (const successData of both) {
    const { outcome, session } = await bench.succeed({ seed, successData });
    expect(session.result?.mechanism === mechanism.name, "the server's result is of another mechanism");
    const bound = session.result?.channelBinding;
    expect(
      outcome?.channelBinding === bound,
      `the client is bound to ${outcome?.channelBinding}, the server to ${bound}`,
    );
    expect(
      (bound !== undefined) === Boolean(mechanism.channelBinding),
      "channelBinding says something else than the exchange",
    );
    await checkLayers(outcome?.layer, session.result?.layer, mechanism.maxSsf ?? 0);
  }
}

/** Both ends have the same layer or none, within what the mechanism says of itself, and hear each other through it. */
async function checkLayers(
  client: SecurityLayer | undefined,
  server: SecurityLayer | undefined,
  maxSsf: number,
): Promise<void> {
  expect(
    client?.ssf === server?.ssf,
    `the client has a layer of ${client?.ssf} bits, the server one of ${server?.ssf}`,
  );
  if (client === undefined || server === undefined) return;
  expect(client.ssf <= maxSsf, `the layer has ${client.ssf} bits, and maxSsf is ${maxSsf}`);
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    for (const length of [1, 1000, Math.min(from.maxOutput + 1, 200_000)]) {
      const plain = new Uint8Array(length).fill(length);
      const heard = concatBytes(...(await to.decode(await from.encode(plain))));
      expect(equalBytes(plain, heard), `${length} octets did not come through the security layer as they were`);
    }
    expect(to.whole, "a frame is left incomplete");
  }
}

async function checkFlow({ bench, mechanism, seed }: Subject): Promise<void> {
  const { messages } = await bench.succeed({ seed });
  const initial = messages[0]?.payload !== undefined;
  if (mechanism.flow === "client-first") expect(initial, "there is no initial response, and the flow is client-first");
  if (mechanism.flow === "server-first") expect(!initial, "there is an initial response, and the flow is server-first");
}

async function checkFirst({ bench, mechanism, seed }: Subject): Promise<void> {
  const session = bench.server({ seed }).session(bench.connection());
  if (mechanism.flow === "server-first") {
    const code = await codeOf(session.initiate(mechanism.name, new Uint8Array(0)));
    expect(code === "unexpected-message", `an empty initial response to a server-first mechanism leads to ${code}`);
  }
  if (mechanism.flow === "client-first") {
    const reply = await session.initiate(mechanism.name);
    const empty = reply.state === "challenge" && reply.payload.length === 0;
    expect(empty, "a client-first mechanism without initial response does not begin with an empty challenge");
    let first: Uint8Array | undefined;
    const held = ({ payload }: WireMessage): never => {
      first = payload; // which no server has seen yet: it may be of use only once
      throw new SASLFailure("connection-lost", "the first message is held back");
    };
    await bench.play({ seed, client: held });
    const next = await session.respond(first as unknown as Uint8Array);
    expect(next.state !== "failure", "the first message fails behind an empty challenge");
  }
}

/** Plays an exchange for each reply of a good one, with something else in its place, and hands out how it went. */
async function atEveryReply(
  { bench, seed }: Subject,
  put: (reply: SASLReply) => SASLReply,
  judge: (
    played: Played,
    step: { readonly index: number; readonly last: boolean; readonly replaced: SASLReply },
  ) => void,
): Promise<void> {
  for (const successData of both) {
    const { messages } = await bench.succeed({ seed, successData });
    const count = messages.filter(({ from }) => from === "server").length;
    for (let step = 0; step < count; step++) {
      let replaced: SASLReply | undefined;
      const server = (reply: SASLReply, index: number) => {
        if (index !== step) return reply;
        replaced = reply;
        return put(reply);
      };
      const played = await bench.play({ seed, successData, server });
      expect(replaced !== undefined, "the same exchange has another length each time");
      bench.expectTypedErrors(played);
      judge(played, { index: step, last: step === count - 1, replaced });
    }
  }
}

async function checkEarly(subject: Subject): Promise<void> {
  const { mechanism } = subject;
  await atEveryReply(
    subject,
    () => ({ state: "success" }),
    ({ outcome, messages }, { index, last, replaced }) => {
      // What the server really said was success, and the client needs no proof that came with it.
      if (last && replaced.state === "success" && !(replaced.payload && mechanism.security.includes("mutualAuth")))
        return;
      expect(outcome === undefined, `the client believes a success in place of reply ${index}`);
      const said = messages.filter(({ from }) => from === "client").length;
      expect(said === index + 1, `the client goes on after a success in place of reply ${index}`);
    },
  );
}

async function checkData(subject: Subject): Promise<void> {
  const payload = chance(subject.seed).bytes(16);
  await atEveryReply(
    subject,
    () => ({ state: "success", payload }),
    ({ outcome }, { index }) =>
      expect(outcome === undefined, `the client believes a success with noise as reply ${index}`),
  );
}

async function checkFailure(subject: Subject): Promise<void> {
  const said = new AuthenticationFailure("refused", "the server said no");
  await atEveryReply(
    subject,
    () => {
      throw said;
    },
    ({ outcome, error }, { index }) => {
      expect(outcome === undefined, `the client is convinced after a failure in place of reply ${index}`);
      expect(isSASLError(error), `a failure in place of reply ${index} is no error`);
    },
  );
}

async function checkEnd({ bench, mechanism, seed }: Subject): Promise<void> {
  const { session } = await bench.succeed({ seed });
  const { result } = session;
  const calls: readonly (() => Promise<unknown>)[] = [
    () => session.respond(new Uint8Array(0)),
    () => session.initiate(mechanism.name),
    () => session.initiate(mechanism.name, new Uint8Array(1)),
  ];
  for (const call of calls) {
    const code = await codeOf(call());
    expect(code === "unexpected-message", `a call after the success leads to ${code}`);
    expect(session.result === result, "a call after the success changes the result");
  }
  const aborted = await bench.play({ seed, server: () => Promise.reject(new SASLFailure("aborted", "given up")) });
  if (aborted.session.result !== undefined) return; // it was over with the first reply
  await aborted.session.abort();
  const code = await codeOf(aborted.session.respond(new Uint8Array(0)));
  expect(code === "unexpected-message", `a message after an abort leads to ${code}`);
}

async function checkTogether({ bench, mechanism, options, seed }: Subject): Promise<void> {
  const server = bench.server({ seed });
  const plays = Array.from({ length: 8 }, async (_, i) => {
    const wrong = options.wrong && i % 2 === 1;
    const successData = i % 4 < 2;
    const session = server.session(bench.connection(successData));
    const play: Play = { seed: seed + i, session, successData };
    if (!wrong && options.exclusive) {
      const { error, outcome } = await bench.play(play);
      const busy = isSASLError(error) && error.code === "temporary" && session.result === undefined;
      expect(outcome !== undefined || busy, `right credentials fail beside others: ${messageOf(error)}`);
      return;
    }
    if (!wrong) return void (await bench.succeed(play));
    const played = await bench.play({ ...play, credentials: options.wrong });
    bench.expectTypedErrors(played);
    expect(session.result === undefined, "wrong credentials succeed beside right ones");
  });
  await Promise.all(plays);
  for (let i = 0; i < 3; i++) await bench.succeed({ seed, session: server.session(bench.connection()) });
  expect(bench.mechanism.name === mechanism.name, "the mechanism has changed its name");
}

async function checkAborts({ bench, seed }: Subject): Promise<void> {
  for (const successData of both) {
    const { messages } = await bench.succeed({ seed, successData });
    const count = messages.filter(({ from }) => from === "server").length;
    for (let step = 0; step < count; step++) {
      for (const end of ["client", "server"] as const) {
        const controller = new AbortController();
        const session = bench.server({ seed }).session(bench.connection(successData));
        const server = async (reply: SASLReply, index: number): Promise<SASLReply> => {
          if (index !== step) return reply;
          if (end === "client") {
            controller.abort(new SASLFailure("aborted", "the client gave up"));
            return reply;
          }
          const { state, payload } = (await session.abort()) as SASLReply;
          expect(state === "failure" && payload === undefined, "an abort is not answered with a bare failure");
          throw new SASLFailure("aborted", "the other end gave up");
        };
        const played = await bench.play({ seed, successData, session, server, signal: controller.signal });
        bench.expectTypedErrors(played);
        expect(played.outcome === undefined, `the client is convinced although the ${end} gave up at reply ${step}`);
        if (session.result !== undefined) continue; // the server had said its last word
        await bench.succeed({ seed: seed ^ 3, successData, session });
      }
    }
  }
}

async function checkEndless({ bench, mechanism, options, seed }: Subject): Promise<void> {
  const { messages } = await bench.succeed({ seed });
  const heard = messages.flatMap(({ from, payload }) => (from === "server" && payload ? [payload] : []));
  const said = messages.flatMap(({ from, payload }) => (from === "client" && payload ? [payload] : []));
  for (const payload of [new Uint8Array(0), new Uint8Array([0x3f]), ...heard]) {
    let calls = 0;
    const again = async (): Promise<SASLReply> => {
      calls++;
      return { state: "challenge", payload };
    };
    const wire: SASLInterface = {
      secure: true,
      initiate: again,
      respond: again,
      abort: async () => ({ state: "failure" }),
    };
    const { channelBinding } = bench.connection();
    const settings = { host: options.server.host, channelBinding, offered: [mechanism.name], ...options.client };
    const exchange = clientMechanism([mechanism], options.credentials).authenticate(
      new SASLStateMachine(wire),
      mechanism.name,
      settings,
    );
    const code = await within(bench.timeoutMs, codeOf(exchange));
    expect(code !== "success" && calls <= 21, `a server that goes on and on leads to ${code} after ${calls} messages`);
  }
  for (const payload of [new Uint8Array(0), new Uint8Array([0x3f]), ...said]) {
    const session = bench.server({ seed }).session(bench.connection());
    let calls = 0;
    const goOn = async () => {
      let reply = await session.initiate(mechanism.name, mechanism.flow === "server-first" ? undefined : payload);
      while (reply.state === "challenge" && calls++ < 50) reply = await session.respond(payload);
    };
    const code = await within(bench.timeoutMs, codeOf(goOn()));
    expect(calls <= 21, `a client that goes on and on leads to ${code} after ${calls} messages`);
  }
}

async function checkSecrets(subject: Subject): Promise<void> {
  const { bench, mechanism, options, seed } = subject;
  const secrets = options.secrets ?? secretsIn([options.credentials, options.wrong]);
  const seen: [where: string, what: unknown][] = [["the mechanism", mechanism]];
  const look = (where: string, { error, refusals, events, trace, session, outcome }: Played) => {
    seen.push([`the error of ${where}`, error], [`the server's errors of ${where}`, refusals]);
    seen.push([`the server's events of ${where}`, events], [`the trace of ${where}`, trace]);
    seen.push([`the session of ${where}`, session], [`the result of ${where}`, outcome]);
  };
  for (const successData of both) {
    const right = await bench.succeed({ seed, successData });
    look("a success", right);
    if (options.wrong) look("wrong credentials", await bench.play({ seed, successData, credentials: options.wrong }));
    for (const { from, index } of right.messages) {
      const luck = chance(seed + index);
      const bend = (message: WireMessage) => {
        if (message.from !== from || message.index !== index || !message.payload?.length) return message.payload;
        return flipped(message.payload, luck.below(message.payload.length), 0);
      };
      const server = (reply: SASLReply, at: number): SASLReply => {
        const payload = bend({ from: "server", index: at, kind: "challenge", payload: reply.payload });
        return payload === undefined ? reply : ({ ...reply, payload } as SASLReply);
      };
      look("a spoilt message", await bench.play({ seed, successData, client: bend, server }));
    }
  }
  for (const secret of secrets) {
    const forms = formsOf(secret);
    for (const [where, what] of seen) {
      const shown = textsIn(what).some((text) => forms.some((form) => text.includes(form)));
      expect(!shown, `${where} shows a secret`);
    }
  }
}

function secretsIn(credentials: readonly Play["credentials"][]): string[] {
  const texts = credentials.flatMap((each) => (typeof each === "object" ? [each.password, each.token] : []));
  return texts.filter((text): text is string => text !== undefined && text.length >= 4);
}

async function checkDisposal({ bench, mechanism, options, seed }: Subject): Promise<void> {
  const counts = { begun: 0, finished: 0 };
  const callbacks: boolean[][] = [];
  const watch =
    <C extends MechanismContext, H>(half: (ctx: C) => H) =>
    (ctx: C): H => {
      const called = (): ((ok: boolean) => void) => {
        const calls: boolean[] = [];
        callbacks.push(calls);
        return (ok) => calls.push(ok);
      };
      const ended = ctx.ended.bind(ctx);
      ended(called());
      const watched = (callback: (ok: boolean) => void) => {
        const count = called();
        ended((ok) => {
          count(ok);
          callback(ok);
        });
      };
      Object.defineProperty(ctx, "ended", { value: watched, configurable: true });
      return counting(half(ctx) as AsyncGenerator<unknown, unknown, unknown>, counts) as H;
    };
  const watched: Mechanism = {
    ...mechanism,
    client: watch<ClientContext, ReturnType<NonNullable<Mechanism["client"]>>>(
      mechanism.client as NonNullable<Mechanism["client"]>,
    ),
    server: watch<ServerContext, ReturnType<NonNullable<Mechanism["server"]>>>(
      mechanism.server as NonNullable<Mechanism["server"]>,
    ),
  };
  const { messages } = await bench.succeed({ seed });
  const replies = messages.filter(({ from }) => from === "server").length;
  const plays: [why: string, ok: boolean, play: Partial<Play>][] = [
    ["a success", true, {}],
    ["a success with data", true, { successData: true }],
    ...(options.wrong
      ? [["wrong credentials", false, { credentials: options.wrong }] as [string, boolean, Partial<Play>]]
      : []),
  ];
  for (let step = 0; step < replies; step++) {
    const lost = (_: SASLReply, index: number) => {
      if (index === step) throw new SASLFailure("connection-lost", "the connection is gone");
      return _;
    };
    plays.push([`a connection lost at reply ${step}`, false, { server: lost }]);
  }
  for (const [why, ok, play] of plays) {
    callbacks.length = 0;
    counts.begun = 0;
    counts.finished = 0;
    const { session } = await bench.play({ seed, mechanism: watched, ...play });
    if (session.result === undefined) await session.abort();
    for (let turn = 0; turn < 40 && counts.finished < counts.begun; turn++) await later();
    expect(counts.finished === counts.begun, `after ${why} a half is still waiting`);
    for (let turn = 0; turn < 20 && callbacks.some((calls) => calls.length === 0); turn++) await later();
    for (const calls of callbacks) {
      expect(calls.length === 1, `after ${why} ended() was called back ${calls.length} times`);
      if (ok) expect(calls[0] === true, `after ${why} ended() says ${calls[0]}`);
    }
  }
}

async function* counting(half: AsyncGenerator<unknown, unknown, unknown>, counts: { begun: number; finished: number }) {
  counts.begun++;
  try {
    return yield* half;
  } finally {
    counts.finished++;
  }
}

const later = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

async function checkProperties({ bench, options, mechanism, seed }: Subject): Promise<void> {
  const { accounts } = options.server;
  const asked = new Set<string>();
  const strict: typeof accounts = {
    async lookup(name, requests) {
      for (const each of requests) asked.add(each);
      const found = await accounts.lookup(name, requests);
      return (
        found &&
        (Object.fromEntries(Object.entries(found).filter(([name]) => requests.includes(name))) as AccountProperties)
      );
    },
    ...(accounts.store && { store: accounts.store.bind(accounts) }),
    ...(accounts.checkPassword && { checkPassword: accounts.checkPassword.bind(accounts) }),
  };
  const exchange = await bench.play({ seed, accounts: strict });
  const why = `it fails with a store that gives only what it declares, ${JSON.stringify(mechanism.properties ?? [])}`;
  expect(exchange.outcome !== undefined, why);
  bench.expectIdentity(exchange);
}

async function checkWrong({ bench, options, seed }: Subject): Promise<void> {
  for (const successData of both) {
    const session = bench.server({ seed }).session(bench.connection(successData));
    const played = await bench.play({ seed, successData, session, credentials: options.wrong });
    const { error, outcome } = played;
    expect(outcome === undefined && session.result === undefined, "wrong credentials succeed");
    bench.expectTypedErrors(played);
    expect(
      isSASLError(error) && error.kind === "AuthenticationFailure",
      `wrong credentials are no AuthenticationFailure: ${messageOf(error)}`,
    );
    expect(!session.pending, "the server waits for more after wrong credentials");
    expect((await codeOf(session.respond(new Uint8Array(0)))) === "unexpected-message", "the refused exchange goes on");
    await bench.succeed({ seed: seed ^ 4, successData, session });
  }
}

function unknownCredentials({ wrong, unknown }: MechanismCheckOptions): Play["credentials"] {
  if (unknown || typeof wrong !== "object" || wrong.username === undefined) return unknown;
  const other: Credentials = { ...wrong, username: wrong.username.replace(/./gu, (c) => (c === "q" ? "x" : "q")) };
  return other;
}

async function checkUnknown({ bench, options, seed }: Subject, unknown: Play["credentials"]): Promise<void> {
  for (const successData of both) {
    // One server for both, as a peer would compare them; and each twice, since a peer would do that, too.
    const server = bench.server({ seed });
    const seen: string[] = [];
    for (const credentials of [options.wrong, unknown, options.wrong, unknown]) {
      const played = await bench.play({
        seed,
        successData,
        credentials,
        session: server.session(bench.connection(successData)),
      });
      expect(played.outcome === undefined, "a name nobody has succeeds");
      bench.expectTypedErrors(played);
      const lengths = played.messages.map(({ from, kind, payload }) => `${from} ${kind} ${payload?.length ?? "-"}`);
      const ends = played.refusals.map((each) => (isSASLError(each) ? `${each.code}: ${each.message}` : ""));
      seen.push([...lengths, ...ends].join(", "));
    }
    const other = seen.find((each) => each !== seen[0]);
    expect(other === undefined, `a wrong secret is seen as ${seen[0]}; a name nobody has as ${other}`);
  }
}

/** Replays all a client said. A proof of a password holds once, and so does an answer to what is new each time. */
async function checkReplay({ bench, mechanism, seed }: Subject): Promise<void> {
  const [first, second] = [await bench.succeed({ seed }), await bench.succeed({ seed: seed ^ 5 })];
  const lastOfClient = first.messages.findLastIndex(({ from, payload }) => from === "client" && payload?.length);
  const fresh = first.messages.slice(0, lastOfClient).some(({ from, payload }, i) => {
    const other = second.messages[i]?.payload;
    return from === "server" && payload && (other === undefined || !equalBytes(payload, other));
  });
  const proves = mechanism.security.includes("noPlaintext") && ["password", "scram"].includes(String(mechanism.needs));
  if (!fresh && !proves) return; // whoever has the message has the credentials
  const session = bench.server({ seed: seed ^ 6 }).session(bench.connection());
  const code = await codeOf(
    (async () => {
      let reply: SASLReply | undefined;
      for (const [i, { payload }] of first.messages.filter(({ from }) => from === "client").entries()) {
        reply = await (i === 0 ? session.initiate(mechanism.name, payload) : session.respond(payload as Uint8Array));
      }
      if (reply?.state === "challenge") await session.respond(new Uint8Array(0)); // it may be a refusal with data
    })(),
  );
  expect(session.result === undefined && code !== "success", "the same messages succeed a second time");
}

async function checkSetPassword({ bench, mechanism, options, seed }: Subject): Promise<void> {
  const { credentials, server } = options;
  const password = (typeof credentials === "object" ? credentials.password : undefined) ?? "correct horse";
  const random = chance(seed).bytes;
  const given = {
    name: bench.identity,
    mechanisms: [mechanism],
    scheme: server.passwordSchemes?.find(makesHashes),
    iterations: 4096,
    prepare: server.prepare,
    random,
  };
  for (const plaintext of both) {
    const { changes, unserved } = await passwordChange(password, { ...given, plaintext });
    const set = Object.entries(changes).filter(([, value]) => value !== undefined);
    const strange = set.find(([name]) => !mechanism.properties?.includes(name));
    expect(strange === undefined, `setPassword sets ${strange?.[0]}, which is not among its properties`);
    if (!plaintext) {
      const shown = textsIn(set.map(([, value]) => value)).some((text) => text.includes(password));
      expect(!shown, "setPassword stores the password itself, and was told not to");
    }
    if (unserved.length > 0 || set.length === 0) continue; // what it needs may not be stored
    expect(mechanism.available?.(changes, false) !== false, "after setPassword it says it is not available");
    if (typeof credentials !== "object" || credentials.password === undefined) continue;
    const accounts = memoryAccounts({ [bench.identity]: changes });
    const { outcome, error } = await bench.play({ seed, accounts });
    expect(
      outcome !== undefined,
      `a login with what setPassword stored fails: ${error === undefined ? "" : messageOf(error)}`,
    );
  }
  const { changes } = await passwordChange(undefined, given);
  const left = Object.entries(changes).find(([, value]) => value !== undefined);
  expect(left === undefined, `without a password setPassword sets ${left?.[0]}`);
  expect(
    mechanism.available?.(changes, false) !== true || mechanism.needs === undefined,
    "without a password it says it is available",
  );
}

/** The code something fails with, or `success`. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "success";
  } catch (error) {
    expect(isSASLError(error), `what is thrown is no SASL error: ${messageOf(error)}`);
    return error.code;
  }
}
