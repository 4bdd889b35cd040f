import { expect, test } from "vitest";
import { subjectIn } from "./subject.js";

const cases: readonly [why: string, header: string, subject: string][] = [
  ["plain text", "Subject: Lunch?\r\n\r\n", "Lunch?"],
  ["another case, among others", "From: a@b\r\nSUBJECT:Lunch?\r\nDate: now\r\n\r\n", "Lunch?"],
  ["a folded one", "Subject: a\r\n b\r\n\tc\r\n\r\n", "a b c"],
  ["base64", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\r\n", "Grüße"],
  ["quoted", "Subject: =?ISO-8859-1?q?Gr=FC=DFe_aus?= Bonn\r\n\r\n", "Grüße aus Bonn"],
  ["two words with a fold between", "Subject: =?utf-8?B?YQ==?=\r\n =?utf-8?B?Yg==?=\r\n\r\n", "ab"],
  ["a charset nobody knows", "Subject: =?klingon?B?YQ==?=\r\n\r\n", "=?klingon?B?YQ==?="],
  ["control characters", "Subject: a\u001b[31mb\r\n\r\n", "a[31mb"],
  ["none", "From: a@b\r\n\r\n", "(no subject)"],
  ["nothing", "", "(no subject)"],
];
for (const [why, header, subject] of cases) {
  test(`subjectIn reads ${why}`, () => expect(subjectIn(header)).toBe(subject));
}

test("subjectIn takes linear time", () => {
  const header = `Subject: ${"=?utf-8?B?".repeat(50_000)}${" ".repeat(50_000)}\r\n\r\n`;
  const began = performance.now();
  subjectIn(header);
  expect(performance.now() - began).toBeLessThan(1000);
});
