/** Properties over random messages and random sequences of calls. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { isSASLError } from "../src/errors.js";
import type { SASLInterface, SASLReply } from "../src/interface.js";
import { encodeBase64 } from "../src/internal/base64.js";
import { escapeName, formatGs2Header } from "../src/internal/gs2.js";
import { encodeUtf8 } from "../src/internal/text.js";
import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
} from "../src/mechanisms/scram/messages.js";
import { SASLStateMachine } from "../src/state-machine.js";
import { binding, pairing, pairings, sessionFor, user } from "./support.js";

vi.setConfig({ testTimeout: 60_000 }); // much is played here, and other tests run beside it

/** What messages are made of, in any order. */
const grammar = fc.constantFrom(
  "n", "y", "p", "a", "r", "s", "i", "c", "v", "e", "m", "=", ",", "=2C", "=3D", "biws", "AAAA", "AA==", "4096", "0", "\0", "\x01", "tim",
  "auth=Bearer ", "user=", "host=", "é", "\u00ad", " ", "\n", "{", "}", '"status"', ":", "__proto__", "tanstaaftanstaaf", "<1@x>", "@",
); // biome-ignore format: a list to be looked through
const shaped = fc.array(grammar, { maxLength: 24 }).map((parts) => parts.join(""));
const text = fc.oneof(shaped, fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }));
const octets = fc.oneof(
  shaped.map((each) => encodeUtf8(each)),
  fc.uint8Array({ maxLength: 200 }),
);

/** Runs it; anything but a value or a typed error is a fault. */
function total(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!isSASLError(error)) throw error;
  }
}

