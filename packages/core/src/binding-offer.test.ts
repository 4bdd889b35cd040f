import { describe, expect, test } from "vitest";
import { checkBindingOffer } from "./binding-offer.js";

describe("R-CBT-02 what is announced about channel binding", () => {
  const plus = ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"];
  const plain = ["SCRAM-SHA-1", "PLAIN", "X-PLUS-OR-MINUS"];
  const rows: readonly [
    mechanisms: readonly string[],
    types: readonly string[] | undefined,
    sasl2: "fits" | "peer-not-verified",
    classic: "fits" | "peer-not-verified",
  ][] = [
    [plus, ["tls-exporter"], "fits", "fits"],
    [plus, undefined, "peer-not-verified", "fits"],
    [plus, [], "peer-not-verified", "fits"],
    [plain, undefined, "fits", "fits"],
    [plain, [], "fits", "fits"],
    [plain, ["tls-exporter"], "peer-not-verified", "peer-not-verified"],
    [[], ["tls-server-end-point"], "fits", "fits"],
    [["EXTERNAL"], ["tls-exporter"], "fits", "fits"],
    [["ANONYMOUS"], ["tls-exporter"], "fits", "fits"],
    [["EXTERNAL", "ANONYMOUS"], ["tls-exporter"], "fits", "fits"],
    [["ANONYMOUS", "PLAIN"], ["tls-exporter"], "peer-not-verified", "peer-not-verified"],
    [["EXTERNAL", "PLAIN"], ["tls-exporter"], "peer-not-verified", "peer-not-verified"],
  ];
  for (const [mechanisms, types, sasl2, classic] of rows) {
    test.each([
      [true, sasl2],
      [false, classic],
    ])(`[${mechanisms}] with ${types ? `[${types}]` : "nothing"}, SASL2 %s: %s`, (expectTypes, expected) => {
      const check = () => checkBindingOffer(mechanisms, types, expectTypes);
      if (expected === "fits") expect(check).not.toThrow();
      else expect(check).toThrow(expect.objectContaining({ code: expected }));
    });
  }
});
