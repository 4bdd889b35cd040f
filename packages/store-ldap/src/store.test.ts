import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { type AccountStore, authenticate, SASLServer } from "sasl-core";
import { PLAIN, plain, SCRAM, scramSha256 } from "sasl-core/mechanisms";
import { storeChecks } from "sasl-core/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { entryMessage, FakeDirectory, type FakeEntry, LDAP, message, result } from "../test/fake-directory.js";
import { type LdapOptions, ldapAccounts, saslPlugin } from "./index.js";

const base = "ou=people,dc=example";
/** RFC 7677 §3, password `pencil`. */
const pencil =
  "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const entry = (uid: string, more: Partial<FakeEntry["attributes"]> = {}, password?: string): FakeEntry => ({
  dn: `uid=${uid},${base}`,
  ...(password === undefined ? {} : { password }),
  attributes: { uid: [uid], ...(more as FakeEntry["attributes"]) },
});
const entries: readonly FakeEntry[] = [
  entry("alice", { mail: ["alice@example.org"], member: ["a", "b"] }, "correct horse battery staple"),
  entry("user", { authPassword: [pencil] }, "pencil"),
  entry("broken", { authPassword: ["SCRAM-SHA-256$4096:!$x:y"] }, "x"),
  entry("twice", { authPassword: [pencil, pencil] }),
  entry("foreign", { authPassword: ["MD5$salt$hash", pencil] }),
  entry("hashed", { userPassword: ["{SSHA}abcd", "{CRYPT}$6$salt$hash", "{ARGON2}$argon2id$v=19$x$y$z"] }),
  entry("clear", { userPassword: ["se{cr}et"] }),
  entry("clear2", { userPassword: ["{CLEARTEXT}{x}"] }),
  entry("clear3", { userPassword: ["a", "b"] }),
  entry("binary", { userPassword: [Buffer.from([0xff, 0xfe])], jpegPhoto: [Buffer.from([0xff, 0xd8])] }),
  entry("locked", { nsAccountLock: ["TRUE"] }, "x"),
  entry("unlocked", { nsAccountLock: ["false"] }, "x"),
  entry("service"),
  { dn: `uid=double,${base}`, password: "x", attributes: { uid: ["double"] } },
  { dn: `uid=double,ou=more,${base}`, password: "x", attributes: { uid: ["double"] } },
  { dn: "cn=service", password: "service password", attributes: {} },
];

let directory: FakeDirectory;
const stores: AccountStore[] = [];

beforeEach(async () => {
  directory = new FakeDirectory(entries);
  await directory.start();
});
afterEach(async () => {
  for (const each of stores.splice(0)) await each.close?.();
  await directory.stop();
});

function open(options: Partial<LdapOptions> = {}): Required<Pick<AccountStore, "lookup" | "checkPassword" | "close">> {
  const store = ldapAccounts({ url: directory.url, ...options });
  stores.push(store);
  return store as ReturnType<typeof open>;
}

const byBase: Partial<LdapOptions> = { base: `uid={user},${base}`, scope: "base", filter: "(objectClass=*)" };
const temporary = { kind: "SASLFailure", code: "temporary" };
const right = "correct horse battery staple";

