import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { codeOf } from "../test/support.js";
import { AuthenticationFailure, type SASLErrorCode, SASLFailure } from "./errors.js";
import type { SASLInterface, SASLReply } from "./interface.js";
import { defaultLimits } from "./limits.js";
import { type ExchangeState, SASLStateMachine, type StateMachineOptions } from "./state-machine.js";

const empty = new Uint8Array(0);
const bytes = (count: number) => new Uint8Array(count);
const challenge: SASLReply = { state: "challenge", payload: empty };
const never = new Promise<never>(() => {});

/** A wire that answers from a list and writes down what it was told. */
function wireOf(replies: readonly (SASLReply | Error | Promise<SASLReply>)[]) {
  const calls: string[] = [];
  const left = [...replies];
  const answer = async (call: string): Promise<SASLReply> => {
    calls.push(call);
    const next = left.shift();
    if (next === undefined) throw new Error("the wire has nothing more to say");
    if (next instanceof Error) throw next;
    return next;
  };
  const wire: SASLInterface = {
    secure: true,
    initiate: (name, payload) => answer(`initiate ${name} ${payload === undefined ? "-" : payload.length}`),
    respond: (payload) => answer(`respond ${payload.length}`),
    abort: async () => {
      calls.push("abort");
      return { state: "failure" };
    },
  };
  return { wire, calls };
}

function machineOn(replies: Parameters<typeof wireOf>[0], options?: StateMachineOptions) {
  const { wire, calls } = wireOf(replies);
  return { machine: new SASLStateMachine(wire, options), calls };
}

async function at(state: ExchangeState): Promise<{ machine: SASLStateMachine; calls: string[] }> {
  const last: SASLReply | Error =
    state === "success" ? { state } : state === "failure" ? new AuthenticationFailure("refused", "no") : challenge;
  const made = machineOn([last, challenge]);
  if (state !== "initial") await made.machine.initiate("PLAIN", empty).catch(() => {});
  expect(made.machine.state).toBe(state);
  made.calls.length = 0;
  return made;
}

describe("order", () => {
  const rows: readonly [ExchangeState, "initiate" | "respond" | "abort", allowed: boolean][] = [
    ["initial", "initiate", true],
    ["initial", "respond", false],
    ["initial", "abort", true],
    ["challenge", "initiate", false],
    ["challenge", "respond", true],
    ["challenge", "abort", true],
    ["success", "initiate", false],
    ["success", "respond", false],
    ["success", "abort", false],
    ["failure", "initiate", false],
    ["failure", "respond", false],
    ["failure", "abort", false],
  ];
  test.each(rows)("R-GEN-14 at %s, %s: %s", async (state, call, allowed) => {
    const { machine, calls } = await at(state);
    const made = {
      initiate: () => machine.initiate("PLAIN"),
      respond: () => machine.respond(empty),
      abort: () => machine.abort(),
    };
    if (allowed) {
      await made[call]();
      return;
    }
    expect(await codeOf(made[call]())).toBe("unexpected-message");
    expect(machine.state).toBe(state); // no state changes
    expect(calls).toEqual([]); // and the wire hears nothing of it
  });

  test("a second call while the first is waiting is an error and disturbs nothing", async () => {
    const { machine, calls } = machineOn([challenge]);
    const first = machine.initiate("PLAIN");
    const others = [codeOf(machine.initiate("PLAIN")), codeOf(machine.respond(empty))];
    expect(await Promise.all(others)).toEqual(["unexpected-message", "unexpected-message"]);
    expect(await first).toEqual(challenge);
    expect(calls).toEqual(["initiate PLAIN -"]);
  });
});

test("R-GEN-04 R-GEN-08 absent and empty are passed on as they are", async () => {
  const absent = machineOn([{ state: "success" }]);
  expect((await absent.machine.initiate("X")).payload).toBeUndefined();
  expect(absent.calls).toEqual(["initiate X -"]);
  const present = machineOn([{ state: "success", payload: empty }]);
  expect((await present.machine.initiate("X", empty)).payload).toEqual(empty);
  expect(present.calls).toEqual(["initiate X 0"]);
});

