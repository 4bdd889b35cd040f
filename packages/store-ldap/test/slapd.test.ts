/**
 * Against a real directory: the one that the environment variable SASL_TEST_LDAP names, in JSON, with the fields of
 * {@link Directory}. The run with peers starts one and sets it.
 *
 * @module
 */
import { type AccountStore, authenticate, SASLServer } from "sasl-core";
import { PLAIN, plain, SCRAM, scramSha1, scramSha256 } from "sasl-core/mechanisms";
import { storeChecks } from "sasl-core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { type LdapOptions, ldapAccounts } from "../src/index.js";

interface Directory {
  /** `ldap://127.0.0.1:port` */
  readonly url: string;
  readonly socketUrl: string;
  readonly bindDn: string;
  readonly password: string;
  readonly base: string;
  readonly bindOnlyBase: string;
  /** A file. */
  readonly ca: string;
}

const { SASL_TEST_LDAP } = process.env;
const directory = SASL_TEST_LDAP === undefined ? undefined : (JSON.parse(SASL_TEST_LDAP) as Directory);
const temporary = { kind: "SASLFailure", code: "temporary" };
const alice = "correct horse battery staple";

if (directory === undefined) {
  test("there is nothing to test against without SASL_TEST_LDAP", () => expect(SASL_TEST_LDAP).toBeUndefined());
} else {
  describe("a real directory", () => {
    const { url, socketUrl, bindDn, password, base, bindOnlyBase, ca } = directory;
    const stores: AccountStore[] = [];
    const open = (options: Partial<LdapOptions> = {}): Required<Pick<AccountStore, "lookup" | "checkPassword">> => {
      const store = ldapAccounts({ url, base, bindDn, password, ...options });
      stores.push(store);
      return store as ReturnType<typeof open>;
    };
    afterEach(async () => {
      for (const each of stores.splice(0)) await each.close?.();
    });
    const login = async (store: AccountStore, strategy: Parameters<typeof authenticate>[2]): Promise<unknown> => {
      const server = new SASLServer({ mechanisms: [plain, scramSha1, scramSha256], accounts: store });
      const connection = { secure: true };
      const session = server.session(connection);
      return authenticate(session, server.mechanisms(connection), strategy).catch((error: unknown) => error);
    };

    test("accounts are found, with their attributes and verifiers", async () => {
      const found = await open().lookup("alice", ["mail", "authPassword", "quota"]);
      expect(found).toMatchObject({ mail: "alice@example.org" });
      expect(found?.authPassword?.map(({ hash }) => hash).sort()).toEqual(["SHA-1", "SHA-256"]);
      expect(found).not.toHaveProperty("quota");
      expect(await open({ readUserPassword: true }).lookup("alice", ["userPassword", "passwordHash"])).toEqual({});
      expect(await open().lookup("nobody", [])).toBeUndefined();
    });

    test("R-STO-03 the directory sees ALICE as alice, and we do not unless told to", async () => {
      for (const name of ["ALICE", " alice ", "\uff41lice"]) {
        expect(await open({ nameAttribute: false }).lookup(name, ["uid"])).toEqual({ uid: "alice" });
        expect(await open({ nameAttribute: false, base: bindOnlyBase }).checkPassword(name, alice)).toBe(true);
        expect(await open().lookup(name, ["uid"])).toBeUndefined();
        expect(await open({ base: bindOnlyBase }).checkPassword(name, alice)).toBe(false);
      }
      expect(await open().lookup("alice", ["uid"])).toEqual({ uid: "alice" });
    });

    const passwords: readonly [name: string, password: string, right: boolean][] = [
      ["alice", alice, true],
      ["alice", "wrong", false],
      ["alice", "", false],
      ["user", "pencil", true],
      ["bob", "pässwörd\u2010☃", true],
      ["empty", "x", false],
      ["nobody", alice, false],
      ["*", alice, false],
      ["alice)(uid=*", alice, false],
      ["double", "x", false],
    ];
    for (const [name, typed, right] of passwords) {
      test(`a bind as ${name} with ${JSON.stringify(typed)} is ${right}`, async () => {
        expect(await open({ base: name === "empty" ? base : bindOnlyBase }).checkPassword(name, typed)).toBe(right);
      });
    }

    test("the name in the base", async () => {
      const inBase = { base: `uid={user},${base}`, scope: "base", filter: "(objectClass=*)" } as const;
      const store = open({ ...inBase, nameAttribute: "uid" });
      expect(await store.lookup("ALICE", [])).toBeUndefined();
      expect(await open({ ...inBase, nameAttribute: false }).lookup("ALICE", [])).toEqual({});
      expect(await store.lookup("alice", ["mail"])).toEqual({ mail: "alice@example.org" });
      for (const name of ["nobody", "a,b", "alice+sn=alice", '"', "\\", "#1", " ", "a\0b", "é"]) {
        expect(await store.lookup(name, [])).toBeUndefined();
      }
    });

    test("an account that is off, and a record that cannot be read", async () => {
      expect(await open({ disabledAttribute: "nsAccountLock" }).lookup("locked", [])).toEqual({ disabled: true });
      await expect(open().lookup("broken", ["authPassword"])).rejects.toMatchObject(temporary);
      expect(await open().lookup("broken", ["mail"])).toEqual({ mail: "broken@example.org" });
    });

    test("R-STO-03 a referral is no account and no way out", async () => {
      const whole = open({ base: base.replace(/^ou=people,/, "") });
      expect(await whole.checkPassword("nobody", "x")).toBe(false);
      expect(await whole.lookup("broken", [])).toEqual({});
      await expect(
        open({ base: base.replace("people", "more"), filter: "(|(uid={user})(a=b))", nameAttribute: "uid" }).lookup(
          "x",
          [],
        ),
      ).resolves.toBe(undefined);
      const at = open({ base: `cn=elsewhere,${base.replace("people", "more")}` });
      await expect(at.checkPassword("alice", alice)).rejects.toMatchObject(temporary);
    });

    test("R-STO-04 a service password that is wrong, a base that is not there", async () => {
      await expect(open({ password: "wrong" }).lookup("alice", [])).rejects.toMatchObject(temporary);
      await expect(open({ base: `ou=nowhere,${base}` }).lookup("alice", [])).rejects.toMatchObject(temporary);
    });

    test("StartTLS, and a local socket", async () => {
      const tlsUrl = url.replace("127.0.0.1", "localhost");
      expect(await open({ url: tlsUrl, starttls: true, caFile: ca }).checkPassword("alice", alice)).toBe(true);
      await expect(open({ url: tlsUrl, starttls: true }).lookup("alice", [])).rejects.toMatchObject(temporary);
      expect(await open({ url: socketUrl }).checkPassword("alice", alice)).toBe(true);
    });

    test("R-STO-04 many at once, over a few connections", async () => {
      const store = open({ base: bindOnlyBase });
      const verdicts = await Promise.all(
        Array.from({ length: 400 }, (_, i) => store.checkPassword("alice", i % 2 === 0 ? alice : "wrong")),
      );
      expect(verdicts).toEqual(Array.from({ length: 400 }, (_, i) => i % 2 === 0));
    });

    test("logins by SCRAM, by PLAIN with a verifier, and by PLAIN with a bind", async () => {
      const store = open();
      const scram = (user: string, typed: string) => [SCRAM({ username: user, password: typed })];
      const byPassword = (user: string, typed: string) => [PLAIN({ username: user, password: typed })];
      expect(await login(store, scram("alice", alice))).toMatchObject({ mechanism: "SCRAM-SHA-256" });
      expect(await login(store, scram("bob", "pässwörd\u2011☃"))).toMatchObject({ authcid: "bob" });
      expect(await login(store, byPassword("alice", alice))).toMatchObject({ mechanism: "PLAIN" });
      const binding = open({ base: bindOnlyBase });
      expect(await login(binding, byPassword("alice", alice))).toMatchObject({ mechanism: "PLAIN" });
      expect(await login(binding, byPassword("bob", "pässwörd\u2011☃"))).toMatchObject({ mechanism: "PLAIN" });
      for (const [user, typed] of [
        ["alice", "wrong"],
        ["nobody", alice],
        ["double", "x"],
      ] as const) {
        for (const strategy of [scram(user, typed), byPassword(user, typed)]) {
          for (const each of [store, binding]) {
            expect(await login(each, strategy)).toMatchObject({ kind: "AuthenticationFailure", code: "refused" });
          }
        }
      }
    });

    describe("the suite for stores:", () => {
      const checks = storeChecks(() => open({ base: bindOnlyBase }), {
        readOnly: true,
        accounts: { alice: { mail: "alice@example.org", sn: "alice" } },
        password: { name: "alice", password: alice },
        unreachable: () => ldapAccounts("ldap://127.0.0.1:1/dc=x"),
      });
      for (const { name, run } of checks) test(name, run);
    });
  });
}