describe("look-up", () => {
  test("properties are the attributes asked for, and no others", async () => {
    const store = open();
    expect(await store.lookup("alice", ["mail", "member", "quota"])).toEqual({
      mail: "alice@example.org",
      member: ["a", "b"],
    });
    expect(await store.lookup("alice", [])).toEqual({});
    expect(await store.lookup("nobody", ["mail"])).toBeUndefined();
    expect(directory.searches().map((each) => each.attributes)).toEqual([
      ["mail", "member", "quota", "uid"],
      ["uid"],
      ["mail", "uid"],
    ]);
  });

  test("names of attributes are the same in any case, values stay octets where they are no text", async () => {
    expect(await open().lookup("alice", ["MAIL"])).toEqual({ MAIL: "alice@example.org" });
    const { jpegPhoto } = (await open().lookup("binary", ["jpegPhoto"])) ?? {};
    expect(jpegPhoto).toEqual(Buffer.from([0xff, 0xd8]));
  });

  test("a map of attributes names all there are", async () => {
    const store = open({ attributes: { address: "mail" } });
    expect(await store.lookup("alice", ["address", "mail"])).toEqual({ address: "alice@example.org" });
    expect(directory.searches()[0]?.attributes).toEqual(["mail", "uid"]);
  });

  test("secrets are not to be had under another spelling, nor what is no attribute", async () => {
    const requests = [
      "userpassword",
      "AUTHPASSWORD",
      "userPassword;x-a",
      "2.5.4.35",
      "dn",
      "__proto__",
      "a b",
      "*",
      "+",
      "",
    ];
    expect(await open({ readUserPassword: true }).lookup("clear", requests)).toEqual({});
    expect(directory.searches()[0]?.attributes).toEqual(["uid"]);
  });

  test("authPassword is read per RFC 5803, other schemes are passed over", async () => {
    const expected = [expect.objectContaining({ hash: "SHA-256", iterations: 4096 })];
    expect(await open().lookup("user", ["authPassword"])).toEqual({ authPassword: expected });
    expect(await open().lookup("foreign", ["authPassword"])).toEqual({ authPassword: expected });
  });

  test("R-STO-04 a verifier that cannot be read fails that account alone", async () => {
    const store = open();
    await expect(store.lookup("broken", ["authPassword"])).rejects.toMatchObject(temporary);
    await expect(store.lookup("twice", ["authPassword"])).rejects.toMatchObject(temporary);
    expect(await store.lookup("broken", ["mail"])).toEqual({});
    expect(await store.lookup("user", ["authPassword"])).toHaveProperty("authPassword");
    expect(directory.connections).toBe(1);
  });

  test("userPassword is left alone unless asked for in the options", async () => {
    const requests = ["userPassword", "passwordHash"];
    expect(await open().lookup("clear", requests)).toEqual({});
    const store = open({ readUserPassword: true });
    expect(await store.lookup("clear", requests)).toEqual({ userPassword: "se{cr}et" });
    expect(await store.lookup("clear2", requests)).toEqual({ userPassword: "{x}" });
    expect(await store.lookup("hashed", requests)).toEqual({
      passwordHash: ["{SSHA}abcd", "$6$salt$hash", "$argon2id$v=19$x$y$z"],
    });
    await expect(store.lookup("clear3", requests)).rejects.toMatchObject(temporary);
    await expect(store.lookup("binary", requests)).rejects.toMatchObject(temporary);
  });

  test("an account can be turned off", async () => {
    const store = open({ disabledAttribute: ["nsAccountLock", "other"] });
    expect(await store.lookup("locked", [])).toEqual({ disabled: true });
    expect(await store.lookup("unlocked", ["disabled"])).toEqual({});
    expect(directory.searches()[0]?.attributes).toEqual(["nsAccountLock", "other", "uid"]);
  });

  test("R-STO-03 a name is nobody's that the directory only takes for another, unless that is asked for", async () => {
    directory.script = (request) =>
      request.type === "search"
        ? [entryMessage(request.id, entries[0] as FakeEntry, request.attributes), result(request.id, LDAP.done, 0)]
        : undefined;
    const filter = "(&(objectClass=person)(uid={user}))";
    for (const options of [{}, { nameAttribute: "UID" }, { filter, nameAttribute: "uid" }] as const) {
      const exact = open(options);
      for (const name of ["ALICE", " alice ", "\uff41\uff4c\uff49\uff43\uff45", "al\u00adice"]) {
        expect(await exact.lookup(name, [])).toBeUndefined();
        expect(await exact.checkPassword(name, right)).toBe(false);
      }
      expect(await exact.lookup("alice", [])).toEqual({});
      expect(await exact.checkPassword("alice", right)).toBe(true);
    }
    for (const options of [{ nameAttribute: false }, { filter, nameAttribute: false }] as const) {
      expect(await open(options).lookup("ALICE", [])).toEqual({});
      expect(directory.searches().at(-1)?.attributes).toEqual(["1.1"]);
    }
    directory.script = () => undefined;
    expect(await open({ url: `${directory.url}????x-any-name` }).lookup("alice", [])).toEqual({});
  });

  test("R-STO-04 an entry that does not show its name is no unknown user", async () => {
    directory.script = (request) =>
      request.type === "search"
        ? [entryMessage(request.id, entries[0] as FakeEntry, ["mail"]), result(request.id, LDAP.done, 0)]
        : undefined;
    const fault = { ...temporary, detail: expect.stringContaining("uid") };
    await expect(open().lookup("alice", ["mail"])).rejects.toMatchObject(fault);
    await expect(open().checkPassword("alice", right)).rejects.toMatchObject(fault);
    expect(directory.binds()).toEqual([]);
  });
});

