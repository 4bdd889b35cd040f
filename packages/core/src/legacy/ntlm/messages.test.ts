import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSASLError } from "../../errors.js";
import { concatBytes } from "../../internal/bytes.js";
import { av, formatAvPairs, parseAvPairs } from "./av-pairs.js";
import {
  flag,
  formatAuthenticate,
  formatChallenge,
  formatNegotiate,
  micOf,
  parseAuthenticate,
  parseChallenge,
  parseNegotiate,
  withMic,
} from "./messages.js";
import { decodeUtf16, encodeUtf16, upperCase } from "./utf16.js";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const octets = (max: number) => fc.uint8Array({ maxLength: max });
const pairs = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 11, max: 0xffff }), octets(50)), { selector: ([id]) => id, maxLength: 8 })
  .map((list) => new Map(list));

const challenge = formatChallenge({
  flags: flag.unicode | flag.targetInfo,
  targetName: "EXAMPLE",
  serverChallenge: new Uint8Array(8).fill(7),
  targetInfo: new Map([[av.timestamp, new Uint8Array(8)]]),
});
const authenticate = formatAuthenticate({
  flags: flag.unicode,
  domain: "EXAMPLE",
  user: "tim",
  workstation: "here",
  lmAnswer: new Uint8Array(24),
  ntAnswer: new Uint8Array(48),
});
const negotiate = formatNegotiate({ flags: flag.unicode });

const parsers = [
  { name: "NEGOTIATE", parse: parseNegotiate, message: negotiate, fixed: 32, buffers: [16, 24] },
  { name: "CHALLENGE", parse: parseChallenge, message: challenge, fixed: 48, buffers: [12, 40] },
  {
    name: "AUTHENTICATE",
    parse: parseAuthenticate,
    message: authenticate,
    fixed: 64,
    buffers: [12, 20, 28, 36, 44, 52],
  },
] as const;

/** What a parser makes of octets: nothing, or the code of its error. */
function codeOf(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string | undefined {
  try {
    parse(bytes);
    return undefined;
  } catch (error) {
    if (isSASLError(error)) return error.code;
    throw error;
  }
}

describe.each(parsers)("$name", ({ parse, message, fixed, buffers }) => {
  test("R-NTLM-01 fails when it is shorter than its fixed part", () => {
    for (let length = 0; length < fixed; length++) {
      expect(codeOf(parse, message.subarray(0, length))).toBe("malformed-message");
    }
    expect(codeOf(parse, message)).toBeUndefined();
  });

  test.each(buffers.map((at) => ({ at })))("R-NTLM-01 the value that $at tells of lies wholly inside", ({ at }) => {
    const with_ = (length: number, offset: number) => {
      const spoilt = Uint8Array.from(message);
      const view = new DataView(spoilt.buffer);
      view.setUint16(at, length, true);
      view.setUint32(at + 4, offset, true);
      return spoilt;
    };
    const { length } = message;
    const listed = parse === parseChallenge && at === 40; // attributes, which have an end at least
    expect(codeOf(parse, with_(0, length))).toBe(listed ? "malformed-message" : undefined);
    for (const [size, offset] of [
      [2, length - 1],
      [2, length],
      [0, length + 1],
      [0xffff, 0],
      [2, 0xffff_ffff], // length and offset come to 1 where sums wrap at 32 bits
      [0xfffe, 0xffff_0004],
    ] as const) {
      expect(codeOf(parse, with_(size, offset))).toBe("malformed-message");
    }
  });

  test("R-NTLM-01 fails as another kind of message", () => {
    expect(codeOf(parse, Uint8Array.from(message).with(0, 0x6e))).toBe("malformed-message");
    expect(codeOf(parse, Uint8Array.from(message).with(8, 4))).toBe("malformed-message");
    expect(codeOf(parse, Uint8Array.from(message).with(11, 1))).toBe("malformed-message");
  });

  test("R-NTLM-01 R-LIM-05 whatever octets come, it is read or refused with a code", () => {
    fc.assert(
      fc.property(octets(300), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), (noise, flips) => {
        const spoilt = concatBytes(message, noise);
        for (const [at, octet] of flips) spoilt[at % message.length] = octet;
        expect(["malformed-message", "incorrect-encoding", undefined]).toContain(codeOf(parse, spoilt));
        expect(["malformed-message", "incorrect-encoding", undefined]).toContain(codeOf(parse, noise));
      }),
    );
  });
});

