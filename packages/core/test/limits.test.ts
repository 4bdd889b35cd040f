/** R-LIM-02: no message of the largest size keeps the event loop from its work, whatever it is made of. */
import { describe, expect, test, vi } from "vitest";
import { isSASLError } from "../src/errors.js";
import { parseGs2Header, unescapeName } from "../src/internal/gs2.js";
import { encodeUtf8 } from "../src/internal/text.js";
import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
} from "../src/mechanisms/scram/messages.js";
import { SASLStateMachine } from "../src/state-machine.js";
import { binding, type Pairing, pairings, sessionFor } from "./support.js";

vi.setConfig({ testTimeout: 60_000 }); // much is played here, and other tests run beside it

const size = 65536;
/** What messages are made of: every delimiter, alone and together, and what the parsers repeat. */
const pieces = [
  "\0", "\0a", "a\0", "a", " ", " a", ",", ",a", "a=b,", "=", "=2C", "==", "n,", "n,,", "y,,", "p=", "p=a,", "a=", "r=",
  "n,,n=", "n,,n=a,r=", "r=a,s=AA==,i=", "c=biws,r=a,p=", "v=", "e=", ",m=", "m=a,", "\x01", "a\x01", "a=\x01", "n,,\x01a=b\x01", "auth=", "auth=Bearer ",
  "n,,\x01auth=Bearer ", "user=", "user=a\x01", "@", "a@", "a.", "\"", "\\", "@[", "0", "0 ", "<", "{", "[", "\"a\":", "é", "\u0301", "\u0627", "\u00ad", "\u{1d165}", "\ud55c",
]; // biome-ignore format: a list to be looked through

const messageOf = (piece: string, octets: number): Uint8Array => {
  const one = encodeUtf8(piece);
  const message = new Uint8Array(octets);
  for (let at = 0; at + one.length <= octets; at += one.length) message.set(one, at);
  return message.subarray(0, Math.floor(octets / one.length) * one.length);
};

/** The best of some runs, in milliseconds: what else the machine does is none of our business. */
function timeOf(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 10 && best > 5; run++) {
    const start = performance.now();
    try {
      work();
    } catch (error) {
      if (!isSASLError(error)) throw error;
    }
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

const parsers: readonly [name: string, parse: (text: string) => unknown][] = [
  ["parseGs2Header", parseGs2Header],
  ["unescapeName", unescapeName],
  ["parseClientFirst", parseClientFirst],
  ["parseServerFirst", parseServerFirst],
  ["parseClientFinal", parseClientFinal],
  ["parseServerFinal", parseServerFinal],
];

test.each(parsers)("R-LIM-02 %s is linear", (_, parse) => {
  for (const piece of pieces) {
    for (const [head, tail] of [
      ["", ""],
      ["n,,n=a,r=b,", ""],
      ["n,,", ",r=a"],
      ["", "\0"],
      ["", ","],
    ]) {
      const text = `${head}${piece.repeat(size / piece.length)}${tail}`;
      const took = timeOf(() => parse(text));
      expect(took, `${JSON.stringify(piece)} between ${head} and ${tail}`).toBeLessThan(20);
    }
  }
});

/** The longest time between two turns of the event loop while something runs, in milliseconds. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let done = false;
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!done) setTimeout(tick, 0);
  };
  setTimeout(tick, 0);
  await work().catch((error: unknown) => {
    if (!isSASLError(error)) throw error;
  });
  done = true;
  return Math.max(longest, performance.now() - last);
}

async function asServer({ mechanism, name }: Pairing, message: Uint8Array): Promise<void> {
  const session = sessionFor(mechanism);
  if (mechanism.flow === "client-first") {
    await session.initiate(name, message);
  } else {
    await session.initiate(name);
    await session.respond(message);
  }
}

async function asClient({ client, name }: Pairing, message: Uint8Array): Promise<void> {
  const wire = {
    secure: true,
    initiate: async () => ({ state: "challenge", payload: message }) as const,
    respond: async () => ({ state: "success", payload: message }) as const,
    abort: async () => ({ state: "failure" }) as const,
  };
  await client().authenticate(new SASLStateMachine(wire), name, { channelBinding: binding });
}

describe.each(pairings)("R-LIM-02 R-LIM-05 $name", (pairing) => {
  test.each([
    ["server", asServer],
    ["client", asClient],
  ] as const)("no message of 64 KiB blocks the %s", async (_, play) => {
    await longestTurn(() => play(pairing, encodeUtf8("é"))); // what is loaded late is loaded now
    for (const piece of pieces) {
      const message = messageOf(piece, size);
      let took = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 12 && took > 10; run++)
        took = Math.min(took, await longestTurn(() => play(pairing, message)));
      expect(took, JSON.stringify(piece)).toBeLessThan(30);
    }
  });
});
