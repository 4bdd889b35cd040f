import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compare, expandRange, parseRequirements, report } from "./requirements.mjs";

const markdown = `# Title
## One
R-AAA-01 [B] first
R-AAA-02 [B] second, see R-BBB-01
## Two (RFC 1)
R-BBB-01 [C] third
## Without any
`;
const sections = parseRequirements(markdown);

describe("parseRequirements", () => {
  test("takes the numbers at the beginning of lines", () => {
    expect(sections).toEqual([
      { title: "One", ids: ["R-AAA-01", "R-AAA-02"] },
      { title: "Two (RFC 1)", ids: ["R-BBB-01"] },
    ]);
  });

  test("reads the project's own list", () => {
    const own = parseRequirements(readFileSync(new URL("../../requirements/requirements.md", import.meta.url), "utf8"));
    const ids = own.flatMap((section) => section.ids);
    expect(ids).toHaveLength(328);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("expandRange", () => {
  test("expands a range and keeps the digits", () => {
    expect(expandRange("R-GEN-09..11")).toEqual(["R-GEN-09", "R-GEN-10", "R-GEN-11"]);
    expect(expandRange("R-GEN-01")).toEqual(["R-GEN-01"]);
  });

  test("refuses anything else", () => {
    expect(() => expandRange("GEN-01")).toThrow(TypeError);
  });
});

describe("compare", () => {
  test("finds a number anywhere in a test's name", () => {
    const { faults, sections: results } = compare(sections, { sections: ["One"], outOfScope: {} }, [
      "group R-AAA-01 > R-AAA-02 and R-BBB-01 do",
    ]);
    expect(faults).toEqual([]);
    expect(results.map(({ covered }) => covered)).toEqual([["R-AAA-01", "R-AAA-02"], ["R-BBB-01"]]);
  });

  const faulty: readonly [
    why: string,
    finished: string[],
    outOfScope: Record<string, string>,
    tests: string[],
    fault: RegExp,
  ][] = [
    ["a missing one of a finished section", ["One"], {}, ["R-AAA-01 x"], /R-AAA-02 has no test/],
    ["a number that does not exist", [], {}, ["R-AAA-09 x"], /R-AAA-09, which does not exist/],
    ["a longer number than any", [], {}, ["R-AAA-011 x"], /R-AAA-011, which does not exist/],
    ["an excuse for nothing", [], { "R-CCC-01": "why" }, [], /R-CCC-01 is called out of scope/],
    ["an excuse without a reason", [], { "R-AAA-01": " " }, [], /without a reason/],
    ["a finished section that is none", ["Three"], {}, [], /"Three" is called finished/],
  ];
  for (const [why, finished, outOfScope, tests, fault] of faulty) {
    test(`finds ${why}`, () => {
      const { faults } = compare(sections, { sections: finished, outOfScope }, tests);
      expect(faults).toHaveLength(1);
      expect(faults[0]).toMatch(fault);
    });
  }

  test("leaves out what is excused, and counts it as covered once it has a test", () => {
    const finished = { sections: ["One"], outOfScope: { "R-AAA-01..02": "later" } };
    const { faults, sections: results } = compare(sections, finished, ["R-AAA-01 x"]);
    expect(faults).toEqual([]);
    expect(results[0]).toMatchObject({ covered: ["R-AAA-01"], missing: [], outOfScope: ["R-AAA-02"] });
  });
});

test("the report names the missing numbers only when asked", () => {
  const result = compare(sections, { sections: [], outOfScope: {} }, ["R-AAA-01 x"]);
  expect(report(result, { verbose: false }).join("\n")).not.toContain("R-AAA-02");
  expect(report(result, { verbose: true }).join("\n")).toContain("not covered: R-AAA-02");
  expect(report(result, { verbose: false }).at(-1)).toBe("1 of 3 requirements have a test.");
});
