import { expect, test } from "vitest";
import { checkMail, formatMail, type Mail } from "./mail.js";

const mail: Mail = { from: "alice@example.org", to: "bob@example.org", subject: "Lunch", text: "At noon?\n" };

function headerOf(formatted: string, name: string): string {
  const header = formatted.slice(0, formatted.indexOf("\r\n\r\n"));
  return new RegExp(`^${name}: (.*(?:\\r\\n .*)*)`, "m").exec(header)?.[1] ?? "";
}

test("formatMail writes lines that SMTP can carry", () => {
  const formatted = formatMail({ ...mail, text: `.\n${"ü".repeat(2000)}\r\n..\n` });
  expect(formatted.endsWith("\r\n")).toBe(true);
  for (const line of formatted.split("\r\n")) {
    expect(line.length).toBeLessThanOrEqual(78);
    expect(line).toMatch(/^(?!\.)[\x20-\x7e]*$/);
  }
});

test("formatMail keeps the text", () => {
  const text = "Grüße\r\n.\r\n";
  const body = formatMail({ ...mail, text }).split("\r\n\r\n")[1] ?? "";
  expect(Buffer.from(body, "base64").toString()).toBe(text);
});

test("formatMail leaves a plain subject alone and encodes any other", () => {
  expect(headerOf(formatMail(mail), "Subject")).toBe("Lunch");
  for (const subject of ["Grüße", "=?not a word", "☃".repeat(100), "a\r\nBcc: eve@example.org"]) {
    const words = headerOf(formatMail({ ...mail, subject }), "Subject").split("\r\n ");
    const decoded = words.map((word) => {
      expect(word.length).toBeLessThanOrEqual(75);
      return Buffer.from(/^=\?utf-8\?B\?(.*)\?=$/.exec(word)?.[1] ?? "", "base64").toString();
    });
    expect(decoded.join("")).toBe(subject.replace(/\s/g, " "));
  }
});

for (const address of ["", "alice", "@b", "a b@c", "a@b>", "a@b\r\nRCPT TO:<c@d>", "ä@b", "a@b@c", "a@b\0"]) {
  test(`checkMail refuses the address ${JSON.stringify(address)}`, () => {
    expect(() => checkMail({ ...mail, to: address })).toThrow(RangeError);
    expect(() => checkMail({ ...mail, from: address })).toThrow(RangeError);
  });
}
