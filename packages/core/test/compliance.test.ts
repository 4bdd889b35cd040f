/** Everything of ours that is a plug-in, under the suites for plug-ins. */
import { describe, expect, test } from "vitest";
import type { AccountStore } from "../src/accounts.js";
import type { Canonicalizer } from "../src/canonicalize.js";
import * as canonicalizers from "../src/canonicalizers.js";
import { callbackAccounts, chainAccounts } from "../src/chain-accounts.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import {
  type CanonicalizerCheckOptions,
  canonicalizerChecks,
  type OpenStore,
  type StoreCheckOptions,
  storeChecks,
} from "../src/testing.js";

const fails = () => Promise.reject(new Error("connection refused"));
const down: AccountStore = {
  lookup: fails,
  store: fails,
  remove: fails,
  list: () => ({ [Symbol.asyncIterator]: () => ({ next: fails }) }),
};
const readOnly = callbackAccounts((name) => (name === "given" ? { userPassword: "x", quota: 1 } : undefined));
const stores: readonly (readonly [name: string, open: OpenStore, options?: StoreCheckOptions])[] = [
  ["memoryAccounts", () => memoryAccounts()],
  ["callbackAccounts that can write", () => writable(memoryAccounts())],
  [
    "callbackAccounts that look up alone",
    () => readOnly,
    { readOnly: true, accounts: { given: { userPassword: "x", quota: 1, authPassword: undefined } } },
  ],
  ["a chain of one that can write", () => chainAccounts([memoryAccounts()])],
  [
    "a chain of several",
    () => chainAccounts([readOnly, memoryAccounts(), memoryAccounts({ second: { quota: 2 } })]),
    { accounts: { second: { quota: 2 } } },
  ],
  [
    "a chain in which the first answers for all",
    () => chainAccounts([memoryAccounts(), memoryAccounts({ second: { quota: 2 } })], { answer: "account" }),
    { accounts: { second: { quota: 2 } }, unreachable: () => chainAccounts([memoryAccounts(), down]) },
  ],
];
for (const [store, open, options] of stores) {
  describe(store, () => {
    for (const { name, run } of storeChecks(open, options)) test(name, run);
  });
}

test("a chain finds behind a property that was removed the one that the next store has", async () => {
  const first = memoryAccounts({ tim: { quota: 1, mailbox: "a" } });
  first.store("tim", { quota: undefined });
  const chain = chainAccounts([first, memoryAccounts({ tim: { quota: 2, mailbox: "b" } })]);
  expect(await chain.lookup("tim", ["quota", "mailbox"])).toMatchObject({ quota: 2, mailbox: "a" });
});

function writable({ lookup, ...more }: AccountStore): AccountStore {
  return callbackAccounts(lookup, more);
}

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
