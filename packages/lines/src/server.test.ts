import { SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { describe, expect, test } from "vitest";
import { linePair } from "./pair.js";
import { type ServedSession, type ServerDialect, serveExchange } from "./server.js";
import type { LineTransport, ServerTransport } from "./transport.js";

const dialect: ServerDialect = {
  challenge: (base64) => `+ ${base64}\r\n`,
  success: () => "OK\r\n",
  failure: ({ code }) => `NO ${code}\r\n`,
};

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A session that gives these replies in turn and notes what it heard. */
function session(...replies: (SASLReply | Error)[]): ServedSession & { heard: string[] } {
  const heard: string[] = [];
  const next = async (): Promise<SASLReply> => {
    const reply = replies.shift();
    if (reply === undefined) throw new SASLFailure("unexpected-message", "the script is over");
    if (reply instanceof Error) throw reply;
    return reply;
  };
  const show = (payload?: Uint8Array): string => (payload ? `<${new TextDecoder().decode(payload)}>` : "absent");
  return {
    heard,
    initiate(mechanism, payload) {
      heard.push(`initiate ${mechanism} ${show(payload)}`);
      return next();
    },
    respond(payload) {
      heard.push(`respond ${show(payload)}`);
      return next();
    },
    refuse(mechanism, { code }) {
      heard.push(`refuse ${mechanism} ${code}`);
    },
    async abort(reason) {
      heard.push(`abort ${reason?.code}`);
      return { state: "failure" };
    },
  };
}

const challenge = (text: string): SASLReply => ({ state: "challenge", payload: bytes(text) });
const success: SASLReply = { state: "success" };

interface Run {
  readonly outcome: unknown;
  readonly lines: string[];
}

async function run(
  intf: SASLInterface,
  initial: string | undefined,
  input: readonly string[],
  pipelining = true,
): Promise<Run> {
  const { client, server } = linePair();
  const lines: string[] = [];
  const outcome = serveExchange(server, intf, { mechanism: "X", initial, dialect, maxLineBytes: 40, pipelining }).catch(
    (error: unknown) => error,
  );
  const pump = (async () => {
    for (const line of input) {
      lines.push(await client.readLine(100));
      client.write(line);
    }
  })();
  await Promise.race([outcome, pump]);
  const result = await outcome;
  client.close();
  for (;;) {
    try {
      lines.push(await client.readLine(100));
    } catch {
      return { outcome: result, lines };
    }
  }
}

describe("an exchange", () => {
  test("R-GEN-04 absent, empty and other initial responses are three things", async () => {
    for (const [initial, heard] of [
      [undefined, "initiate X absent"],
      ["=", "initiate X <>"],
      ["aGk=", "initiate X <hi>"],
    ] as const) {
      const intf = session(success);
      expect(await run(intf, initial, [])).toEqual({ outcome: { ok: true }, lines: ["OK"] });
      expect(intf.heard).toEqual([heard]);
    }
  });

  test("R-SMTP-07 challenges and answers in turn, empty ones included", async () => {
    const intf = session(challenge(""), challenge("hi"), success);
    const { lines } = await run(intf, undefined, ["aGk=\r\n", "\r\n"]);
    expect(lines).toEqual(["+ ", "+ aGk=", "OK"]);
    expect(intf.heard).toEqual(["initiate X absent", "respond <hi>", "respond <>"]);
  });

  test("R-GEN-09 R-SMTP-13 data with success goes as one more challenge, and only an empty answer is taken", async () => {
    const reply = { state: "success", payload: bytes("v=x") } as const;
    expect(await run(session(reply), undefined, ["\r\n"])).toEqual({ outcome: { ok: true }, lines: ["+ dj14", "OK"] });
    const empty = { state: "success", payload: bytes("") } as const;
    expect((await run(session(empty), undefined, ["\r\n"])).lines).toEqual(["+ ", "OK"]);
    for (const [answer, code] of [
      ["aGk=", "unexpected-message"],
      ["*", "aborted"],
      ["!", "incorrect-encoding"],
    ]) {
      const { outcome, lines } = await run(session(reply), undefined, [`${answer}\r\n`]);
      expect(outcome).toMatchObject({ ok: false, error: { code } });
      expect(lines).toEqual(["+ dj14", `NO ${code}`]);
    }
  });
});

describe("failures", () => {
  test("R-GEN-16 a cancellation reaches the session", async () => {
    const intf = session(challenge("hi"));
    const { outcome, lines } = await run(intf, undefined, ["*\r\n"]);
    expect(outcome).toMatchObject({ ok: false, error: { code: "aborted" } });
    expect(lines).toEqual(["+ aGk=", "NO aborted"]);
    expect(intf.heard).toEqual(["initiate X absent", "abort aborted"]);
  });

  const bad: readonly [why: string, line: string, code: string][] = [
    ["white space", "aG k", "incorrect-encoding"],
    ["a trailing space", "aGk= ", "incorrect-encoding"],
    ["a cancellation with more", "*x", "incorrect-encoding"],
    ["padding in front", "=AAA", "incorrect-encoding"],
    ["padding inside", "AAA=BBB", "incorrect-encoding"],
    ["the URL alphabet", "a-_=", "incorrect-encoding"],
    ["no padding", "aGk", "incorrect-encoding"],
    ["bits under the padding", "aGl=", "incorrect-encoding"],
    ["a single equals sign, which is for commands", "=", "incorrect-encoding"],
    ["NUL", "aGk\0", "incorrect-encoding"],
    ["too long a line", "A".repeat(44), "limit-exceeded"],
  ];
  for (const [why, line, code] of bad) {
    test(`R-B64-01 R-B64-02 R-B64-03 ${why} ends the exchange and nothing else`, async () => {
      const intf = session(challenge(""));
      const { outcome, lines } = await run(intf, undefined, [`${line}\r\n`]);
      expect(outcome).toMatchObject({ ok: false, error: { code } });
      expect(lines).toEqual(["+ ", `NO ${code}`]);
      expect(intf.heard.at(-1)).toBe(`abort ${code}`); // what the log is to say
    });
  }

  test("a bad initial response begins nothing at the session, whose log is told", async () => {
    for (const initial of ["a", "==", "*", "aGk", '"aGk="', "{4}"]) {
      const intf = session(success);
      expect((await run(intf, initial, [])).outcome).toMatchObject({
        ok: false,
        error: { code: "incorrect-encoding" },
      });
      expect(intf.heard).toEqual(["refuse X incorrect-encoding"]);
    }
  });

  test("what the session throws is what the peer is told, and a fault of ours is a temporary one", async () => {
    const failure = new SASLFailure("mechanism-too-weak", "no");
    expect(await run(session(failure), undefined, [])).toEqual({
      outcome: { ok: false, error: failure },
      lines: ["NO mechanism-too-weak"],
    });
    const { outcome, lines } = await run(session(new TypeError("bug")), undefined, []);
    expect(outcome).toMatchObject({ ok: false, error: { code: "temporary" } });
    expect(lines).toEqual(["NO temporary"]);
    expect((await run(session({ state: "failure" }), undefined, [])).lines).toEqual(["NO aborted"]);
  });

  test("R-LIM-05 a connection that is lost rejects, and the session is told", async () => {
    const { client, server } = linePair();
    const intf = session(challenge(""));
    const serving = serveExchange(server, intf, { mechanism: "X", initial: undefined, dialect, pipelining: true });
    await client.readLine(100);
    client.close();
    await expect(serving).rejects.toMatchObject({ code: "connection-lost" });
    expect(intf.heard.at(-1)).toBe("abort connection-lost");
  });

  test("R-LIM-05 a connection that the session lost, such as its store's, is a temporary failure", async () => {
    const lost = new SASLFailure("connection-lost", "the directory has gone");
    for (const replies of [[lost], [challenge(""), lost]]) {
      const { outcome, lines } = await run(session(...replies), undefined, ["\r\n"]);
      expect(outcome).toMatchObject({ ok: false, error: { code: "temporary", cause: lost } });
      expect(lines.at(-1)).toBe("NO temporary");
    }
  });

  test("a transport that throws something else is a lost connection, with the cause", async () => {
    const cause = new Error("cable");
    const wire: LineTransport = { secure: false, readLine: () => Promise.reject(cause), write: () => {} };
    const exchange = { mechanism: "X", initial: undefined, dialect, pipelining: true };
    await expect(serveExchange(wire, session(challenge("")), exchange)).rejects.toMatchObject({
      code: "connection-lost",
      cause,
    });
  });
});

describe("lines sent ahead", () => {
  const ahead = async (
    pipelining: boolean,
    buffered = true,
  ): Promise<Run & { readonly left: number; readonly heard: readonly string[] }> => {
    const { client, server } = linePair();
    client.write("aGk=\r\nNEXT\r\n");
    const wire: ServerTransport = buffered ? server : Object.create(server, { buffered: { value: undefined } });
    const exchange = { mechanism: "X", initial: undefined, dialect, pipelining };
    const intf = session(challenge(""), success);
    const outcome = await serveExchange(wire, intf, exchange);
    const left = server.buffered;
    server.close();
    const lines: string[] = [];
    try {
      for (;;) lines.push(await client.readLine(100));
    } catch {
      return { outcome, lines, left, heard: intf.heard };
    }
  };

  test("R-SMTP-18 do not answer a challenge: the exchange fails and they are dropped", async () => {
    const { outcome, lines, left, heard } = await ahead(false);
    expect(outcome).toMatchObject({ ok: false, error: { code: "unexpected-message" } });
    expect(lines).toEqual(["NO unexpected-message"]);
    expect(left).toBe(0);
    expect(heard.at(-1)).toBe("abort unexpected-message");
  });

  test("R-SMTP-18 do where that is allowed", async () => {
    expect(await ahead(true)).toMatchObject({ outcome: { ok: true }, lines: ["+ ", "OK"], left: 6 });
  });

  test("R-SMTP-18 an exchange of one step leaves what follows alone", async () => {
    const { client, server } = linePair();
    client.write("NEXT\r\n");
    const exchange = { mechanism: "X", initial: "aGk=", dialect, pipelining: false };
    expect(await serveExchange(server, session(success), exchange)).toEqual({ ok: true });
    expect(await server.readLine(10)).toBe("NEXT");
  });
});