describe("R-LIM-05 SCRAM's parsers", () => {
  const parsers = { parseClientFirst, parseServerFirst, parseClientFinal, parseServerFinal };
  test.each(Object.entries(parsers))("%s gives a value or the typed error for any text", (_, parse) => {
    fc.assert(
      fc.property(text, (message) => total(() => parse(message))),
      { numRuns: 2000 },
    );
  });

  const nonce = fc.stringMatching(/^[\x21-\x2b\x2d-\x7e]+$/);
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((each) => !each.includes("\0"));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
  const extensions = fc
    .uniqueArray(fc.tuple(fc.constantFrom(..."bdfghjkloqtuwxyz"), fc.stringMatching(/^[^,\0]+$/)), {
      selector: ([letter]) => letter,
    })
    .map((all) => all.map(([letter, value]) => `,${letter}=${value}`).join(""));

  test("R-SCRAM-05 R-SCRAM-09 client-first is read back as it was written", () => {
    fc.assert(
      fc.property(name, nonce, fc.option(name, { nil: undefined }), extensions, (username, r, authzid, more) => {
        const bare = `n=${escapeName(username)},r=${r}${more}`;
        const read = parseClientFirst(formatGs2Header("n", undefined, authzid) + bare);
        expect(read).toMatchObject({ username, nonce: r, bare });
        expect(read.header.authzid).toBe(authzid);
      }),
    );
  });

  test("R-SCRAM-14 R-SCRAM-16 server-first is read back as it was written", () => {
    fc.assert(
      fc.property(nonce, bytes, fc.integer({ min: 1, max: 999_999_999 }), extensions, (r, salt, iterations, more) => {
        expect(parseServerFirst(`r=${r},s=${encodeBase64(salt)},i=${iterations}${more}`)).toEqual({
          nonce: r,
          salt,
          iterations,
        });
      }),
    );
  });

  test("R-SCRAM-09 R-SCRAM-19 client-final is read back as it was written", () => {
    fc.assert(
      fc.property(bytes, nonce, bytes, extensions, (channel, r, proof, more) => {
        const withoutProof = `c=${encodeBase64(channel)},r=${r}${more}`;
        const read = parseClientFinal(`${withoutProof},p=${encodeBase64(proof)}`);
        expect(read).toEqual({ binding: channel, nonce: r, proof, withoutProof });
      }),
    );
  });

  test("R-SCRAM-08 an `m` at any place fails, in every message", () => {
    const messages: readonly [parse: (message: string) => unknown, head: string, attributes: readonly string[]][] = [
      [parseClientFirst, "n,,", ["n=tim", "r=abc", "x=1"]],
      [parseServerFirst, "", ["r=abc", "s=AAAA", "i=4096", "x=1"]],
      [parseClientFinal, "", ["c=biws", "r=abc", "x=1", "p=AAAA"]],
      [parseServerFinal, "", ["v=AAAA", "x=1"]],
    ];
    for (const [parse, head, attributes] of messages) {
      expect(() => parse(head + attributes.join(","))).not.toThrow();
      for (let at = 0; at <= attributes.length; at++) {
        const message = head + attributes.toSpliced(at, 0, "m=ext").join(",");
        expect(() => parse(message), message).toThrow(expect.objectContaining({ code: "malformed-message" }));
      }
    }
  });

  test("R-SCRAM-07 any exchange of two attributes, and any repetition, fails", () => {
    const messages: readonly [parse: (message: string) => unknown, head: string, attributes: readonly string[]][] = [
      [parseClientFirst, "n,,", ["n=tim", "r=abc"]],
      [parseServerFirst, "", ["r=abc", "s=AAAA", "i=4096"]],
      [parseClientFinal, "", ["c=biws", "r=abc", "p=AAAA"]],
    ];
    for (const [parse, head, attributes] of messages) {
      for (const [i, attribute] of attributes.entries()) {
        const others = attributes.toSpliced(i, 1);
        expect(() => parse(head + others.join(",")), attribute).toThrow(); // missing
        for (let at = 0; at < attributes.length; at++) {
          if (at !== i) expect(() => parse(head + others.toSpliced(at, 0, attribute).join(","))).toThrow();
        }
        expect(() => parse(head + [...attributes, attribute].join(","))).toThrow();
      }
    }
  });

  test("R-SCRAM-14 counts that are none", () => {
    for (const count of [
      "0",
      "-1",
      "+4096",
      "04096",
      "4096.0",
      "4e3",
      " 4096",
      "4096 ",
      "0x1000",
      "٤٠٩٦",
      "",
      "1_000",
    ]) {
      expect(() => parseServerFirst(`r=abc,s=AAAA,i=${count}`), count).toThrow(
        expect.objectContaining({ code: "malformed-message" }),
      );
    }
    expect(parseServerFirst(`r=abc,s=AAAA,i=${"9".repeat(400)}`).iterations).toBe(Number.POSITIVE_INFINITY);
  });

  test("R-SCRAM-16 salts, proofs and verifiers that are no strict base64", () => {
    for (const bad of ["A", "AA", "AAA", "AAAA=", "A===", "AA=A", "=AAA", "AB==", "A_-A", "AA A", "ÄÄÄÄ", "AA==AA=="]) {
      const malformed = expect.objectContaining({
        code: expect.stringMatching(/^(incorrect-encoding|malformed-message)$/),
      });
      expect(() => parseServerFirst(`r=abc,s=${bad},i=4096`), bad).toThrow(malformed);
      expect(() => parseClientFinal(`c=biws,r=abc,p=${bad}`), bad).toThrow(malformed);
      expect(() => parseClientFinal(`c=${bad},r=abc,p=AAAA`), bad).toThrow(malformed);
      expect(() => parseServerFinal(`v=${bad}`), bad).toThrow(malformed);
    }
  });

  test("R-SCRAM-21 a last message with an error and a signature, or neither, fails", () => {
    for (const message of ["v=AAAA,e=other-error", "e=other-error,v=AAAA", "x=1", "", "v=", "e=", "r=a"]) {
      expect(() => parseServerFinal(message), message).toThrow(expect.objectContaining({ code: "malformed-message" }));
    }
    expect(() => parseServerFinal("e=other-error")).toThrow(expect.objectContaining({ code: "refused" }));
    expect(parseServerFinal("v=AAAA,x=1")).toEqual(new Uint8Array(3));
  });
});

type Call =
  | { readonly kind: "initiate"; readonly name: string; readonly payload: Uint8Array | undefined }
  | { readonly kind: "respond"; readonly payload: Uint8Array }
  | { readonly kind: "abort" };

const calls = (names: readonly string[]): fc.Arbitrary<Call[]> =>
  fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("initiate" as const),
        name: fc.constantFrom(...names),
        payload: fc.option(octets, { nil: undefined }),
      }),
      fc.record({ kind: fc.constant("respond" as const), payload: octets }),
      fc.record({ kind: fc.constant("abort" as const) }),
    ),
    { maxLength: 12 },
  );

async function say(peer: SASLInterface, call: Call): Promise<SASLReply | undefined> {
  try {
    if (call.kind === "initiate") return await peer.initiate(call.name, call.payload);
    return await (call.kind === "respond" ? peer.respond(call.payload) : peer.abort());
  } catch (error) {
    if (!isSASLError(error)) throw error;
    return undefined;
  }
}

