/**
 * Checks of a mechanism: that exchanges end, that nothing follows then, and that they do not know of each other.
 *
 * @module
 */
import { clientMechanism } from "../client.js";
import { isSASLError, SASLFailure } from "../errors.js";
import type { SASLInterface, SASLReply } from "../interface.js";
import type { ClientContext, Mechanism, MechanismContext, ServerContext } from "../mechanism.js";
import { SASLStateMachine } from "../state-machine.js";
import type { Play } from "./bench.js";
import { expect, messageOf, within } from "./checks.js";
import { both, codeOf, type Subject } from "./mechanism-subject.js";

export async function checkEnd({ bench, mechanism, seed }: Subject): Promise<void> {
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

export async function checkTogether({ bench, mechanism, options, seed }: Subject): Promise<void> {
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

export async function checkAborts({ bench, seed }: Subject): Promise<void> {
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

export async function checkEndless({ bench, mechanism, options, seed }: Subject): Promise<void> {
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

export async function checkDisposal({ bench, mechanism, options, seed }: Subject): Promise<void> {
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
