import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSASLError } from "../../errors.js";
import { parseDirectives, quotedDirective } from "./directives.js";

const latin1 = (from: number) => fc.integer({ min: from, max: 0xff }).map((code) => String.fromCharCode(code));
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
const space = fc.constantFrom("", " ", "\t", "\r\n ", " \t \r\n\t");
/** What RFC 2831 lets stand within quotes. */
const value = fc.string({ unit: latin1(0x20).filter((c) => c !== "\x7f") });

describe("directives", () => {
  test("R-DIG-12 what is written is read again, whatever stands around it", () => {
    const directive = fc.tuple(name, value, space, space, fc.constantFrom("", ",", " , ,"));
    fc.assert(
      fc.property(fc.array(directive, { maxLength: 8 }), (all) => {
        const text = all
          .map(([n, v, before, after, more]) => `${more}${before}${quotedDirective(n, v)}${after}`)
          .join(",");
        expect(parseDirectives(text)).toEqual(all.map(([n, v]) => [n, v]));
      }),
    );
  });

  test("R-DIG-12 a token is read with and without quotes", () => {
    const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
    fc.assert(
      fc.property(name, token, space, (n, v, blank) => {
        expect(parseDirectives(`${n}${blank}=${blank}${v}${blank}`)).toEqual([[n, v]]);
        expect(parseDirectives(`${n}="${v}"`)).toEqual([[n, v]]);
      }),
    );
  });

  test("R-DIG-12 R-LIM-05 any octets are read or refused, in time that grows with their number", () => {
    const parts = fc.constantFrom('"', "\\", ",", "=", " ", "\r\n", "\t", "a", "nonce", '="', "\0", "\xff", "é");
    const text = fc.oneof(
      fc.string({ unit: latin1(0) }),
      fc.array(parts, { maxLength: 200 }).map((all) => all.join("")),
    );
    fc.assert(
      fc.property(text, (any) => {
        try {
          for (const [n, v] of parseDirectives(any)) expect([n.toLowerCase(), typeof v]).toEqual([n, "string"]);
        } catch (error) {
          expect(isSASLError(error) && error.code).toBe("malformed-message");
        }
      }),
      { numRuns: 500 },
    );
  });

  test("R-DIG-12 every single separator and control character is refused in names and bare values", () => {
    const others = [...Array(256).keys()]
      .map((code) => String.fromCharCode(code))
      .filter((c) => !/[\w!#$%&'*+.^`|~-]/.test(c));
    for (const c of others.filter((each) => !' \t,="'.includes(each))) {
      expect(() => parseDirectives(`a${c}b=x`), JSON.stringify(c)).toThrow();
      expect(() => parseDirectives(`a=x${c}y`), JSON.stringify(c)).toThrow();
    }
    expect(others).toHaveLength(256 - 77);
  });
});