describe("R-GEN-01 names", () => {
  const names = [
    "",
    "a",
    "plain",
    "PLAIN ",
    " PLAIN",
    "PLAIN\n",
    "PLAIN\r\nQUIT",
    "PLÄIN",
    "A".repeat(21),
    "A.B",
    "A=",
    "*",
  ];
  test.each([...names, "__proto__", "constructor"])("%j is none", async (name) => {
    const { machine, calls } = machineOn([challenge]);
    expect(await codeOf(machine.initiate(name))).toBe("mechanism-unsupported");
    expect(calls).toEqual([]);
  });
  test.each(["A", "A".repeat(20), "SCRAM-SHA3-512-PLUS", "9_-"])("%j is one", async (name) => {
    const { machine } = machineOn([challenge]);
    expect(await machine.initiate(name)).toEqual(challenge);
  });
});

describe("R-LIM-01 sizes and steps", () => {
  test("64 KiB pass both ways, one octet more does not", async () => {
    const { machine } = machineOn([{ state: "challenge", payload: bytes(65536) }, challenge]);
    await machine.initiate("X", bytes(65536));
    expect(await codeOf(machine.respond(bytes(65537)))).toBe("limit-exceeded");

    const large = machineOn([{ state: "challenge", payload: bytes(65537) }]);
    expect(await codeOf(large.machine.initiate("X"))).toBe("limit-exceeded");
    expect(large.machine.state).toBe("failure");
    expect(large.calls).toEqual(["initiate X -", "abort"]); // the peer still waits for an answer
  });

  test("limits can be set", async () => {
    const { machine } = machineOn([{ state: "challenge", payload: bytes(9) }], { limits: { maxMessageBytes: 8 } });
    expect(machine.limits).toEqual({ ...defaultLimits, maxMessageBytes: 8 });
    expect(await codeOf(machine.initiate("X"))).toBe("limit-exceeded");
  });

  test("after 20 messages the exchange is over", async () => {
    const { machine, calls } = machineOn(Array.from({ length: 30 }, () => challenge));
    await machine.initiate("X");
    for (let i = 1; i < 20; i++) await machine.respond(empty);
    expect(await codeOf(machine.respond(empty))).toBe("limit-exceeded");
    expect(machine.state).toBe("failure");
    expect(calls.filter((call) => call === "abort")).toHaveLength(1);
  });
});

describe("failures", () => {
  const rows: readonly [why: string, thrown: Error, code: SASLErrorCode][] = [
    ["a refusal", new AuthenticationFailure("refused", "no"), "refused"],
    ["a failure", new SASLFailure("temporary", "later"), "temporary"],
    ["an error of the transport", new Error("ECONNRESET"), "connection-lost"],
    ["a failure of another copy of this package", foreignFailure("mechanism-too-weak"), "mechanism-too-weak"],
  ];
  test.each(rows)("%s ends the exchange, and nothing more is said", async (_, thrown, code) => {
    const { machine, calls } = machineOn([thrown]);
    expect(await codeOf(machine.initiate("X"))).toBe(code);
    expect(machine.state).toBe("failure");
    expect(calls).toEqual(["initiate X -"]);
    await expect(machine.respond(empty)).rejects.toMatchObject({ code: "unexpected-message" });
  });

  test("an error that is none of ours becomes the cause", async () => {
    const cause = new Error("ECONNRESET");
    await expect(machineOn([cause]).machine.initiate("X")).rejects.toMatchObject({ code: "connection-lost", cause });
  });

  test("a wire that answers `failure` to anything but abort has given up", async () => {
    const { machine } = machineOn([{ state: "failure" }]);
    expect(await codeOf(machine.initiate("X"))).toBe("aborted");
  });
});

/** As a second copy of this package would throw it. */
function foreignFailure(code: string): Error {
  return Object.defineProperty(
    Object.assign(new Error("of another copy"), { kind: "SASLFailure", code }),
    Symbol.for("sasl-core.error"),
    { value: true },
  );
}

