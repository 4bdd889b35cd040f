import { Buffer } from "node:buffer";
import fc from "fast-check";
import { MessageParser } from "ldapts";
import { describe, expect, test } from "vitest";
import { entryMessage, LDAP, message, result } from "../test/fake-directory.js";
import { messageLength, readMessage } from "./answer.js";

const entry = { dn: "uid=alice,dc=x", attributes: { mail: ["a", "b"], jpegPhoto: [Buffer.alloc(200)], none: [] } };
const samples: readonly Buffer[] = [
  result(2, LDAP.bind, 0),
  result(3, LDAP.done, 10, "ldap://elsewhere/"),
  result(4, LDAP.extended, 52),
  entryMessage(5, entry, Object.keys(entry.attributes)),
  message(6, LDAP.reference, (writer) => writer.writeString("ldap://elsewhere/")),
];

test("what a directory sends is read", () => {
  expect(samples.map(readMessage)).toEqual([
    { id: 2, operation: LDAP.bind, resultCode: 0 },
    { id: 3, operation: LDAP.done, resultCode: 10 },
    { id: 4, operation: LDAP.extended, resultCode: 52 },
    { id: 5, operation: LDAP.entry, resultCode: undefined },
    { id: 6, operation: LDAP.reference, resultCode: undefined },
  ]);
  for (const each of samples) expect(messageLength(each, 1000)).toBe(each.length);
});

describe("R-STO-04", () => {
  test("a message that is cut short has no length yet, or is no message", () => {
    for (const each of samples) {
      for (let length = 0; length < each.length; length++) {
        const octets = each.subarray(0, length);
        expect([undefined, each.length]).toContain(messageLength(octets, 1000));
        expect(() => readMessage(octets)).toThrow(expect.objectContaining({ name: "MalformedAnswer" }));
      }
    }
  });

  test("changed octets are refused, or something ldapts comes to an end with", () => {
    const change = fc.record({
      at: fc.nat(600),
      to: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0x84, 0xff), fc.nat(255)),
    });
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 4 }), (sample, changes) => {
        const octets = Buffer.from(sample);
        for (const { at, to } of changes) octets[at % octets.length] = to;
        let accepted = true;
        try {
          readMessage(octets);
        } catch (error) {
          accepted = false;
          expect(error).toMatchObject({ name: "MalformedAnswer" });
        }
        if (accepted) {
          const parser = new MessageParser();
          parser.on("error", () => {});
          parser.read(octets, new Map());
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("any octets are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
        expect(() => readMessage(Buffer.from(octets))).toThrow(expect.objectContaining({ name: "MalformedAnswer" }));
      }),
    );
  });
});
