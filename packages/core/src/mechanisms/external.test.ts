import { describe, expect, test } from "vitest";
import { scriptOf } from "../../test/exchanges.js";
import { codeAfter, codeOf, connection, serverWith, sessionFor } from "../../test/support.js";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import type { SASLErrorCode } from "../errors.js";
import { SASLStateMachine } from "../state-machine.js";
import { playToServer, type ScriptMessage, scriptedServer } from "../testing.js";
import { EXTERNAL, external } from "./external.js";

interface ExternalInputs {
  readonly authzid?: string;
}

const vectors = [
  ...loadVectors<ExternalInputs, Outcome>("external"),
  ...loadVectors<ExternalInputs, Outcome>("external-more"),
];

/** The empty challenge that invites the client belongs to the protocol; the runner plays it itself. */
function withoutInvitation(script: readonly ScriptMessage[]): readonly ScriptMessage[] {
  return script[0]?.from === "server" ? script.slice(1) : script;
}

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const script = withoutInvitation(scriptOf(vector));

  if (inputs.authzid !== undefined) {
    test("the client says it", async () => {
      const machine = new SASLStateMachine(scriptedServer(script));
      const outcome = await EXTERNAL({ authzid: inputs.authzid }).authenticate(machine, "EXTERNAL");
      expect(outcome).toMatchObject({ mechanism: "EXTERNAL", authzid: inputs.authzid, authcid: undefined });
    });
  }

  test.each([true, false])("R-EXT-03 R-EXT-05 the server judges it, initial response: %s", async (initialResponse) => {
    const session = sessionFor(external, {}, { external: { names: ["jürgen"] } });
    const played = await playToServer(session, "EXTERNAL", script, { initialResponse });
    expect(played.state).toBe(result.outcome);
    if (played.state === "success") expect(session.result).toMatchObject({ authcid: "jürgen", authzid: "jürgen" });
  });
});

describe("the server", () => {
  const rows: readonly [
    why: string,
    names: readonly string[],
    message: string | Uint8Array,
    result: SASLErrorCode | "success",
    authcid?: string,
    authzid?: string,
  ][] = [
    ["R-EXT-02 an empty answer takes the one name there is", ["tim"], "", "success", "tim", "tim"],
    ["R-EXT-02 an empty answer with two names", ["tim", "anna"], "", "authorization-refused"],
    ["R-EXT-03 the second name, asked for", ["tim", "anna"], "anna", "success", "anna", "anna"],
    ["R-EXT-03 a name nobody proved", ["tim", "anna"], "eve", "authorization-refused"],
    ["R-EXT-03 a name that differs in case", ["tim"], "TIM", "authorization-refused"],
    ["R-EXT-03 a name that preparation makes one of them", ["IX"], "I\u00adX", "success", "IX", "IX"],
    ["R-EXT-05 a NUL", ["tim"], "tim\0", "malformed-message"],
    ["R-EXT-05 no UTF-8", ["tim"], Uint8Array.of(0x74, 0xe4), "incorrect-encoding"],
    ["R-PREP-05 a name that preparation refuses", ["tim"], "\x07", "malformed-message"],
    ["R-PREP-05 a name that preparation empties", ["tim"], "\u00ad", "malformed-message"],
    ["R-LIM-01 a name over 1024 octets", ["tim"], "a".repeat(1025), "limit-exceeded"],
    ["R-LIM-04 a name every object inherits", ["tim"], "__proto__", "authorization-refused"],
  ];
  test.each(rows)("%s", async (_, names, message, result, authcid, authzid) => {
    const session = sessionFor(external, {}, { external: { names } });
    expect(await codeAfter(session, "EXTERNAL", [message])).toBe(result);
    expect(session.result?.authcid).toBe(authcid);
    expect(session.result?.authzid).toBe(authzid);
  });

  test.each([undefined, { names: [] }])("R-EXT-01 is not offered without a proved name: %o", async (proved) => {
    const bare = { ...connection, external: proved };
    const server = serverWith([external]);
    expect(server.mechanisms(bare)).toEqual([]);
    expect(await codeAfter(server.session(bare), "EXTERNAL", ["tim"])).toBe("mechanism-unsupported");
  });

  test("R-EXT-04 one empty challenge without an initial response, none with an empty one", async () => {
    const invited = sessionFor(external);
    expect(await invited.initiate("EXTERNAL")).toEqual({ state: "challenge", payload: new Uint8Array(0) });
    expect(await invited.respond(new Uint8Array(0))).toMatchObject({ state: "success" });
    expect(await sessionFor(external).initiate("EXTERNAL", new Uint8Array(0))).toMatchObject({ state: "success" });
  });

  test("R-GEN-19 an authorization hook may allow what the channel does not", async () => {
    const asked: unknown[] = [];
    const options = {
      authorize: (request: unknown) => {
        asked.push(request);
        return true;
      },
    };
    const session = sessionFor(external, options, { external: { names: ["tim"] }, remote: "192.0.2.1" });
    expect(await codeAfter(session, "EXTERNAL", ["anna"])).toBe("success");
    expect(session.result).toMatchObject({ authcid: "tim", authzid: "anna" });
    expect(asked).toEqual([
      { authcid: "tim", authzid: "anna", mechanism: "EXTERNAL", remote: "192.0.2.1", properties: {} },
    ]);
  });
});

test("R-EXT-05 the client refuses a NUL in the identity", async () => {
  const machine = new SASLStateMachine(scriptedServer([]));
  expect(await codeOf(EXTERNAL({ authzid: "a\0b" }).authenticate(machine, "EXTERNAL"))).toBe("malformed-message");
});