describe("R-STO-01 a hostile name is one value and finds nobody:", () => {
  const names: readonly [why: string, name: string][] = [
    ["a star", "*"],
    ["parentheses", "()"],
    ["the end of the filter", ")(uid=*"],
    ["the end of all filters", "*)(|(uid=*"],
    ["a backslash", "\\"],
    ["an escape", "\\2a"],
    ["NUL", "alice\0"],
    ["a part of a DN", "alice,ou=people"],
    ["a plus", "alice+cn=x"],
    ["a quotation mark", '"alice"'],
    ["a bracket and a semicolon", "<alice;"],
    ["a number sign", "#616c696365"],
    ["spaces around", " alice "],
    ["the placeholder", "{user}"],
    ["UTF-8", "älice😀"],
    ["very long", "(".repeat(1024)],
  ];
  for (const [why, name] of names) {
    test(why, async () => {
      const store = open();
      expect(await store.lookup(name, ["mail"])).toBeUndefined();
      expect(await store.checkPassword(name, right)).toBe(false);
      for (const { filter } of directory.searches()) expect(filter).toMatchObject({ attribute: "uid", value: name });
      const inBase = open({ ...byBase, nameAttribute: "uid" });
      expect(await inBase.lookup(name, ["mail"])).toBeUndefined();
      expect(directory.searches().at(-1)?.base.endsWith(`,${base}`)).toBe(true);
    });
  }

  test("an empty name and half a character are nobody, by the same steps", async () => {
    for (const name of ["", "\ud800"]) {
      expect(await open().lookup(name, [])).toBeUndefined();
      expect(await open().checkPassword(name, "x")).toBe(false);
    }
    expect(directory.searches()).toHaveLength(4);
    expect(directory.binds()).toHaveLength(2);
  });

  test("the name can be a part of the base", async () => {
    const store = open({ ...byBase, nameAttribute: "uid" });
    expect(await store.lookup("alice", ["mail"])).toEqual({ mail: "alice@example.org" });
    expect(await store.checkPassword("alice", right)).toBe(true);
  });
});

