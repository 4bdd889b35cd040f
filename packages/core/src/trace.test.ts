import { expect, test, vi } from "vitest";
import { logIn, pairing, pairings, recorded, sessionFor, user } from "../test/support.js";
import { clientMechanism } from "./client.js";
import { encodeUtf8 } from "./internal/text.js";
import { defineMechanism, type Mechanism } from "./mechanism.js";
import { type TraceEvent, tracer } from "./trace.js";

vi.setConfig({ testTimeout: 60_000 }); // much is played here, and other tests run beside it

/** The events of an exchange. */
async function traceOf(
  name: string,
  options: { credentials?: Parameters<typeof logIn>[3]; successData?: boolean } = {},
) {
  const events: TraceEvent[] = [];
  const each = pairing(name);
  const session = sessionFor(each.mechanism, {}, { successData: options.successData });
  await logIn(each, session, { trace: tracer((event) => events.push(event)) }, options.credentials).catch(() => {});
  return events;
}

test.each(pairings)("$name: every message once, in order, with its octets", async (each) => {
  const events = await traceOf(each.name);
  const wire = recorded(sessionFor(each.mechanism));
  await logIn(each, wire);
  const sent = events.filter(({ direction }) => direction === "send");
  expect(sent.map(({ octets }) => octets)).toEqual(wire.calls.map(({ payload }) => payload?.length));
  expect(sent[0]?.message).toBe("initiate");
  expect(events.map(({ direction }) => direction)).toEqual(sent.flatMap(() => ["send", "receive"]));
  expect(events.at(-1)?.message).toBe("success");
  expect(new Set(events.map(({ mechanism }) => mechanism))).toEqual(new Set([each.name]));
});

test("R-GEN-04 absent and empty are shown as different", async () => {
  expect((await traceOf("LOGIN"))[0]).toMatchObject({ octets: undefined, text: "" });
  expect((await traceOf("EXTERNAL"))[0]).toMatchObject({ octets: 0, text: "" });
});

test("shows what is no secret", async () => {
  const texts = async (name: string) => (await traceOf(name)).map(({ text }) => text);
  expect((await texts("PLAIN"))[0]).toMatch(/^\S*tim\S*<16 characters>$/);
  expect((await texts("ANONYMOUS"))[0]).toBe("sirhc");
  const scram = await texts("SCRAM-SHA-256");
  expect(scram[0]).toMatch(/^n,,n=tim,r=\S+$/);
  expect(scram[1]).toMatch(/^r=\S+,s=\S+,i=10000$/);
  expect(scram[2]).toMatch(/^c=\S+,r=\S+,p=<44 characters>$/);
  expect(scram[3]).toMatch(/^v=<44 characters>$/);
  expect((await texts("OAUTHBEARER"))[0]).toContain(`Bearer <${user.token.length} characters>`);
});

const awkward = ["x", "secret:", "Username:x", "a b", " ", "p=x,v=y", "auth=Bearer x", "ä\u202e", "n,,n=tim", "\ttab"];
test.each(awkward)("R-GEN-30 a password like %j is not shown", async (password) => {
  for (const name of ["PLAIN", "LOGIN", "CRAM-MD5"]) {
    const marked = `${password}tanstaaf${password}`;
    for (const { text } of await traceOf(name, { credentials: { username: "tim", password: marked } })) {
      expect(text).not.toContain("tanstaaf");
    }
  }
});

test("R-GEN-30 a token of any alphabet is not shown", async () => {
  for (const token of ["tanstaaf==", "tan staaf", "auth=Bearer tanstaaf", "täanstaaf tanstaaf"]) {
    for (const name of ["OAUTHBEARER", "XOAUTH2"]) {
      for (const { text } of await traceOf(name, { credentials: { username: "tim", token } })) {
        expect(text).not.toContain("staaf");
      }
    }
  }
});

test("R-GEN-30 a peer cannot write on the reader's terminal", async () => {
  const events: TraceEvent[] = [];
  const mechanism: Mechanism = defineMechanism({
    name: "X-TEST",
    flow: "server-first",
    security: [],
    source: "this test",
    secrets: /(?!)/,
    async *client() {
      yield;
      return new Uint8Array(0);
    },
  });
  const wire = {
    secure: true,
    initiate: async () => ({ state: "challenge", payload: encodeUtf8("a\x1b[2J\r\n\u202eb\u2028\x00") }) as const,
    respond: async () => ({ state: "success" }) as const,
    abort: async () => ({ state: "failure" }) as const,
  };
  const each = { name: "X-TEST", mechanism, client: () => clientMechanism([mechanism], {}) };
  await logIn(each, wire, { trace: tracer((event) => events.push(event)) });
  expect(events[1]?.text).toBe("a\\x1b[2J\\x0d\\x0a\\x202eb\\x2028\\x00");
});

test("a mechanism that says nothing of its secrets, and octets that are no text, show their length alone", () => {
  const events: TraceEvent[] = [];
  const listen = tracer((event) => events.push(event));
  const silent = { name: "X", flow: "either", security: [], source: "" } as const;
  listen(silent, "send", "initiate", encodeUtf8("secret"));
  listen({ ...silent, secrets: /(?!)/ }, "receive", "challenge", Uint8Array.of(0xff, 0xfe));
  listen({ ...silent, secrets: /(?!)/ }, "receive", "success", undefined);
  expect(events.map(({ text, octets }) => [text, octets])).toEqual([
    ["<6 octets>", 6],
    ["<2 octets>", 2],
    ["", undefined],
  ]);
});

test("R-LIM-02 the largest hostile messages are shown in linear time", () => {
  const pieces = [
    "a",
    "\0",
    "a\0",
    ":",
    " ",
    "auth=",
    "auth=a ",
    ",p=",
    "v=",
    ",",
    "0 ",
    "Username:",
    "\n",
    "=",
    "\x01",
  ];
  for (const { mechanism } of pairings) {
    for (const piece of pieces) {
      const payload = encodeUtf8(piece.repeat(65536 / piece.length).slice(0, 65535) + piece.slice(-1));
      const listen = tracer(() => {});
      const tail = encodeUtf8(`${"a".repeat(65535)}${piece.slice(-1)}`);
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 20 && best > 20; run++) {
        const start = performance.now();
        listen(mechanism, "receive", "challenge", payload);
        listen(mechanism, "send", "response", tail);
        best = Math.min(best, performance.now() - start);
      }
      // Two messages; a square of 65536 would be seconds.
      expect(best, `${mechanism.name}, ${JSON.stringify(piece)}`).toBeLessThan(150);
    }
  }
});

test("a listener that throws ends the exchange", async () => {
  const session = sessionFor(pairing("PLAIN").mechanism);
  const listener = () => {
    throw new Error("disk full");
  };
  await expect(logIn(pairing("PLAIN"), session, { trace: tracer(listener) })).rejects.toMatchObject({
    code: "aborted",
  });
});
