/** Every mechanism of ours under the suite for mechanisms, with every corruption of every message. */
import { describe, expect, test } from "vitest";
import { mechanismChecks } from "../src/testing.js";
import { exportedMechanisms, subjects } from "./mechanism-subjects.js";

const seed = 20_261_121; // another one finds no other faults, but takes other ways

test("every mechanism that is exported is checked", () => {
  expect(Object.keys(subjects).sort()).toEqual([...exportedMechanisms.keys()].sort());
});

describe.each([...exportedMechanisms])("%s", (name, mechanism) => {
  const options = subjects[name];
  if (options === undefined) return;
  for (const check of mechanismChecks(options.configured ?? mechanism, { seed, ...options }))
    test(check.name, { timeout: 60_000 }, check.run);
});