describe("passwords", () => {
  test("search, then bind on another connection", async () => {
    const store = open({ bindDn: "cn=service", password: "service password" });
    expect(await store.checkPassword("alice", right)).toBe(true);
    expect(await store.checkPassword("alice", "wrong")).toBe(false);
    expect(await store.checkPassword("alice", right)).toBe(true);
    expect(directory.binds().map(({ dn }) => dn)).toEqual([
      "cn=service",
      ...Array.from({ length: 3 }, () => `uid=alice,${base}`),
    ]);
    expect(directory.connections).toBe(2);
  });

  for (const password of ["", "\0", `${right}\0`, "\ud800"]) {
    test(`R-STO-02 a password like ${JSON.stringify(password)} is never tried`, async () => {
      expect(await open().checkPassword("alice", password)).toBe(false);
      expect(directory.requests).toEqual([]);
    });
  }

  test("R-STO-02 a service password that turns out empty is never tried", async () => {
    const store = open({ bindDn: "cn=service", password: () => "" });
    await expect(store.lookup("alice", [])).rejects.toMatchObject(temporary);
    expect(directory.requests).toEqual([]);
  });

  test("R-STO-02 an entry without a name is never bound as", async () => {
    for (const dn of ["", "EXTERNAL"]) {
      directory.script = (request) =>
        request.type === "search"
          ? [entryMessage(request.id, { dn, attributes: {} }, []), result(request.id, LDAP.done, 0)]
          : undefined;
      await expect(open().checkPassword("alice", right)).rejects.toMatchObject(temporary);
      expect(directory.binds()).toEqual([]);
    }
  });

  test("R-STO-03 nobody and several take the same steps, and both fail", async () => {
    for (const name of ["nobody", "double"]) {
      directory.requests.length = 0;
      expect(await open().checkPassword(name, "x")).toBe(false);
      expect(directory.requests.map(({ type }) => type).filter((type) => type !== "unbind")).toEqual([
        "search",
        "bind",
      ]);
      expect(directory.binds()[0]?.dn).toMatch(/^cn=[0-9a-f-]{36},ou=people,dc=example$/);
    }
    expect(await open().lookup("double", [])).toBeUndefined();
  });

  test("R-STO-03 an entry nobody has cannot be verified, whatever the directory says", async () => {
    directory.script = (request) => (request.type === "bind" ? [result(request.id, LDAP.bind, 0)] : undefined);
    expect(await open().checkPassword("nobody", "x")).toBe(false);
    expect(await open().checkPassword("double", "x")).toBe(false);
  });

  test("R-STO-03 one entry and word of more are several", async () => {
    directory.script = (request) =>
      request.type === "search"
        ? [entryMessage(request.id, entries[0] as FakeEntry, []), result(request.id, LDAP.done, 4)]
        : undefined;
    expect(await open().lookup("alice", [])).toBeUndefined();
  });

  test("R-STO-03 references in a search are not followed", async () => {
    const elsewhere = new FakeDirectory(entries);
    await elsewhere.start();
    directory.script = (request) => {
      if (request.type !== "search") return undefined;
      const reference = message(request.id, LDAP.reference, (writer) => writer.writeString(elsewhere.url));
      return [reference, result(request.id, LDAP.done, 0)];
    };
    expect(await open().checkPassword("alice", right)).toBe(false);
    directory.script = ({ id, type }) => {
      const operation = type === "search" ? LDAP.done : LDAP.bind;
      return type === "unbind" ? undefined : [result(id, operation, 10, elsewhere.url)];
    };
    await expect(open().checkPassword("alice", right)).rejects.toMatchObject(temporary);
    directory.script = ({ id, type }) => (type === "bind" ? [result(id, LDAP.bind, 10, elsewhere.url)] : undefined);
    await expect(open().checkPassword("alice", right)).rejects.toMatchObject(temporary);
    expect(elsewhere.connections).toBe(0);
    await elsewhere.stop();
  });

  const bindCodes: readonly [code: number, outcome: boolean | "temporary"][] = [
    [0, true],
    [19, false],
    [32, false],
    [48, false],
    [49, false],
    [53, false],
    ...[1, 2, 3, 7, 8, 10, 11, 12, 13, 14, 34, 50, 51, 52, 54, 80, 4096].map((code) => [code, "temporary"] as const),
  ] as [number, boolean | "temporary"][];
  for (const [code, outcome] of bindCodes) {
    test(`R-STO-04 a user's bind with result ${code} is ${outcome}`, async () => {
      directory.script = ({ id, type }) => (type === "bind" ? [result(id, LDAP.bind, code)] : undefined);
      const verdict = open().checkPassword("alice", right);
      if (outcome === "temporary") await expect(verdict).rejects.toMatchObject(temporary);
      else expect(await verdict).toBe(outcome);
    });
  }
});

