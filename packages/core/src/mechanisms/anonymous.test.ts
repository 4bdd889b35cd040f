import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import type { ServerEvent } from "../server.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, scriptedServer } from "../testing.js";
import { ANONYMOUS, anonymous } from "./anonymous.js";

interface TraceInputs {
  readonly trace?: string;
}

const vectors = [
  ...loadVectors<TraceInputs, Outcome>("anonymous"),
  ...loadVectors<TraceInputs, Outcome>("anonymous-more"),
];

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const script = scriptOf(vector);

  if (inputs.trace !== undefined) {
    test("R-ANON-03 the client says it, or refuses to", async () => {
      const { trace } = inputs;
      const played = ANONYMOUS({ trace }).authenticate(new SASLStateMachine(scriptedServer(script)), "ANONYMOUS");
      if (result.outcome === "success") await expect(played).resolves.toMatchObject({ serverVerified: false });
      else expect(await codeOf(played)).toBe("malformed-message");
    });
  }

  test.each([true, false])(
    "R-ANON-02 R-ANON-03 the server judges it, initial response: %s",
    async (initialResponse) => {
      const events: ServerEvent[] = [];
      const session = sessionFor(anonymous, { anonymous: "guest", onOutcome: (event) => events.push(event) });
      const played = await playToServer(session, "ANONYMOUS", script, { initialResponse });
      expect(played.state).toBe(result.outcome);
      expect(events).toHaveLength(1);
      expect(events[0]?.ok).toBe(result.outcome === "success");
      if (result.outcome === "success") {
        expect(session.result).toMatchObject({ authcid: "guest", authzid: "guest" });
      } else if (inputs.trace) {
        expect(events[0]?.detail).not.toContain(inputs.trace); // R-ANON-03: never logged raw
      }
    },
  );
});

test("R-ANON-01 nobody is anonymous unless configured", async () => {
  const server = serverWith([anonymous], { anonymous: undefined });
  expect(server.mechanisms(connection)).toEqual([]);
  expect(await codeAfter(server.session(connection), "ANONYMOUS", ["x"])).toBe("mechanism-unsupported");
});

test("R-ANON-04 the trace chooses no identity", async () => {
  for (const trace of ["tim", "admin@example.com", "guest", ""]) {
    const session = sessionFor(anonymous, { anonymous: "nobody" });
    expect(await codeAfter(session, "ANONYMOUS", [trace])).toBe("success");
    expect(session.result).toEqual({
      mechanism: "ANONYMOUS",
      authcid: "nobody",
      authzid: "nobody",
      channelBinding: undefined,
      properties: {},
    });
  }
});

const hostile: readonly [why: string, trace: string | Uint8Array, code: SASLErrorCode][] = [
  ["R-ANON-02 two @", "a@b@c", "malformed-message"],
  ["R-ANON-02 256 characters", "a".repeat(256), "malformed-message"],
  ["R-ANON-02 an address without a host", "anna@", "malformed-message"],
  ["R-ANON-03 a NUL", "a\0b", "malformed-message"],
  ["R-ANON-03 a line end", "a\r\nb", "malformed-message"],
  ["R-ANON-03 an escape sequence", "\x1b[2J", "malformed-message"],
  ["R-PREP-06 no UTF-8", Uint8Array.of(0xc0, 0x80), "incorrect-encoding"],
  ["R-LIM-01 over 64 KiB", "x".repeat(65537), "limit-exceeded"],
];
test.each(hostile)("the server refuses %s", async (_, trace, code) => {
  expect(await codeAfter(sessionFor(anonymous), "ANONYMOUS", [trace])).toBe(code);
});
