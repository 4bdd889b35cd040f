import { afterEach, beforeEach, expect, test, vi } from "vitest";

const broken = (): never => {
  throw new TypeError("Failed to fetch dynamically imported module");
};

beforeEach(() => {
  vi.resetModules();
  vi.doMock("./stringprep.js", broken);
  vi.doMock("./precis-rules.js", broken);
});

afterEach(() => {
  vi.doUnmock("./stringprep.js");
  vi.doUnmock("./precis-rules.js");
  vi.resetModules();
});

const temporary = expect.objectContaining({ kind: "SASLFailure", code: "temporary" });

test("R-LIM-05 rules that do not load are a temporary failure, and ASCII needs none", async () => {
  const { saslprep } = await import("./saslprep.js");
  const { checkTrace } = await import("./trace.js");
  const { enforcePrecis } = await import("./precis.js");
  await expect(saslprep("\u00fc", "query")).rejects.toEqual(temporary);
  await expect(checkTrace("\u00fc")).rejects.toEqual(temporary);
  await expect(enforcePrecis("\u00fc", "OpaqueString")).rejects.toEqual(temporary);
  expect(saslprep("u", "query")).toBe("u");
  expect(checkTrace("u")).toBeUndefined();
  expect(enforcePrecis("U", "UsernameCaseMapped")).toBe("u");
});
