/** What must hold at every step of every mechanism, on both ends. */
import { describe, expect, test } from "vitest";
import { isSASLError } from "../src/errors.js";
import type { SASLReply } from "../src/interface.js";
import { encodeUtf8 } from "../src/internal/text.js";
import { ScramKeyCache } from "../src/scram-key-cache.js";
import { codeOf, connection, logIn, type Pairing, pairings, recorded, serverWith, sessionFor } from "./support.js";

const empty = new Uint8Array(0);

/** How many replies a whole exchange of a mechanism has, the final success included. */
async function repliesOf(pairing: Pairing, successData: boolean): Promise<number> {
  let count = 0;
  const wire = recorded(sessionFor(pairing.mechanism, {}, { successData }), (reply) => {
    count++;
    return reply;
  });
  await logIn(pairing, wire);
  return count;
}

const steps = (
  await Promise.all(
    pairings.flatMap((pairing) =>
      [false, true].map(async (successData) => {
        const count = await repliesOf(pairing, successData);
        return Array.from({ length: count }, (_, step) => ({ pairing, name: pairing.name, successData, step, count }));
      }),
    ),
  )
).flat();

describe.each(pairings)("$name", (pairing) => {
  test.each([true, false])("R-GEN-10 both ends agree, success data: %s", async (successData) => {
    const session = sessionFor(pairing.mechanism, {}, { successData });
    const outcome = await logIn(pairing, session);
    const anonymous = pairing.name === "ANONYMOUS";
    expect(session.result).toMatchObject({ mechanism: pairing.name, authcid: anonymous ? "nobody" : "tim" });
    expect(outcome).toMatchObject({ mechanism: pairing.name, serverVerified: pairing.name.startsWith("SCRAM") });
    expect(outcome.channelBinding).toBe(session.result?.channelBinding);
    expect(outcome.channelBinding).toBe(pairing.name.endsWith("-PLUS") ? "tls-exporter" : undefined);
  });

  test("R-GEN-06 an initial response for client-first mechanisms alone", async () => {
    const wire = recorded(sessionFor(pairing.mechanism));
    await logIn(pairing, wire);
    expect(wire.calls[0]?.payload === undefined).toBe(pairing.mechanism.flow === "server-first");
  });

  test("R-GEN-05 the first message may also follow an empty challenge, as a binding has it", async () => {
    const session = sessionFor(pairing.mechanism);
    const wire = {
      secure: true,
      initiate: async (name: string, payload?: Uint8Array) => {
        if (payload === undefined) return session.initiate(name);
        expect(await session.initiate(name)).toEqual({ state: "challenge", payload: empty });
        return session.respond(payload);
      },
      respond: (payload: Uint8Array) => session.respond(payload),
      abort: () => session.abort(),
    };
    await expect(logIn(pairing, wire)).resolves.toMatchObject({ mechanism: pairing.name });
  });

  if (pairing.wrong) {
    test("R-GEN-14 R-GEN-16 wrong credentials fail on both ends, and a new exchange follows", async () => {
      const session = sessionFor(pairing.mechanism);
      const code = await codeOf(logIn(pairing, session, {}, pairing.wrong));
      expect(code).toBe(pairing.name === "EXTERNAL" ? "authorization-refused" : "refused");
      expect(session.result).toBeUndefined();
      expect(session.pending).toBe(false);
      expect(await codeOf(session.respond(empty))).toBe("unexpected-message");
      await expect(logIn(pairing, session)).resolves.toMatchObject({ mechanism: pairing.name });
    });
  }
});

