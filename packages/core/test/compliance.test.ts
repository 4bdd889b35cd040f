/** Everything of ours that is a plug-in, under the suites for plug-ins. */
import { describe, test } from "vitest";
import type { Canonicalizer } from "../src/canonicalize.js";
import * as canonicalizers from "../src/canonicalizers.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import { type CanonicalizerCheckOptions, canonicalizerChecks, storeChecks } from "../src/testing.js";

describe("memoryAccounts", () => {
  for (const { name, run } of storeChecks(() => memoryAccounts())) test(name, run);
});

const { appendRealm, saslprepName, stripRealm, trim, usernameCaseMapped, usernameCasePreserved } = canonicalizers;
const rules: readonly (readonly [rule: Canonicalizer, options: CanonicalizerCheckOptions])[] = [
  [trim(), { names: { " tim\t": "tim", "t im": "t im" }, refused: [" ", "\u3000"] }],
  [saslprepName, { names: { "t\u00adim": "tim", "\u2168": "IX" }, refused: ["\u0007", "\u00ad", "\u0627\u0031"] }],
  [usernameCaseMapped, { names: { Juliet: "juliet", "\uff21lice": "alice" }, refused: ["foo bar", "henry\u2163"] }],
  [usernameCasePreserved, { names: { Juliet: "Juliet", "\uff21lice": "Alice" }, refused: ["foo bar", "\u265a"] }],
  [appendRealm(), { names: { tim: "tim@example.com", "tim@example.net": "tim@example.net" } }],
  [appendRealm("example.net"), { names: { tim: "tim@example.net" } }],
  [stripRealm(), { names: { "tim@EXAMPLE.com": "tim", "tim@example.net": "tim@example.net" } }],
  [stripRealm("example.net", { others: "refuse" }), { names: { "tim@example.net": "tim" }, refused: ["tim@x"] }],
];
describe.each(rules)("canonicaliser $name", (rule, options) => {
  for (const { name, run } of canonicalizerChecks(rule, { seed: 20_26_11_21, ...options })) test(name, run);
});