/** Mechanisms in which a random peer cannot be right: a password no message above contains, and ANONYMOUS left out. */
const guarded = pairings.filter(({ name }) => name !== "ANONYMOUS" && name !== "EXTERNAL");

describe.each(guarded)("R-LIM-05 R-GEN-10 $name", ({ name, mechanism, client }) => {
  test("no sequence of messages without the password or token gets in, none breaks the session", async () => {
    const secretive = { userPassword: "0ther-than-all-the-words-above" };
    await fc.assert(
      fc.asyncProperty(calls([name, name, "PLAIN", "", "x"]), async (sequence) => {
        const session = sessionFor(mechanism, {
          accounts: { lookup: () => secretive },
          tokens: () => ({ ok: false, status: "invalid_token" }),
        });
        for (const call of sequence) {
          const reply = await say(session, call);
          expect(reply?.state).not.toBe("success");
          if (call.kind === "abort") expect(reply).toEqual({ state: "failure" });
        }
        expect(session.result).toBeUndefined();
      }),
      { numRuns: name.startsWith("SCRAM") ? 25 : 60 },
    );
  });

  test("no sequence of replies makes the client end in anything but an outcome or a typed error", async () => {
    const reply: fc.Arbitrary<SASLReply> = fc.oneof(
      octets.map((payload): SASLReply => ({ state: "challenge", payload })),
      fc.option(octets, { nil: undefined }).map((payload): SASLReply => ({ state: "success", payload })),
      fc.constant<SASLReply>({ state: "failure" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(reply, { maxLength: 6 }), async (replies) => {
        const left = [...replies];
        const answer = async (): Promise<SASLReply> => left.shift() ?? { state: "success" };
        const wire: SASLInterface = {
          secure: true,
          initiate: answer,
          respond: answer,
          abort: async () => ({ state: "failure" }),
        };
        const machine = new SASLStateMachine(wire);
        try {
          const outcome = await client().authenticate(machine, name, { channelBinding: binding });
          expect(outcome.mechanism).toBe(name);
          expect(machine.state).toBe("success");
          expect(name.startsWith("SCRAM"), "a peer without keys was believed").toBe(false);
        } catch (error) {
          if (!isSASLError(error)) throw error;
        }
      }),
      { numRuns: 60 },
    );
  });
});

test("R-GEN-14 R-LIM-05 a state machine keeps its order over any sequence of calls", async () => {
  await fc.assert(
    fc.asyncProperty(calls(["LOGIN", "X", "x"]), async (sequence) => {
      const session = sessionFor(pairing("LOGIN").mechanism);
      const machine = new SASLStateMachine(session);
      for (const call of sequence) {
        const before = machine.state;
        const reply = await say(machine, call);
        if (before === "success" || before === "failure") {
          expect(reply).toBeUndefined();
          expect(machine.state).toBe(before);
        }
        if (reply) expect(machine.state).toBe(reply.state);
        expect(["initial", "challenge", "success", "failure"]).toContain(machine.state);
      }
    }),
  );
});

test("PLAIN, LOGIN and the tokens: what the client writes the server reads, for any name and password", async () => {
  const word = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(word, word, async (username, password) => {
      for (const name of ["PLAIN", "LOGIN", "CRAM-MD5"]) {
        const { mechanism, client } = pairing(name);
        const session = sessionFor(mechanism, {
          accounts: { lookup: (asked) => (asked === username ? { userPassword: password } : undefined) },
        });
        await client({ username, password }).authenticate(new SASLStateMachine(session), name);
        expect(session.result?.authcid).toBe(username);
      }
    }),
    { numRuns: 60 },
  );
  await fc.assert(
    fc.asyncProperty(word, fc.stringMatching(/^[A-Za-z0-9._~+/-]+=*$/), async (username, token) => {
      for (const name of ["OAUTHBEARER", "XOAUTH2"]) {
        const { mechanism, client } = pairing(name);
        const session = sessionFor(mechanism, {
          tokens: (given, asked) =>
            given === token && asked.username === username
              ? { ok: true, subject: username }
              : { ok: false, status: "invalid_token" },
        });
        await client({ username, token }).authenticate(new SASLStateMachine(session), name);
        expect(session.result?.authzid).toBe(username);
      }
    }),
    { numRuns: 60 },
  );
  expect(user.username).toBe("tim");
});
