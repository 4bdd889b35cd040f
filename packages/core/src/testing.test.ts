import { describe, expect, test } from "vitest";
import { sessionFor, user } from "../test/support.js";
import type { SASLReply } from "./interface.js";
import { encodeUtf8 } from "./internal/text.js";
import { login, plain } from "./mechanisms/index.js";
import { playToServer, type ScriptMessage, ScriptMismatch, scriptedServer } from "./testing.js";

const client = (text: string): ScriptMessage => ({ from: "client", bytes: encodeUtf8(text) });
const server = (text: string): ScriptMessage => ({ from: "server", bytes: encodeUtf8(text) });
const right = `\0tim\0${user.password}`;
const empty = new Uint8Array(0);

describe("a scripted server", () => {
  test("says its part, inserts the empty challenge and takes the empty answer", async () => {
    const wire = scriptedServer([client("a"), server("b")]);
    expect(await wire.initiate("X")).toEqual({ state: "challenge", payload: empty });
    expect(await wire.respond(encodeUtf8("a"))).toEqual({ state: "challenge", payload: encodeUtf8("b") });
    expect(await wire.respond(empty)).toEqual({ state: "success" });
  });

  test("can send its last message with the success, or end with failure", async () => {
    const withData = scriptedServer([client("a"), server("b")], { successData: true });
    expect(await withData.initiate("X", encodeUtf8("a"))).toEqual({ state: "success", payload: encodeUtf8("b") });
    const refusing = scriptedServer([client("a")], { end: "failure" });
    await expect(refusing.initiate("X", encodeUtf8("a"))).rejects.toMatchObject({ code: "refused" });
    expect(await refusing.abort()).toEqual({ state: "failure" });
  });

  const mismatches: readonly [why: string, script: readonly ScriptMessage[], said: readonly string[]][] = [
    ["another message", [client("a")], ["b"]],
    ["a message in the server's turn", [server("a")], ["b"]],
    ["a message after the end", [client("a"), server("b")], ["a", "c"]],
    ["two messages of the client in a row", [client("a"), client("b")], ["a"]],
  ];
  test.each(mismatches)("notices %s", async (_, script, said) => {
    const wire = scriptedServer(script);
    const play = async (): Promise<SASLReply | undefined> => {
      const [first, ...rest] = said.map((text) => encodeUtf8(text));
      let reply: SASLReply | undefined = await wire.initiate("X", first);
      for (const message of rest) reply = await wire.respond(message);
      return reply;
    };
    await expect(play()).rejects.toThrow(ScriptMismatch);
  });
});

describe("a script played to a server", () => {
  test("with and without an initial response", async () => {
    for (const initialResponse of [true, false]) {
      const played = playToServer(sessionFor(plain), "PLAIN", [client(right)], { initialResponse });
      expect(await played).toEqual({ state: "success" });
    }
  });

  test("gives the code of a failure", async () => {
    expect(await playToServer(sessionFor(plain), "PLAIN", [client("\0tim\0x")])).toEqual({
      state: "failure",
      code: "refused",
    });
    expect(await playToServer(sessionFor(plain), "X", [client("a")])).toMatchObject({ code: "mechanism-unsupported" });
  });

  const mismatches: readonly [why: string, script: readonly ScriptMessage[]][] = [
    ["another prompt", [server("User Name"), client("tim"), server("Password:"), client(user.password)]],
    ["a prompt too many", [client("tim"), server("Password:"), client(user.password)]],
    ["a prompt too few", [server("Username:"), client("tim"), client(user.password)]],
  ];
  test.each(mismatches)("notices %s", async (_, script) => {
    await expect(playToServer(sessionFor(login), "LOGIN", script, { initialResponse: false })).rejects.toThrow(
      ScriptMismatch,
    );
  });

  test("notices an end before the script's", async () => {
    const script = [client(right), server("more"), client("")];
    await expect(playToServer(sessionFor(plain), "PLAIN", script)).rejects.toThrow(ScriptMismatch);
  });

  test("passes on what is no SASL error", async () => {
    const broken = {
      initiate: () => Promise.reject(new RangeError("a bug")),
      respond: async () => ({ state: "success" }) as const,
      abort: async () => ({ state: "failure" }) as const,
    };
    await expect(playToServer(broken, "X", [client("a")])).rejects.toThrow(RangeError);
  });
});
