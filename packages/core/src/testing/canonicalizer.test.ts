/** The suite finds what it is there to find. */
import { expect, test } from "vitest";
import type { Canonicalizer } from "../canonicalize.js";
import { SASLFailure } from "../errors.js";
import { checkCanonicalizer } from "../testing.js";

const same = (name: string) => name;
let calls = 0;

const faults: readonly (readonly [fault: string, canonicalize: Canonicalizer["canonicalize"], noticed: RegExp])[] = [
  ["is wrong about a name of the table", (name) => name.toUpperCase(), /table.*"tim" becomes "TIM" and not "tim"/],
  ["accepts what it should refuse", same, /"root" becomes "root" and should be refused/],
  ["takes one space off at a time", (name) => refused(name.replace(/ $/, "")), /and that becomes/],
  ["adds to a name each time", (name) => (name === "tim" ? name : refused(`${name}@x`)), /and that becomes/],
  [
    "throws what is no SASL error",
    (name) => refused(name.includes("@") ? decodeURIComponent("%") : name),
    /URIError.*no SASL error/,
  ],
  ["gives nothing", (name) => (name === "tim" ? name : (undefined as unknown as string)), /TypeError.*no SASL error/],
  ["cuts a character in two", (name) => refused(name.replace(/[\udc00-\udfff]$/, "")), /which is no name/],
  ["counts", (name) => refused(name.length > 5 ? `n${calls++}` : name), /and (?:then|that becomes)/],
  ["drops a NUL", (name) => refused(name.replaceAll("\0", "")), /R-GEN-20 what is no name does not become one/],
  ["replaces half a character", (name) => refused(name.toWellFormed()), /R-GEN-20 what is no name does not become one/],
];

function refused(name: string): string {
  if (name === "root") throw new SASLFailure("malformed-message", "not this one");
  return name;
}

test.each(faults)("the suite notices a canonicaliser that %s", async (_, canonicalize, noticed) => {
  const options = { names: { tim: "tim" }, refused: ["root"], seed: 3 };
  await expect(checkCanonicalizer({ name: "x", canonicalize }, options)).rejects.toThrow(noticed);
});

test("the suite notices a canonicaliser that never answers", async () => {
  const canonicalize = (name: string) => (name.length > 900 ? new Promise<string>(() => {}) : refused(name));
  const options = { names: { tim: "tim" }, refused: ["root"], seed: 3, timeoutMs: 300 };
  await expect(checkCanonicalizer({ name: "x", canonicalize }, options)).rejects.toThrow("no answer");
});

test("a canonicaliser without a fault passes, whatever the seed, and is told what it wants to know", async () => {
  const asked = new Set<string>();
  const canonicalizer: Canonicalizer = {
    name: "x",
    side: "server",
    canonicalize(name, { role, side, host }) {
      asked.add(`${role} ${side} ${host}`);
      return refused(name);
    },
  };
  for (let i = 0; i < 3; i++) {
    await expect(
      checkCanonicalizer(canonicalizer, { names: { tim: "tim" }, refused: ["root"] }),
    ).resolves.toMatchObject({
      subject: "canonicaliser x",
    });
  }
  expect([...asked].sort()).toEqual([
    "authcid server example.com",
    "authzid server example.com",
    "both server example.com",
  ]);
});

test("a broken shape, and a table without names", async () => {
  await expect(checkCanonicalizer({} as Canonicalizer, { names: {} })).rejects.toThrow(
    /canonicalizers\[0\]\.name is missing/,
  );
  await expect(checkCanonicalizer({ name: "x", canonicalize: same }, { names: {} })).rejects.toThrow(
    "no `names` to try",
  );
});
