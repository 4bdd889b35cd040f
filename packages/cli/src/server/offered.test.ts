import { type AccountProperties, type AccountStore, memoryAccounts } from "sasl-core";
import { expect, test } from "vitest";
import { knownMechanisms } from "../known-mechanisms.js";
import { offered, survey } from "./offered.js";

const verifier = (hash: string, iterations: number) => ({
  hash,
  iterations,
  salt: new Uint8Array(16),
  storedKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
});
const both: AccountProperties = { authPassword: [verifier("SHA-256", 4096), verifier("SHA-512", 10_000)] };
const one: AccountProperties = { authPassword: [verifier("SHA-256", 5000)] };
const hashed: AccountProperties = { passwordHash: ["$argon2id$x"] };
const lookup = () => undefined;

const usual = ["SHA-256", "SHA-512"];
const rows: readonly [
  what: string,
  accounts: AccountStore,
  hashes: string[] | undefined,
  iterations: number[],
  faults: number,
][] = [
  ["passwords alone", memoryAccounts({ alice: "x", bob: "y" }), undefined, [], 0],
  ["verifiers", memoryAccounts({ alice: both, bob: both }), usual, [4096, 10_000], 0],
  [
    "verifiers of fewer hashes",
    memoryAccounts({ alice: both, bob: one, carol: "x" }),
    ["SHA-256"],
    [4096, 10_000, 5000],
    0,
  ],
  ["counts no client takes", memoryAccounts({ alice: { authPassword: [verifier("SHA-1", 1000)] } }), ["SHA-1"], [], 0],
  ["a hash beside verifiers", memoryAccounts({ alice: hashed, bob: both }), [], [4096, 10_000], 0],
  ["nobody", memoryAccounts(), usual, [4096, 10_000], 0],
  ["a store that lists nothing", { lookup }, undefined, [], 0],
  ["a store that judges passwords itself", { lookup, checkPassword: () => false }, [], [], 0],
  ["a list that fails", { lookup, list: () => fail() }, usual, [4096, 10_000], 1],
  [
    "an account that cannot be read",
    { lookup: (name) => (name === "bob" ? fail() : one), list: () => ["bob", "al"] },
    ["SHA-256"],
    [5000],
    1,
  ],
  [
    "an account that is gone by then",
    { lookup: (name) => (name === "bob" ? undefined : one), list: () => ["bob", "al"] },
    ["SHA-256"],
    [5000],
    0,
  ],
  ["a list without an end", { lookup: () => one, list: endless }, ["SHA-256"], [5000], 0],
];

function fail(): never {
  throw new Error("down");
}

function* endless(): Iterable<string> {
  for (;;) yield "alice";
}

for (const [what, accounts, hashes, iterations, faults] of rows) {
  test(`what is found: ${what}`, async () => {
    const told: unknown[] = [];
    const found = await survey(accounts, knownMechanisms, (error) => told.push(error));
    expect(found.hashes && [...found.hashes].sort()).toEqual(hashes);
    expect(found.iterations).toEqual(iterations);
    expect(told).toHaveLength(faults);
  });
}

test("what is offered: nothing obsolete, nothing anonymous, SCRAM with the hashes of all", () => {
  const names = (hashes?: ReadonlySet<string>) =>
    offered(knownMechanisms, { hashes, lacking: new Set() }).map((each) => each.name);
  expect(names(new Set(["SHA-256"])).filter((name) => name.startsWith("SCRAM"))).toEqual([
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
  ]);
  expect(names(new Set())).toEqual(expect.arrayContaining(["PLAIN", "LOGIN"]));
  expect(names()).toEqual(expect.arrayContaining(["SCRAM-SHA-1", "SCRAM-SHA3-512-PLUS"]));
  for (const name of ["ANONYMOUS", "CRAM-MD5"]) expect(names()).not.toContain(name);
});