describe("R-GEN-16 abort", () => {
  test("before anything was sent, the wire hears nothing", async () => {
    const { machine, calls } = machineOn([]);
    expect(await machine.abort()).toEqual({ state: "failure" });
    expect(calls).toEqual([]);
    expect(await codeOf(machine.initiate("X"))).toBe("unexpected-message");
  });

  test("between two messages", async () => {
    const { machine, calls } = machineOn([challenge]);
    await machine.initiate("X");
    expect(await machine.abort()).toEqual({ state: "failure" });
    expect(calls).toEqual(["initiate X -", "abort"]);
    expect(machine.state).toBe("failure");
  });

  test("while an answer is awaited: the waiting call rejects, also when the wire never answers", async () => {
    for (const timeoutMs of [60_000, 0]) {
      const { machine, calls } = machineOn([never], { limits: { timeoutMs } });
      const waiting = codeOf(machine.initiate("X"));
      expect(await machine.abort()).toEqual({ state: "failure" });
      expect(await waiting).toBe("aborted");
      expect(calls).toEqual(["initiate X -", "abort"]);
    }
  });

  test("an answer that comes after all is not believed", async () => {
    let answer: (reply: SASLReply) => void = () => {};
    const late = new Promise<SASLReply>((resolve) => {
      answer = resolve;
    });
    const { machine } = machineOn([late]);
    const waiting = codeOf(machine.initiate("X"));
    const aborted = machine.abort();
    answer({ state: "success" });
    await aborted;
    expect(await waiting).toBe("aborted");
    expect(machine.state).toBe("failure");
  });
});

describe("time and signals", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("R-LIM-05 a peer that stops is timed out, and told so once", async () => {
    const { machine, calls } = machineOn([never], { limits: { timeoutMs: 1000 } });
    const waiting = codeOf(machine.initiate("X"));
    await vi.advanceTimersByTimeAsync(999);
    expect(machine.state).toBe("initial");
    await vi.advanceTimersByTimeAsync(1);
    expect(await waiting).toBe("timed-out");
    expect(calls).toEqual(["initiate X -", "abort"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("R-LIM-01 the time counts for the whole exchange, not for each step", async () => {
    const { machine, calls } = machineOn([challenge, challenge, never], { limits: { timeoutMs: 1000 } });
    await machine.initiate("X");
    await vi.advanceTimersByTimeAsync(600);
    await machine.respond(empty);
    await vi.advanceTimersByTimeAsync(600);
    expect(await codeOf(machine.respond(empty))).toBe("timed-out");
    expect(calls).toEqual(["initiate X -", "respond 0", "abort"]); // what came too late was not sent
  });

  test("R-LIM-05 an abort the wire never answers is given up after a second", async () => {
    const stuck = new SASLStateMachine({
      initiate: async () => challenge,
      respond: async () => challenge,
      abort: () => never,
    });
    await stuck.initiate("X");
    let done = false;
    const aborted = stuck.abort().then(() => {
      done = true;
    });
    await vi.advanceTimersByTimeAsync(900);
    expect(done).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await aborted;
    expect(done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("no timer outlives an exchange", async () => {
    const won = machineOn([{ state: "success" }]);
    await won.machine.initiate("X");
    const lost = machineOn([new SASLFailure("temporary", "later")]);
    await codeOf(lost.machine.initiate("X"));
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a signal aborted before: nothing is sent at all", async () => {
    const { machine, calls } = machineOn([challenge], { signal: AbortSignal.abort("no more") });
    await expect(machine.initiate("X")).rejects.toMatchObject({ code: "aborted", cause: "no more" });
    expect(calls).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a signal aborted while an answer is awaited: abort goes out exactly once", async () => {
    const controller = new AbortController();
    const { machine, calls } = machineOn([challenge, never], { signal: controller.signal });
    await machine.initiate("X");
    const waiting = codeOf(machine.respond(empty));
    controller.abort();
    controller.abort();
    expect(await waiting).toBe("aborted");
    expect(calls).toEqual(["initiate X -", "respond 0", "abort"]);
    expect(machine.state).toBe("failure");
  });

  test("a signal aborted between two calls: the next one sends nothing but the abort", async () => {
    const controller = new AbortController();
    const { machine, calls } = machineOn([challenge, challenge], { signal: controller.signal });
    await machine.initiate("X");
    controller.abort();
    expect(await codeOf(machine.respond(empty))).toBe("aborted");
    expect(calls).toEqual(["initiate X -", "abort"]);
  });

  test("a signal that is never aborted is let go of", async () => {
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, "addEventListener");
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const { machine } = machineOn([{ state: "success" }], { signal: controller.signal });
    await machine.initiate("X");
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
    expect(removed.mock.lastCall?.[1]).toBe(added.mock.lastCall?.[1]);
  });
});

test("secure is the wire's own word, and absent counts as no", () => {
  const { wire } = wireOf([]);
  expect(new SASLStateMachine(wire).secure).toBe(true);
  expect(new SASLStateMachine({ ...wire, secure: undefined }).secure).toBe(false);
  expect(new SASLStateMachine({ ...wire, secure: "yes" as unknown as boolean }).secure).toBe(false);
});
