import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadVectors, type Outcome } from "../../test/vectors.js";
import { isSASLError } from "../errors.js";
import { escapeName, formatGs2Header, parseGs2Header, unescapeName } from "./gs2.js";

interface HeaderOutcome extends Outcome {
  readonly nonstd?: boolean;
  readonly cbind_flag?: string;
  readonly cbind_name?: string | null;
  readonly authzid?: string | null;
}

const vectors = loadVectors<{ header: string }, HeaderOutcome>("gs2-header");

describe.each(vectors.map((vector) => ({ id: vector.id, vector })))("vector $id", ({ vector }) => {
  const { inputs, result } = vector;
  const { header } = inputs;

  // RFC 5802 §7 and RFC 7628 §3.1 know no gs2-nonstd-flag: it belongs to the GSS-API mechanisms of RFC 5801 alone.
  const refused = result.outcome === "failure" || result.nonstd;
  test(refused ? "R-SCRAM-02 R-SCRAM-03 R-SCRAM-04 refuses it" : "R-SCRAM-02 R-SCRAM-03 reads and writes it", () => {
    if (refused) {
      expect(() => parseGs2Header(header)).toThrow(expect.objectContaining({ code: "malformed-message" }));
      return;
    }
    const parsed = parseGs2Header(`${header}rest`);
    expect(parsed).toEqual({
      flag: result.cbind_flag,
      type: result.cbind_name ?? undefined,
      authzid: result.authzid ?? undefined,
      text: header,
    });
    expect(formatGs2Header(parsed.flag, parsed.type, parsed.authzid)).toBe(header);
  });
});

test("R-SCRAM-05 escapes are read in a single pass", () => {
  expect(unescapeName("=3D2C")).toBe("=2C");
  expect(unescapeName("=2C=3D=2C")).toBe(",=,");
  for (const bad of ["=", "=2", "=2c", "=3d", "=3D=", "a=41", "=3", "==3D"]) {
    expect(() => unescapeName(bad), bad).toThrow(expect.objectContaining({ code: "malformed-message" }));
  }
});

test("R-SCRAM-06 every comma and equals sign is escaped", () => {
  expect(escapeName("a,b=c,,==2C")).toBe("a=2Cb=3Dc=2C=2C=3D=3D2C");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (name) => {
      expect(escapeName(name)).not.toMatch(/,|=(?!2C|3D)/);
      expect(unescapeName(escapeName(name))).toBe(name);
    }),
  );
});

const authzid = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0"));

test("what is formatted is parsed back", () => {
  const type = fc.stringMatching(/^[A-Za-z0-9.-]+$/);
  const flags = fc.oneof(fc.constantFrom("n" as const, "y" as const), fc.constant("p" as const));
  fc.assert(
    fc.property(flags, type, fc.option(authzid, { nil: undefined }), fc.string(), (flag, name, identity, rest) => {
      const header = formatGs2Header(flag, flag === "p" ? name : undefined, identity);
      const parsed = parseGs2Header(header + rest);
      expect(parsed).toEqual({ flag, type: flag === "p" ? name : undefined, authzid: identity, text: header });
    }),
  );
});

test("R-LIM-05 any text is a header or the typed error", () => {
  const piece = fc.constantFrom("n", "y", "p=", ",", "a=", "=2C", "=3D", "tls-exporter", "\0", "=", "é", "\ud800");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((parts) => parts.join("")),
      ),
      (text) => {
        try {
          expect(text.startsWith(parseGs2Header(text).text)).toBe(true);
        } catch (error) {
          expect(isSASLError(error)).toBe(true);
        }
      },
    ),
  );
});
