import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSASLError } from "../../errors.js";
import { equalBytes } from "../../internal/bytes.js";
import { addTokenHeader, DerReader, der, oidContent, oidText, only, removeTokenHeader, tagOid } from "./der.js";
import { krb5Oid, spnegoOid } from "./provider.js";
import { formatInit, formatMechTypeList, formatResp, parseInit, parseResp } from "./spnego-tokens.js";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const malformed = expect.objectContaining({ code: "malformed-message" });

const bad: readonly [why: string, hex: string][] = [
  ["nothing", ""],
  ["no length", "30"],
  ["a length of no octets", "3080"],
  ["a length of four octets", "308400000000"],
  ["a length with a leading zero", "30810000"],
  ["a length in more octets than it needs", "308101" + "00"],
  ["a length in two octets that one could say", "30820001" + "00"],
  ["a length that is cut off", "3082ff"],
  ["less than the length says", "300200"],
  ["something behind", "300000"],
  ["another tag", "3100"],
];
test.each(bad)("R-LIM-05 DER: %s", (_, hex) => {
  expect(() => only(0x30, bytes(hex))).toThrow(malformed);
});

test("DER of every length is read back", () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const content = new Uint8Array(length).fill(7);
    expect(equalBytes(only(0x04, der(0x04, content)), content)).toBe(true); // toEqual takes seconds for so many
  }
});

describe("OIDs", () => {
  test.each([
    ["1.2.840.113554.1.2.2", "2a864886f712010202"],
    ["1.3.6.1.5.5.2", "2b0601050502"],
    ["2.999.3", "883703"],
    ["0.39", "27"],
  ])("%s", (dotted, hex) => {
    expect(oidContent(dotted)).toEqual(bytes(hex));
    expect(oidText(bytes(hex))).toBe(dotted);
  });
  test.each(["", "1", "3.1", "1.02", "1.2.", "1.-2", "1.2.x"])("%j is none", (dotted) => {
    expect(() => oidContent(dotted)).toThrow(RangeError);
  });
  test.each(["", "80", "2a80", "2a8001", "ffffffffffffffffffff01"])("content %j is none", (hex) => {
    expect(() => oidText(bytes(hex))).toThrow(malformed);
  });
});

test("R-GS2-01 the header of a token is that of its mechanism, or none", () => {
  const token = addTokenHeader(krb5Oid, bytes("0100"));
  expect(removeTokenHeader(krb5Oid, token)).toEqual(bytes("0100"));
  expect(removeTokenHeader(spnegoOid, token)).toBeUndefined();
  expect(removeTokenHeader(krb5Oid, bytes("0100"))).toBeUndefined();
  expect(removeTokenHeader(krb5Oid, token.subarray(0, -1))).toBeUndefined();
});

// Composed by hand after RFC 4178 §4.2.1.
const byHand = `6025 06062b0601050502 a01b3019 a00d300b 06092a864886f712010202 a208 0406 010203040506`;

test("R-SPN-01 the messages of SPNEGO", () => {
  const list = formatMechTypeList([krb5Oid]);
  const init = formatInit(list, bytes("010203040506"));
  expect(init).toEqual(bytes(byHand.replaceAll(" ", "")));
  expect(parseInit(init)).toEqual({ mechTypes: [krb5Oid], mechTypeList: list, mechToken: bytes("010203040506") });
  const resp = {
    negState: "accept-incomplete" as const,
    supportedMech: krb5Oid,
    responseToken: bytes("01"),
    mechListMic: bytes("02"),
  };
  expect(formatResp(resp)).toEqual(
    bytes("a11e301c a0030a0101 a10b 06092a864886f712010202 a203040101 a303040102".replaceAll(" ", "")),
  );
  expect(parseResp(formatResp(resp))).toEqual(resp);
  expect(parseResp(formatResp({}))).toEqual({});
});

const oid = (dotted: string) => der(tagOid, oidContent(dotted));
const inits: readonly [why: string, token: Uint8Array][] = [
  ["NTLM without SPNEGO", bytes("4e544c4d53535000")],
  ["Kerberos without SPNEGO", addTokenHeader(krb5Oid, bytes("0100"))],
  ["no mechanism", addTokenHeader(spnegoOid, der(0xa0, der(0x30, der(0xa0, der(0x30)))))],
  ["33 mechanisms", formatInit(der(0x30, ...Array.from({ length: 33 }, () => oid("1.2.3"))), bytes("00"))],
  ["what is no OID in the list", formatInit(der(0x30, der(0x04, bytes("2a"))), bytes("00"))],
  ["a list in no sequence", formatInit(oid("1.2.3"), bytes("00"))],
  ["a field too many", addTokenHeader(spnegoOid, der(0xa0, der(0x30, der(0xa0, der(0x30, oid("1.2"))), der(0xa5))))],
  ["a token that is no octets", addTokenHeader(spnegoOid, der(0xa0, der(0x30, der(0xa0, der(0x30, oid("1.2"))), der(0xa2, oid("1.2")))))],
]; // biome-ignore format: a table
test.each(inits)("R-SPN-01 NegTokenInit: %s", (_, token) => {
  expect(() => parseInit(token)).toThrow(malformed);
});

test.each([
  "a1023000" + "00",
  "a10730 05a0030a0104",
  "a10830 06a0040a020001",
  "a1073005a0030a0101a2".slice(0, 20),
  "6000",
])("R-SPN-01 NegTokenResp %s", (hex) => {
  expect(() => parseResp(bytes(hex.replaceAll(" ", "")))).toThrow(malformed);
});

test("R-LIM-05 any octets are a message or the typed error", () => {
  const whole = fc.uint8Array({ maxLength: 60 });
  const spoilt = fc.tuple(fc.nat(), fc.nat(255)).map(([at, octet]) => {
    const token = formatInit(formatMechTypeList([krb5Oid, "1.2.3"]), bytes("0102"));
    token[at % token.length] = octet;
    return token;
  });
  fc.assert(
    fc.property(fc.oneof(whole, spoilt), (token) => {
      for (const parse of [parseInit, parseResp, (each: Uint8Array) => new DerReader(each).take(0x30)]) {
        try {
          parse(token);
        } catch (error) {
          expect(isSASLError(error)).toBe(true);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
