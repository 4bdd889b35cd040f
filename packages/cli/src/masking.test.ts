import { describe, expect, test } from "vitest";
import { maskFor } from "./masking.js";

const secret = "correct horse battery staple";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("R-GEN-30 what a peer sends back", () => {
  const rows: readonly [why: string, secrets: readonly string[], text: string, masked: string][] = [
    ["the secret itself", [secret], `no: ${secret}!`, "no: <28 characters>!"],
    ["in other letters", [secret], secret.toUpperCase(), "<28 characters>"],
    ["in base64", [secret], base64(secret), "<40 characters>"],
    [
      "a message of PLAIN",
      [secret],
      `500 "AUTH PLAIN ${base64(`\0al\0${secret}`)}"`,
      '500 "AUTH PLAIN <44 characters>"',
    ],
    ["one octet later", [secret], base64(`\0ali\0${secret}`), "<44 characters>"],
    ["two octets later", [secret], base64(`\0alic\0${secret}`), "<48 characters>"],
    ["with text right before the base64", [secret], `x${base64(`\0al\0${secret}`)}`, "<45 characters>"],
    [
      "in the URL alphabet",
      ["\u00ff\u00fe\u00fb?>"],
      Buffer.from("\u00ff\u00fe\u00fb?>").toString("base64url"),
      "<11 characters>",
    ],
    ["cut off in the middle", [secret], base64(`\0alice\0${secret}`).slice(0, 20), "<20 characters>"],
    ["a token", ["eyJ.tok"], base64("n,a=u,\x01auth=Bearer eyJ.tok\x01\x01"), "<40 characters>"],
    ["a short one in a message", ["abc"], base64("\0alice\0abc"), "<16 characters>"],
    ["a short one as a word", ["abc"], "abcd abc", "abcd <3 characters>"],
    ["a short one of LOGIN", ["abc"], `bad: ${base64("abc")}`, "bad: <4 characters>"],
    ["one with the signs of patterns", ["a.*(b"], "axx(b a.*(b", "axx(b <5 characters>"],
    ["the form that SASLprep makes of it", ["\u2168\u2168\u2168\u2168"], base64("\0a\0IXIXIXIX"), "<16 characters>"],
    ["a proof of SCRAM", [secret], `c=biws,r=x,p=${base64("01234567890123456789")}`, "c=biws,r=x,p=<28 characters>"],
    [
      "a proof of SCRAM in base64",
      [secret],
      base64(`c=biws,r=x,p=${base64("01234567890123456789")}`),
      "<56 characters>",
    ],
    ["a proof of CRAM-MD5", [secret], base64(`alice ${"0123456789abcdef".repeat(2)}`), "<52 characters>"],
    [
      "nothing of ours",
      [secret],
      "NO [AUTHENTICATIONFAILED] SCRAM-SHA-256 cmVhbG0=",
      "NO [AUTHENTICATIONFAILED] SCRAM-SHA-256 cmVhbG0=",
    ],
    ["no secret there is", [""], "text", "text"],
  ];
  for (const [why, secrets, text, masked] of rows) {
    test(`${why}: ${masked}`, () => expect(maskFor(secrets)(text)).toBe(masked));
  }

  test("every sign of ASCII can be in a secret", () => {
    const all = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32));
    expect(maskFor([all])(`<${all}>`)).toBe("<<95 characters>>");
  });

  test("takes time in proportion to the text", () => {
    const began = performance.now();
    maskFor(["x".repeat(1000)])("A".repeat(200_000));
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
