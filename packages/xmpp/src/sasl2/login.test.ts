import { channelBinding, SASLFailure } from "sasl-core";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { describe, expect, test, vi } from "vitest";
import { note, noteServer, play, wordServer, wordTask } from "../../test/sasl2.js";
import { kits, ltxKit } from "../../test/support.js";
import { type ClientAbout, newUserAgentId } from "../index.js";

const alice = { username: "alice", password: "open sesame" };
const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });
const id = "d4565fa7-4d72-4749-b3d3-740edbf87770";

for (const kit of kits) {
  describe(`a login with ${kit.name}`, () => {
    test("R-SA2-11 PLAIN: one round trip, an identity, no data", async () => {
      const { result, said, events, session } = await play(kit, [PLAIN(alice)]);
      expect(result).toMatchObject({ profile: "sasl2", mechanism: "PLAIN", jid: "alice@localhost", tasks: [] });
      const SASL2 = "urn:xmpp:sasl:2";
      expect(said).toEqual([
        ["authenticate", SASL2, { mechanism: "PLAIN" }, ["initial-response", SASL2, {}, "AGFsaWNlAG9wZW4gc2VzYW1l"]],
        ["success", SASL2, {}, ["authorization-identifier", SASL2, {}, "alice@localhost"]],
      ]);
      expect(events).toMatchObject([{ ok: true, mechanism: "PLAIN", authcid: "alice" }]);
      expect(session.result).toMatchObject({ authzid: "alice" });
    });

    test("SCRAM-SHA-256-PLUS with a user agent, an inline feature and a task", async () => {
      const log: string[] = [];
      const { result, names, said, outcomes, events } = await play(kit, [SCRAMPLUS(alice)], {
        binding,
        client: { userAgent: { id, software: "chat", device: "phone" }, inline: [note], tasks: [wordTask("abc")] },
        server: { inline: [noteServer(log)], tasks: [wordServer("abc", { text: "the word" })] },
      });
      expect(result).toMatchObject({ profile: "sasl2", channelBinding: "tls-exporter", tasks: ["WORD"] });
      expect(result?.inline.get(note)).toBe("hello alice@localhost");
      expect(result?.serverVerified).toBe(true);
      expect(names).toEqual([
        ...["authenticate", "challenge", "response", "continue", "next"],
        ...["task-data", "task-data", "task-data", "task-data", "success"],
      ]);
      // R-SA2-16: what the mechanism has to say comes with the continue, once.
      const inside = (index: number) => (said.at(index) ?? []).slice(3).map((each) => (each as readonly unknown[])[0]);
      expect(inside(3)).toEqual(["additional-data", "tasks", "text"]);
      expect(inside(-1)).toEqual(["authorization-identifier", "note"]);
      expect(log).toEqual(["check", "admit alice@localhost", "success alice@localhost"]);
      expect(outcomes).toMatchObject([{ ok: true, userAgent: { id, software: "chat", device: "phone" } }]);
      expect(events).toMatchObject([{ ok: true }]);
    });

    test("R-SA2-14 R-SA2-13 a task that fails: nobody is in, no feature ran, and the audit says so", async () => {
      const log: string[] = [];
      const { error, names, events, session, stream } = await play(kit, [SCRAM(alice)], {
        client: { inline: [note], tasks: [wordTask("abx")] },
        server: { inline: [noteServer(log)], tasks: [wordServer("abc")] },
      });
      expect(error).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
      expect(names.at(-1)).toBe("failure");
      expect(log).toEqual(["check", "admit alice@localhost"]);
      expect(events).toMatchObject([{ ok: false, code: "refused", authcid: "alice" }]);
      expect(session.result).toBeUndefined();
      expect(stream.over).toBe(true);
    });

    test("R-SA2-13 a wrong password: one condition, and no feature", async () => {
      const log: string[] = [];
      const { error, said } = await play(kit, [PLAIN({ ...alice, password: "wrong" })], {
        client: { inline: [note] },
        server: { inline: [noteServer(log)], tasks: [wordServer("abc")] },
      });
      expect(error).toMatchObject({ code: "refused" });
      expect(said.at(-1)).toEqual([
        "failure",
        "urn:xmpp:sasl:2",
        {},
        ["not-authorized", "urn:ietf:params:xml:ns:xmpp-sasl", {}],
      ]);
      expect(log).toEqual(["check"]);
    });

    test("two tasks one after the other, and one of two at a time", async () => {
      const { result, names } = await play(kit, [SCRAM(alice)], {
        client: { tasks: [wordTask("z", "LATER"), wordTask("b", "B")] },
        server: {
          tasks: [
            wordServer("z", { name: "LATER", step: 1 }),
            wordServer("a", { name: "A" }),
            wordServer("b", { name: "B" }),
            wordServer("c", { name: "NEVER", due: () => false }),
          ],
        },
      });
      expect(result?.tasks).toEqual(["B", "LATER"]);
      expect(names.slice(3)).toEqual(["continue", "next", "continue", "next", "success"]);
    });
  });
}

