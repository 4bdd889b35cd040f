import { expect, test } from "vitest";
import type { EvaluateOptions } from "./authenticate.js";
import { channelBinding } from "./channel-binding.js";
import { hiddenMechanisms } from "./hidden-mechanisms.js";
import { CRAM_MD5 } from "./mechanisms/cram-md5.js";
import { PLAIN } from "./mechanisms/plain.js";
import { SCRAM, SCRAMPLUS } from "./mechanisms/scram/index.js";

const alice = { username: "alice", password: "secret" };
const binding = channelBinding({ "tls-exporter": new Uint8Array(32) });
const [cram, scram, scramPlus] = ["CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];

const cases: readonly [
  why: string,
  before: string[],
  after: string[],
  hidden: string[],
  options?: Partial<EvaluateOptions>,
][] = [
  ["a stronger one was hidden", [cram], [cram, scram], [scram]],
  ["two were, one of them stronger still", [cram], ["SCRAM-SHA-512", cram, scram], ["SCRAM-SHA-512", scram]],
  ["nothing was hidden", [cram, scram], [scram, cram], []],
  ["a weaker one is new", [cram], [cram, "PLAIN"], []],
  ["one nobody knows is new", [cram], [cram, "X-STRONG"], []],
  ["nothing is announced any more", [cram, scram], [], []],
  ["one that cannot be used here is new", [cram], [cram, scramPlus], []],
  ["one that can be bound is new", [cram], [cram, scramPlus], [scramPlus], { channelBinding: binding }],
  ["the policy wants none of it", [cram], [cram, scram], [], { policy: { maxSsf: 0, minSsf: 1 } }],
  ["the caller's own order changes nothing", [cram], [cram, scram], [scram], { order: "given" }],
];

for (const [why, before, after, hidden, options] of cases) {
  test(`R-GEN-25 ${why}`, () => {
    const mechanisms = [PLAIN(alice), CRAM_MD5(alice), SCRAM(alice), SCRAMPLUS(alice)];
    expect(hiddenMechanisms(cram, { before, after }, mechanisms, { secure: false, ...options })).toEqual(hidden);
  });
}

test("a mechanism that was not given is a mistake of the caller", () => {
  const offers = { before: [], after: [] };
  expect(() => hiddenMechanisms("PLAIN", offers, [SCRAM(alice)], { secure: true })).toThrow(RangeError);
});
