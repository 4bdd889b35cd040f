import { describe, expect, test } from "vitest";
import { type LdapOptions, settingsFrom } from "./options.js";
import { parseLdapUrl } from "./url.js";

describe("LDAP URLs", () => {
  test("everything there is", () => {
    const url =
      "ldap://Dir.Example.org:1389/ou=people,dc=example%2Cdc=org?mail,cn?one?(%26(uid={user})(a=b))?" +
      "!bindname=cn=svc%2cdc=org,x-password-file=%2Fetc%2Fpw,X-StartTLS,x-ca-file=/ca.pem,x-read-user-password," +
      "x-disabled-attribute=nsAccountLock%20locked,x-name-attribute=uid";
    expect(parseLdapUrl(url)).toEqual({
      scheme: "ldap",
      target: { host: "dir.example.org", port: 1389 },
      base: "ou=people,dc=example,dc=org",
      attributes: ["mail", "cn"],
      searchScope: "one",
      filter: "(&(uid={user})(a=b))",
      nameAttribute: "uid",
      bindDn: "cn=svc,dc=org",
      passwordFile: "/etc/pw",
      caFile: "/ca.pem",
      starttls: true,
      allowUnprotectedChannel: false,
      readUserPassword: true,
      disabledAttributes: ["nsAccountLock", "locked"],
    });
  });

  const targets: readonly [url: string, target: object][] = [
    ["ldap:///dc=x", { host: "localhost", port: 389 }],
    ["ldap://:1389/dc=x", { host: "localhost", port: 1389 }],
    ["LDAPS://h/dc=x", { host: "h", port: 636 }],
    ["ldaps://[::1]:7/dc=x", { host: "::1", port: 7 }],
    ["ldapi:///dc=x", { path: "/var/run/slapd/ldapi" }],
    ["ldapi://%2Ftmp%2Fldapi/dc=x", { path: "/tmp/ldapi" }],
  ];
  for (const [url, target] of targets) test(`where ${url} is`, () => expect(parseLdapUrl(url).target).toEqual(target));

  const wrong: readonly [why: string, url: string][] = [
    ["another scheme", "http://h/dc=x"],
    ["no authority", "ldap:h"],
    ["a password in it", "ldap://cn=x:hunter2@h/dc=x"],
    ["a port that is none", "ldap://h:0/dc=x"],
    ["a port that is too high", "ldap://h:65536/dc=x"],
    ["an address not closed", "ldap://[::1/dc=x"],
    ["an address that is none", "ldap://[h]/dc=x"],
    ["two ports", "ldap://h:1:2/dc=x"],
    ["a host with other characters", "ldap://h%00/dc=x"],
    ["a percent sign alone", "ldap://h/dc=%x"],
    ["a fragment", "ldap://h/dc=x#y"],
    ["six parts", "ldap://h/dc=x?????"],
    ["an unknown scope", "ldap://h/dc=x??all"],
    ["an unknown extension", "ldap://h/dc=x????x-start-tls"],
    ["an extension twice", "ldap://h/dc=x????x-starttls,x-starttls"],
    ["names both exact and any", "ldap://h/dc=x????x-name-attribute=uid,x-any-name"],
    ["a value where there is none", "ldap://h/dc=x????x-starttls=no"],
    ["no value where there is one", "ldap://h/dc=x????bindname="],
  ];
  for (const [why, url] of wrong) {
    test(`refused: ${why}`, () => {
      expect(() => parseLdapUrl(url)).toThrow(TypeError);
      expect(() => parseLdapUrl(url)).not.toThrow(/hunter2/);
    });
  }
});

const local = "ldap://localhost/dc=x";
const refused: readonly [why: string, options: LdapOptions][] = [
  ["no base", { url: "ldap://localhost" }],
  ["no place for the name", { url: local, filter: "(a=b)" }],
  ["a filter of one's own without a word of names", { url: local, filter: "(cn={user})" }],
  ["the same in the URL", { url: `${local}???(uid={user})` }],
  ["an attribute for the name that cannot be", { url: local, nameAttribute: "a b" }],
  ["no attribute for the name", { url: local, nameAttribute: "" }],
  ["a filter that is none", { url: local, filter: "(uid={user}" }],
  ["a bind DN without a password", { url: local, bindDn: "cn=x" }],
  ["R-STO-02 an empty password", { url: local, bindDn: "cn=x", password: "" }],
  ["R-STO-02 an empty bind DN", { url: local, bindDn: "", password: "x" }],
  ["a password without a bind DN", { url: local, password: "x" }],
  ["two passwords", { url: local, bindDn: "cn=x", password: "x", passwordFile: "/x" }],
  ["clear text to another machine", { url: "ldap://dir.example.org/dc=x" }],
  ["clear text to a name that only begins like this machine", { url: "ldap://127.0.0.1.example.org/dc=x" }],
  ["StartTLS below TLS", { url: "ldaps://h/dc=x", starttls: true }],
  ["an attribute that cannot be", { url: local, attributes: { mail: "a b" } }],
  ["the name of the entry as an attribute", { url: local, attributes: { dn: "DN" } }],
];
for (const [why, options] of refused) {
  test(`options refused: ${why}`, () => {
    expect(() => settingsFrom(options)).toThrow(TypeError);
  });
}

test("R-STO-03 the attribute that holds the name is uid, or what was said of it", () => {
  const filter = "(cn={user})";
  const attributes: readonly [options: Partial<LdapOptions>, attribute: string | false][] = [
    [{}, "uid"],
    [{ base: "uid={user},dc=x" }, "uid"],
    [{ filter, nameAttribute: "cn" }, "cn"],
    [{ nameAttribute: false }, false],
    [{ filter, nameAttribute: false }, false],
    [{ url: `${local}???${filter}?x-name-attribute=cn` }, "cn"],
    [{ url: `${local}???${filter}?x-any-name` }, false],
    [{ url: `${local}????x-any-name`, nameAttribute: "cn" }, "cn"],
    [{ url: `${local}????x-name-attribute=cn`, nameAttribute: false }, false],
  ];
  for (const [options, attribute] of attributes) {
    expect(settingsFrom({ url: local, ...options }).nameAttribute).toBe(attribute);
  }
});

test("numbers that cannot be are refused", () => {
  for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => settingsFrom({ url: local, maxConnections: value })).toThrow(RangeError);
    expect(() => settingsFrom({ url: local, timeoutMs: value })).toThrow(RangeError);
  }
});

test("clear text to another machine on request, and nothing to ask for on this one", () => {
  const far = "ldap://dir.example.org/dc=x";
  expect(settingsFrom({ url: far, allowUnprotectedChannel: true }).encryption).toBe("none");
  expect(settingsFrom({ url: `${far}????x-allow-unprotected-channel` }).encryption).toBe("none");
  expect(settingsFrom({ url: far, starttls: true }).encryption).toBe("starttls");
  expect(settingsFrom({ url: "ldaps://dir.example.org/dc=x" }).encryption).toBe("tls");
  for (const url of ["ldap://127.0.0.2/dc=x", "ldap://[::1]/dc=x", "ldapi:///dc=x", local]) {
    expect(settingsFrom({ url }).encryption).toBe("none");
  }
});