describe("faults", () => {
  for (const code of [1, 2, 3, 8, 10, 11, 13, 21, 32, 34, 50, 51, 52, 53, 80]) {
    test(`R-STO-04 a search with result ${code} is no unknown user`, async () => {
      let failing = true;
      directory.script = ({ id, type }) => (type === "search" && failing ? [result(id, LDAP.done, code)] : undefined);
      const store = open();
      await expect(store.lookup("alice", [])).rejects.toMatchObject(temporary);
      await expect(store.checkPassword("alice", right)).rejects.toMatchObject(temporary);
      failing = false;
      expect(await store.checkPassword("alice", right)).toBe(true);
    });
  }

  test("R-STO-04 a service that is not let in is no wrong password", async () => {
    const store = open({ bindDn: "cn=service", password: "wrong" });
    await expect(store.checkPassword("alice", right)).rejects.toMatchObject(temporary);
    await expect(store.lookup("alice", [])).rejects.toMatchObject(temporary);
    expect(directory.binds().every(({ dn }) => dn === "cn=service")).toBe(true);
  });

  type Fault = (id: number, socket: { destroy(): void; end(): void }) => readonly Buffer[];
  const done = (id: number): Buffer => result(id, LDAP.done, 0);
  const some = (id: number): Buffer => entryMessage(id, entries[0] as FakeEntry, ["mail"]);
  const searchFaults: readonly [why: string, fault: Fault][] = [
    ["silence", () => []],
    ["half an answer", (id) => [some(id).subarray(0, 9)]],
    ["an entry and no end", (id) => [some(id)]],
    ["a connection that drops", (_, socket) => gone(() => socket.destroy())],
    [
      "a connection that ends in mid-search",
      (id, socket) => [some(id), ...gone(() => setImmediate(() => socket.end()))],
    ],
    ["noise", () => [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")]],
    ["zeros", () => [Buffer.alloc(64)]],
    ["a length without end", () => [Buffer.from([0x30, 0x80, 0, 0])]],
    ["a length of 4 GiB", () => [Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0])]],
    ["an empty message", () => [Buffer.from([0x30, 0])]],
    ["a number that is none", () => [Buffer.from([0x30, 4, 2, 0, 0x65, 0])]],
    ["an end without a result", (id) => [Buffer.from([0x30, 5, 2, 1, id, 0x65, 0])]],
    ["a result that is empty", (id) => [Buffer.from([0x30, 11, 2, 1, id, 0x65, 6, 0x0a, 0, 4, 0, 4, 0])]],
    ["parts longer than the whole", (id) => [Buffer.from([0x30, 7, 2, 1, id, 0x65, 9, 0x0a, 1, 0])]],
    // The values of an attribute end behind the message: a parser that trusts the length reads on for ever.
    [
      "values longer than the whole",
      (id) => [Buffer.from([0x30, 17, 2, 1, id, 0x64, 12, 4, 1, 97, 0x30, 7, 0x30, 5, 4, 1, 97, 0x31, 0x7f])],
    ],
    ["nesting", (id) => [message(id, LDAP.done, (w) => w.writeBuffer(nest(200), 0x30))]],
    ["the answer to another request", (id) => [result(id + 1, LDAP.done, 0)]],
    ["an answer of another kind", (id) => [result(id, LDAP.bind, 0)]],
    ["an operation nobody knows", (id) => [message(id, 0x79, () => {})]],
    ["a notice of disconnection", () => [result(0, LDAP.extended, 52)]],
    ["an entry that is too long", (id) => [entryMessage(id, entry("a", { mail: ["x".repeat(5 << 20)] }), ["mail"])]],
    [
      "entries without end",
      (id) => Array.from({ length: 80 }, () => entryMessage(id, entry("a", { mail: ["x".repeat(1 << 16)] }), ["mail"])),
    ],
    [
      "very many messages at once",
      (id) => [
        Buffer.concat(Array.from({ length: 20_000 }, () => message(id, LDAP.reference, () => {}))),
        Buffer.from([0]),
      ],
    ],
    [
      "more behind the end",
      (id) => [Buffer.concat([message(id, LDAP.reference, () => {}), Buffer.from("x"), done(id)])],
    ],
  ];
  for (const [why, fault] of searchFaults) {
    test(`R-STO-04 a search is answered with ${why}: temporary, and well again afterwards`, async () => {
      let failing = true;
      directory.script = (request, socket) =>
        request.type === "search" && failing ? fault(request.id, socket) : undefined;
      const store = open({ timeoutMs: 1000 });
      await expect(store.lookup("alice", ["mail"])).rejects.toMatchObject(temporary);
      failing = false;
      expect(await store.lookup("alice", ["mail"])).toEqual({ mail: "alice@example.org" });
      await expect.poll(() => directory.sockets.size).toBe(1);
    });
  }

  const bindFaults: readonly [why: string, fault: Fault][] = [
    ["silence", () => []],
    ["nothing in it", (id) => [Buffer.from([0x30, 5, 2, 1, id, 0x61, 0])]],
    ["an empty result", (id) => [Buffer.from([0x30, 11, 2, 1, id, 0x61, 6, 0x0a, 0, 4, 0, 4, 0])]],
    ["a result of another type", (id) => [Buffer.from([0x30, 12, 2, 1, id, 0x61, 7, 0x02, 1, 0, 4, 0, 4, 0])]],
    ["no texts", (id) => [Buffer.from([0x30, 8, 2, 1, id, 0x61, 3, 0x0a, 1, 0])]],
    ["success of a search", (id) => [result(id, LDAP.done, 0)]],
    ["success of an extended operation", (id) => [result(id, LDAP.extended, 0)]],
    ["success of another bind", (id) => [result(id + 1, LDAP.bind, 0)]],
    ["a connection that drops", (_, socket) => gone(() => socket.destroy())],
  ];
  for (const [why, fault] of bindFaults) {
    test(`R-STO-02 R-STO-04 a bind is answered with ${why}: temporary, and no success`, async () => {
      let failing = true;
      directory.script = (request, socket) =>
        request.type === "bind" && failing ? fault(request.id, socket) : undefined;
      const store = open({ timeoutMs: 1000 });
      await expect(store.checkPassword("alice", "wrong")).rejects.toMatchObject(temporary);
      failing = false;
      expect(await store.checkPassword("alice", right)).toBe(true);
    });
  }

  test("R-STO-04 a directory that is not there yet, goes, and comes back", async () => {
    const store = open();
    await directory.stop();
    await expect(store.lookup("alice", [])).rejects.toMatchObject({
      ...temporary,
      detail: expect.stringContaining("ECONNREFUSED"),
    });
    await directory.start();
    expect(await store.checkPassword("alice", right)).toBe(true);
    await directory.stop();
    await expect(store.checkPassword("alice", right)).rejects.toMatchObject(temporary);
    await directory.start();
    expect(await store.checkPassword("alice", right)).toBe(true);
    expect(directory.sockets.size).toBe(2);
  });

  test("R-STO-04 an idle connection that is lost when it is used is replaced without a word", async () => {
    const store = open();
    await store.lookup("alice", []);
    let drop = true;
    directory.script = (_, socket) => {
      if (drop) socket.destroy();
      drop = false;
      return undefined;
    };
    expect(await store.lookup("alice", [])).toEqual({});
    expect(directory.connections).toBe(2);
  });

  test("R-STO-04 no more connections than allowed, and every request has its turn", async () => {
    const store = open({ maxConnections: 2 });
    const verdicts = await Promise.all(Array.from({ length: 100 }, () => store.checkPassword("alice", right)));
    expect(verdicts).toEqual(Array.from({ length: 100 }, () => true));
    expect(directory.connections).toBe(4);
  });

  test("R-STO-04 whoever waits too long for a turn fails, and the others do not", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    directory.script = (request) =>
      request.type === "search" ? held.then(() => [done(request.id)]) : (undefined as never);
    const store = open({ maxConnections: 1, timeoutMs: 1000 });
    const both = await Promise.allSettled([store.lookup("alice", []), store.lookup("alice", [])]);
    for (const each of both) expect(each).toMatchObject({ status: "rejected", reason: temporary });
    release();
    directory.script = () => undefined;
    expect(await store.lookup("alice", [])).toEqual({});
    await expect.poll(() => directory.sockets.size).toBe(1);
  });

  test("connections nobody uses are closed after a while", async () => {
    const store = open({ idleTimeoutMs: 20 });
    await store.checkPassword("alice", right);
    await expect.poll(() => directory.sockets.size).toBe(0);
    expect(directory.requests.map(({ type }) => type)).toContain("unbind");
    expect(await store.checkPassword("alice", right)).toBe(true);
  });

  test("a store that is closed answers nothing, and what is at work fails", async () => {
    directory.script = () => [];
    const store = open({ maxConnections: 1, timeoutMs: 10_000 });
    const both = Promise.allSettled([store.lookup("alice", []), store.lookup("alice", [])]);
    await expect.poll(() => directory.requests.length).toBe(1);
    await store.close();
    for (const each of await both) expect(each).toMatchObject({ status: "rejected", reason: temporary });
    await expect(store.lookup("alice", [])).rejects.toMatchObject(temporary);
    await expect(store.checkPassword("alice", "x")).rejects.toMatchObject(temporary);
    await expect.poll(() => directory.sockets.size).toBe(0);
  });

  test("nothing secret is in errors, nor in the store itself", async () => {
    const store = open({ bindDn: "cn=service", password: "service password" });
    directory.script = ({ id, type }) => (type === "search" ? [result(id, LDAP.done, 51)] : undefined);
    const [error] = await Promise.allSettled([store.checkPassword("alice", "user password")]);
    expect(error).toMatchObject({ reason: temporary });
    const shown = `${inspect(error, { depth: 9, showHidden: true })}${inspect(store, { depth: 9, showHidden: true })}${JSON.stringify([error, store])}`;
    expect(shown).not.toMatch(/service password|user password|said by the directory/);
  });
});