describe.each(steps)(
  "$name, success data: $successData, reply $step of $count",
  ({ pairing, successData, step, count }) => {
    const open = () => sessionFor(pairing.mechanism, {}, { successData });

    test("R-GEN-11 a success too early is a failure, and nothing more is said", async () => {
      const wire = recorded(open(), (reply, index) => (index === step ? { state: "success" } : reply));
      const complete = step === count - 1;
      const proved = successData && pairing.name.startsWith("SCRAM"); // its proof is in the success
      // Mechanisms whose client says all in one message and wants no proof are complete with it.
      if (complete && !proved) {
        await expect(logIn(pairing, wire)).resolves.toMatchObject({ mechanism: pairing.name });
        return;
      }
      const error: unknown = await logIn(pairing, wire).catch((thrown: unknown) => thrown);
      expect(isSASLError(error) && error.code).toBe("peer-not-verified");
      expect(wire.calls).toHaveLength(step + 1); // not even an abort
    });

    test("R-GEN-13 success with data nobody expects is a failure", async () => {
      const forged: SASLReply = { state: "success", payload: encodeUtf8("v=AAAA") };
      const wire = recorded(open(), (reply, index) => (index === step ? forged : reply));
      const code = await codeOf(logIn(pairing, wire));
      expect(code).toMatch(/^(peer-not-verified|unexpected-message|refused|malformed-message)$/);
      expect(wire.calls).toHaveLength(step + 1);
    });

    test("R-GEN-16 the client aborts in place of an answer, and a new exchange follows", async () => {
      const session = open();
      const controller = new AbortController();
      const wire = recorded(session, (reply, index) => {
        if (index === step) controller.abort();
        return reply;
      });
      expect(await codeOf(logIn(pairing, wire, { signal: controller.signal }))).toBe("aborted");
      const aborts = wire.calls.filter(({ call }) => call === "abort").length;
      expect(aborts).toBe(1);
      expect(wire.calls.at(-1)?.call).toBe("abort");
      if (step < count - 1) {
        expect(session.result).toBeUndefined();
        expect(session.pending).toBe(false);
        await expect(logIn(pairing, session)).resolves.toMatchObject({ mechanism: pairing.name });
      }
    });

    test("R-GEN-16 the peer aborts at the server, gets a failure, and a new exchange follows", async () => {
      const session = open();
      let aborted: SASLReply | undefined;
      const wire = recorded(session, async (reply, index) => {
        if (index !== step) return reply;
        aborted = await session.abort();
        throw new Error("the connection of the first client is gone");
      });
      expect(await codeOf(logIn(pairing, wire))).toBe("connection-lost");
      expect(aborted).toEqual({ state: "failure" }); // R-GEN-17: and no data
      if (step === count - 1) return; // already authenticated: aborting takes nothing back
      expect(session.result).toBeUndefined();
      await expect(logIn(pairing, session)).resolves.toMatchObject({ mechanism: pairing.name });
    });

    test("R-GEN-12 a failure of the protocol is a failure, also after the mechanism is complete", async () => {
      const keyCache = new ScramKeyCache();
      const wire = recorded(open(), (reply, index) => {
        if (index === step) throw new Error("gone");
        return reply;
      });
      expect(await codeOf(logIn(pairing, wire, { keyCache }))).toBe("connection-lost");
      expect(keyCache.size).toBe(0);
    });

    test("R-LIM-01 a reply over the limit ends the exchange", async () => {
      const huge: SASLReply = { state: "challenge", payload: new Uint8Array(65537) };
      const wire = recorded(open(), (reply, index) => (index === step ? huge : reply));
      expect(await codeOf(logIn(pairing, wire))).toBe("limit-exceeded");
    });

    test("R-GEN-32 a reply full of noise ends the exchange with a typed error", async () => {
      const noise = Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + step * 101) & 0xff);
      const wire = recorded(open(), (reply, index) =>
        index === step ? { state: "challenge", payload: noise } : reply,
      );
      const prompt = pairing.name === "LOGIN" && step < 2; // whose text means nothing (R-LOGIN-02)
      if (prompt) await expect(logIn(pairing, wire)).resolves.toMatchObject({ mechanism: "LOGIN" });
      else expect(await codeOf(logIn(pairing, wire))).not.toBe("connection-lost");
    });
  },
);

test("a server with all mechanisms takes each of them in turn, one session after another", async () => {
  const server = serverWith(pairings.map(({ mechanism }) => mechanism));
  // `n` and `y` would be lies where the channel can be bound, so these clients cannot bind.
  for (const pairing of pairings) {
    const session = server.session(connection);
    await expect(logIn(pairing, session, { channelBinding: undefined })).resolves.toBeTruthy();
    expect(session.result?.mechanism).toBe(pairing.name);
  }
});