test("what is written is read as it was", () => {
  fc.assert(
    fc.property(text, text, text, octets(60), octets(60), octets(8), pairs, (a, b, c, lm, nt, raw, targetInfo) => {
      const flags = flag.unicode | flag.targetInfo;
      const given = { flags, domain: a, user: b, workstation: c, lmAnswer: lm, ntAnswer: nt };
      expect(parseAuthenticate(formatAuthenticate(given))).toEqual(given);
      const serverChallenge = concatBytes(raw, new Uint8Array(8)).subarray(0, 8);
      const told = { flags, targetName: a, serverChallenge, targetInfo };
      expect(parseChallenge(formatChallenge(told))).toEqual(told);
      expect(parseNegotiate(formatNegotiate({ flags }))).toEqual({ flags });
    }),
  );
});

test("R-NTLM-01 a value that is too long for its place is not written", () => {
  const ntAnswer = new Uint8Array(0x10000);
  const write = () =>
    formatAuthenticate({ flags: 1, domain: "", user: "", workstation: "", lmAnswer: ntAnswer, ntAnswer });
  expect(codeOf(write, ntAnswer)).toBe("limit-exceeded");
  expect(codeOf(() => formatAvPairs(new Map([[9, ntAnswer]])), ntAnswer)).toBe("limit-exceeded");
});

test("R-NTLM-05 the integrity code has a place of its own", () => {
  const mic = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
  const message = withMic(authenticate, mic);
  expect(micOf(message)).toEqual(mic);
  expect(parseAuthenticate(message)).toEqual(parseAuthenticate(authenticate));
  expect(withMic(message, new Uint8Array(16))).toEqual(authenticate);
  expect(codeOf(micOf, message.subarray(0, 87))).toBe("malformed-message");
});

test("text without Unicode is ASCII", () => {
  const flags = flag.oem;
  const given = { flags, targetName: "host", serverChallenge: new Uint8Array(8), targetInfo: undefined };
  const message = formatChallenge(given);
  expect(parseChallenge(message)).toEqual(given);
  expect(parseChallenge(formatChallenge({ ...given, targetName: "höst" })).targetName).toBe("h?st");
  expect(codeOf(parseChallenge, message.with(message.length - 1, 0xe9))).toBe("incorrect-encoding");
});

describe("attributes", () => {
  const end = [0, 0, 0, 0];
  const hostile: readonly [why: string, octets: readonly number[]][] = [
    ["nothing at all", []],
    ["half a head", [9, 0, 0]],
    ["no end", [9, 0, 1, 0, 0x41]],
    ["a value beyond the message", [9, 0, 2, 0, 0x41, ...end].slice(0, 5)],
    ["a length far beyond the message", [9, 0, 0xff, 0xff, ...end]],
    ["an end with a length beyond the message", [0, 0, 1, 0]],
    ["a timestamp of 7 octets", [7, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7, ...end]],
    ["an empty timestamp", [7, 0, 0, 0, ...end]],
    ["a timestamp of 9 octets", [7, 0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...end]],
    ["flags of 2 octets", [6, 0, 2, 0, 1, 2, ...end]],
    ["bindings of 1 octet", [10, 0, 1, 0, 1, ...end]],
    ["an attribute twice", [9, 0, 0, 0, 9, 0, 0, 0, ...end]],
  ];
  test.each(hostile)("R-NTLM-02 %s fails", (_, octets) => {
    expect(codeOf(parseAvPairs, Uint8Array.from(octets))).toBe("malformed-message");
  });

  test("R-NTLM-02 the list ends with its end, whatever follows", () => {
    const bytes = Uint8Array.from([9, 0, 1, 0, 0x41, ...end, 1, 0, 0xff, 0xff]);
    expect(parseAvPairs(bytes)).toEqual(new Map([[9, Uint8Array.of(0x41)]]));
  });

  test("R-NTLM-02 what is written is read as it was, and every cut of it fails", () => {
    fc.assert(
      fc.property(pairs, (given) => {
        const bytes = formatAvPairs(given);
        expect(parseAvPairs(bytes)).toEqual(given);
        expect(codeOf(parseAvPairs, bytes.subarray(0, -1))).toBe("malformed-message");
      }),
    );
  });
});

test("UTF-16 of any text comes back, and half a character fails", () => {
  fc.assert(fc.property(text, (given) => decodeUtf16(encodeUtf16(given)) === given));
  expect(codeOf(decodeUtf16, Uint8Array.of(0x41))).toBe("incorrect-encoding");
  expect(codeOf(decodeUtf16, Uint8Array.of(0, 0xd8))).toBe("incorrect-encoding");
});

test("upper case makes nothing longer", () => {
  expect(upperCase("straße\u0149äÿ\u{10428}")).toBe("STRAßE\u0149ÄŸ\u{10428}");
});