describe("at a server", () => {
  const login = async (store: AccountStore, mechanisms: Parameters<typeof authenticate>[2]): Promise<unknown> => {
    const server = new SASLServer({
      mechanisms: [plain, scramSha256],
      accounts: store,
      policy: { requireEncryption: false },
    });
    const session = server.session({ secure: true });
    return authenticate(session, server.mechanisms({ secure: true }), mechanisms).catch((error: unknown) => error);
  };

  test("PLAIN by bind", async () => {
    const store = open();
    expect(await login(store, [PLAIN({ username: "alice", password: right })])).toMatchObject({ mechanism: "PLAIN" });
    expect(directory.binds()).toEqual([{ dn: `uid=alice,${base}`, password: right }]);
    const wrong = [
      await login(store, [PLAIN({ username: "alice", password: "wrong" })]),
      await login(store, [PLAIN({ username: "nobody", password: right })]),
      await login(store, [PLAIN({ username: "double", password: "x" })]),
    ];
    for (const each of wrong) expect(each).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
  });

  test("SCRAM-SHA-256 by verifier", async () => {
    const store = open();
    const good = await login(store, [SCRAM({ username: "user", password: "pencil" })]);
    expect(good).toMatchObject({ mechanism: "SCRAM-SHA-256" });
    const wrong = [
      await login(store, [SCRAM({ username: "user", password: "pencils" })]),
      await login(store, [SCRAM({ username: "nobody", password: "pencil" })]),
    ];
    for (const each of wrong) expect(each).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
    const fault = await login(store, [SCRAM({ username: "broken", password: "x" })]);
    expect(fault).toMatchObject(temporary);
  });

  test("R-STO-04 a directory that is down is a temporary failure for both", async () => {
    const store = open();
    await directory.stop();
    expect(await login(store, [PLAIN({ username: "alice", password: right })])).toMatchObject(temporary);
    expect(await login(store, [SCRAM({ username: "user", password: "pencil" })])).toMatchObject(temporary);
  });
});