describe("mechanisms that a feature brings", () => {
  const before = (password: string) => ({
    ...note,
    before: () => ({ mechanisms: [PLAIN({ ...alice, password })], offered: ["PLAIN"] }),
    refused: vi.fn(),
  });

  test("come first", async () => {
    const feature = before("open sesame");
    const { result } = await play(ltxKit, [SCRAM(alice)], { client: { inline: [feature] } });
    expect(result?.mechanism).toBe("PLAIN");
    expect(feature.refused).not.toHaveBeenCalled();
  });

  test("and are followed by the usual ones when the server refuses them", async () => {
    const feature = before("wrong");
    const { result, names } = await play(ltxKit, [SCRAM(alice)], { client: { inline: [feature] } });
    expect(result?.mechanism).toBe("SCRAM-SHA-256");
    expect(names.slice(0, 3)).toEqual(["authenticate", "failure", "authenticate"]);
    expect(feature.refused).toHaveBeenCalledWith(expect.objectContaining({ code: "refused" }), "alice@localhost");
  });

  test("nobody is told of a refusal where nothing was sent", async () => {
    const feature = {
      ...before("x"),
      before: () => ({ mechanisms: [PLAIN(alice)], offered: ["X-OTHER"] }),
    };
    const { result } = await play(ltxKit, [SCRAM(alice)], { client: { inline: [feature] } });
    expect(result?.mechanism).toBe("SCRAM-SHA-256");
    expect(feature.refused).not.toHaveBeenCalled();
  });

  test("R-SA2-17 nothing follows once there was a continue", async () => {
    const feature = before("open sesame");
    const { error, names } = await play(ltxKit, [SCRAM(alice)], {
      client: { inline: [feature], tasks: [wordTask("x")] },
      server: { tasks: [wordServer("a")] },
    });
    expect(error).toMatchObject({ code: "refused" });
    expect(names.filter((name) => name === "authenticate")).toHaveLength(1);
    expect(feature.refused).not.toHaveBeenCalled();
  });
});

describe("R-SA2-07 the user agent", () => {
  test("has an id that newUserAgentId makes", () => {
    const ids = new Set(Array.from({ length: 50 }, newUserAgentId));
    expect(ids.size).toBe(50);
    for (const each of ids) expect(each).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  });

  const bad = ["", "x", "d4565fa7-4d72-1749-b3d3-740edbf87770", "d4565fa74d724749b3d3740edbf87770", `${id}0`];
  test.each(bad)("cannot have the id %o at the client", async (wrong) => {
    await expect(play(ltxKit, [PLAIN(alice)], { client: { userAgent: { id: wrong } } })).rejects.toThrow(RangeError);
  });

  for (const wrong of bad) {
    const forge = { client: { userAgent: { id } }, wrong };
    const run = (badUserAgentId: "ignore" | "refuse" | undefined) =>
      play(ltxKit, [PLAIN(alice)], { client: forge.client, server: { badUserAgentId }, forgeRequest: swap(wrong) });
    test(`${wrong || "(empty)"} is ignored at the server, or refused`, async () => {
      const ignored = await run(undefined);
      expect(ignored.outcomes).toMatchObject([{ ok: true, userAgent: { id: undefined } }]);
      const refused = await run("refuse");
      expect(refused.error).toMatchObject({ code: "malformed-message" });
      expect(refused.events).toMatchObject([{ mechanism: "PLAIN", code: "malformed-message" }]);
    });
  }

  test("is the same in upper case", async () => {
    const { outcomes } = await play(ltxKit, [PLAIN(alice)], {
      client: { userAgent: { id } },
      server: { badUserAgentId: "refuse" },
      forgeRequest: swap(id.toUpperCase()),
    });
    expect(outcomes).toMatchObject([{ ok: true, userAgent: { id } }]);
  });

  function swap(other: string) {
    return (xml: string) => xml.replace(id, other);
  }
});

test("tasks are limited in time at the client, and taken back", async () => {
  const stuck = {
    handles: () => true,
    async *perform() {
      yield await new Promise<never>(() => {});
    },
  };
  const { error, names, events } = await play(ltxKit, [PLAIN(alice)], {
    client: { tasks: [stuck], taskTimeoutMs: 50 },
    server: { tasks: [wordServer("a")] },
    options: { limits: { timeoutMs: 60_000 } },
  });
  expect(error).toMatchObject({ code: "timed-out" });
  expect(names.slice(1)).toEqual(["continue", "abort"]);
  expect(events).toMatchObject([{ ok: false }]);
});

test("tasks have time of their own, for people who look for a code", async () => {
  const slow = {
    handles: () => true,
    async *perform<E>(name: string, about: ClientAbout<E>) {
      await new Promise((resolve) => setTimeout(resolve, 450));
      yield* wordTask("a").perform(name, about);
    },
  };
  const { error, result } = await play(ltxKit, [PLAIN(alice)], {
    client: { tasks: [slow] },
    server: { tasks: [wordServer("a")] },
    sasl: { limits: { timeoutMs: 300 } },
    options: { limits: { timeoutMs: 300 } },
  });
  expect(error).toBeUndefined();
  expect(result?.tasks).toEqual(["WORD"]);
});

test("a task that fails on the client's side is taken back", async () => {
  const cases = [
    [new SASLFailure("no-credentials", "no code"), "no-credentials"],
    [new Error("a bug"), "aborted"],
  ] as const;
  for (const [thrown, code] of cases) {
    const broken = {
      handles: () => true,
      // biome-ignore lint/correctness/useYield: it never says anything
      async *perform() {
        throw thrown;
      },
    };
    const { error, names, events } = await play(ltxKit, [PLAIN(alice)], {
      client: { tasks: [broken] },
      server: { tasks: [wordServer("a")] },
    });
    expect(error).toMatchObject({ code });
    expect(names.slice(1)).toEqual(["continue", "abort", "failure"]);
    expect(events).toMatchObject([{ ok: false, code: "aborted" }]);
  }
});