describe("the service's password", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ldap-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("comes from a file, read at each connection", async () => {
    const file = join(folder, "password");
    await writeFile(file, "old\n");
    const store = saslPlugin.stores?.[0]?.open(
      `${directory.url}????bindname=cn=service,x-password-file=${encodeURIComponent(file)}`,
    ) as AccountStore;
    stores.push(store);
    await expect(store.lookup("alice", [])).rejects.toMatchObject(temporary);
    await writeFile(file, "service password\n");
    expect(await store.lookup("alice", [])).toEqual({});
    expect(directory.binds().map(({ password }) => password)).toEqual(["old", "service password"]);
    await rm(file);
    expect(await store.lookup("alice", [])).toEqual({});
    await directory.stop();
    await directory.start();
    await expect(store.lookup("alice", [])).rejects.toMatchObject({
      ...temporary,
      detail: expect.stringContaining("ENOENT"),
    });
  });
});

describe("the suite for stores:", () => {
  const checks = storeChecks(() => open(), {
    readOnly: true,
    accounts: { alice: { mail: "alice@example.org", member: ["a", "b"] } },
    password: { name: "alice", password: right },
    unreachable: () => ldapAccounts("ldap://127.0.0.1:1/dc=x"),
  });
  for (const { name, run } of checks) test(name, run);
});

/** Nothing to send, only something to do. */
function gone(work: () => unknown): readonly Buffer[] {
  work();
  return [];
}

/** Sequences in sequences. */
function nest(depth: number): Buffer {
  let inner: Buffer = Buffer.alloc(0);
  for (let each = 0; each < depth; each++) {
    const header = inner.length < 128 ? [0x30, inner.length] : [0x30, 0x82, inner.length >> 8, inner.length & 0xff];
    inner = Buffer.concat([Buffer.from(header), inner]);
  }
  return inner;
}
