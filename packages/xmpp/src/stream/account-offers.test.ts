/** `offerByAccount`: what a stream offers whom its header names, and what it accepts then. */
import { type Element, parse } from "ltx";
import { type AccountProperties, makeScramVerifier, SASLFailure, type ServerOptions } from "sasl-core";
import { hashSha1, hashSha256, plain, scramSha1, scramSha256 } from "sasl-core/mechanisms";
import { NS_SASL, NS_SASL2, type ServerInline } from "sasl-xmpp";
import { describe, expect, test } from "vitest";
import { base64 } from "../../test/support.js";
import { type Run, talk } from "../../test/talk.js";

const [sha1, sha256] = await Promise.all([
  makeScramVerifier(hashSha1, "secret", { iterations: 4096 }),
  makeScramVerifier(hashSha256, "secret", { iterations: 4096 }),
]);
const ALL = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
const MODERN = ["SCRAM-SHA-256", "PLAIN"];
const OLD = ["SCRAM-SHA-1", "PLAIN"];
const records: Readonly<Record<string, AccountProperties>> = {
  modern: { authPassword: [sha256] },
  old: { authPassword: [sha1] },
  clear: { userPassword: "secret" },
  gone: { authPassword: [sha1], disabled: true },
  empty: { mail: "nothing to log in with" },
};
const strangers = Array.from({ length: 40 }, (_, index) => `stranger${index}`);

const asked: string[] = [];
const accounts = {
  lookup(name: string) {
    asked.push(name);
    return Object.hasOwn(records, name) ? records[name] : undefined;
  },
};
const sasl: Partial<ServerOptions> = {
  accounts,
  mechanisms: [plain, scramSha1, scramSha256],
  accountMechanisms: [MODERN, OLD],
  secret: new Uint8Array(16).fill(7),
};
const byAccount = { sasl2: {}, offerByAccount: true };

const header = (from?: string): string =>
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='localhost'" +
  `${from === undefined ? "" : ` from='${from}'`}>`;
const CLOSE = "</stream:stream>";
const auth = (mechanism: string, payload = ""): string =>
  `<auth xmlns='${NS_SASL}' mechanism='${mechanism}'>${base64(payload)}</auth>`;
const authenticate2 = (mechanism: string, payload = ""): string =>
  `<authenticate xmlns='${NS_SASL2}' mechanism='${mechanism}'><initial-response>${base64(payload)}</initial-response></authenticate>`;

/** The names in the last features, by the namespace of their list. */
function lists(said: string): Readonly<Record<string, readonly string[]>> {
  const last = said.match(/<stream:features.*?<\/stream:features>/gs)?.at(-1) ?? "<none/>";
  const found = (parse(last) as Element).getChildElements().map((list) => {
    const names = list.getChildElements().filter((each) => each.name === "mechanism");
    return [list.getNS() ?? "", names.map((each) => each.getText())] as const;
  });
  return Object.fromEntries(found);
}

const both = (names: readonly string[]) => ({ [NS_SASL]: names, [NS_SASL2]: names });

async function offered(from: string | undefined, run: Run = {}): Promise<ReturnType<typeof lists>> {
  const { said, errors } = await talk([header(from), CLOSE], {
    ...run,
    sasl: { ...sasl, ...run.sasl },
    options: { ...byAccount, ...run.options },
  });
  expect(errors).toEqual([]);
  return lists(said);
}

describe("R-SA2-06 offers to an account", () => {
  const rows: readonly [name: string, from: string, names: readonly string[]][] = [
    ["with verifiers of one hash", "old@localhost", OLD],
    ["with those of another", "modern@localhost", MODERN],
    ["with its password", "clear@localhost", ALL],
    ["that is disabled", "gone@localhost", OLD],
    ["in another spelling, with a resource", "OLD@LOCALHOST/phone", OLD],
  ];
  for (const [name, from, names] of rows) {
    test(`${name}: the same list in both profiles, from one look-up`, async () => {
      asked.length = 0;
      expect(await offered(from)).toEqual(both(names));
      expect(asked).toHaveLength(1);
    });
  }

  const nobodies: readonly [why: string, from: string | undefined][] = [
    ["no from", undefined],
    ["an empty one", ""],
    ["the host itself", "localhost"],
    ["another host's account", "old@elsewhere.example"],
    ["an account at a host of this server that the stream is not to", "old@other.example"],
    ["what is no JID", "old@localhost@localhost"],
    ["no local part", "@localhost"],
    ["a local part with what no local part has", "o&lt;ld@localhost"],
    ["more than a JID can be long", `${"o".repeat(1024)}@localhost`],
  ];
  for (const [why, from] of nobodies) {
    test(`everything is offered, and nobody looked up, with ${why}`, async () => {
      asked.length = 0;
      expect(await offered(from)).toEqual(both(ALL));
      expect(asked).toEqual([]);
    });
  }

  test("are not made by account unless the program says so", async () => {
    asked.length = 0;
    expect(await offered("old@localhost", { options: { offerByAccount: undefined } })).toEqual(both(ALL));
    expect(asked).toEqual([]);
  });

  test("in SASL1 alone, where SASL2 is not spoken or the stream is not protected", async () => {
    expect(await offered("old@localhost", { options: { sasl2: false } })).toEqual({ [NS_SASL]: OLD });
    const inClear = { parts: { secure: false }, sasl: { policy: { requireEncryption: false } } };
    expect(await offered("old@localhost", inClear)).toEqual({ [NS_SASL]: OLD });
  });

  test("strangers, and accounts with nothing to log in with, get a list of accounts, each the same at each connection", async () => {
    const seen = new Map<string, string>();
    for (const name of [...strangers, "empty", "__proto__"])
      seen.set(name, JSON.stringify(await offered(`${name}@localhost`)));
    expect(new Set(seen.values())).toEqual(new Set([OLD, MODERN].map((names) => JSON.stringify(both(names)))));
    for (const [name, first] of seen) expect(JSON.stringify(await offered(`${name}@localhost`))).toBe(first);
  });

  test("a stream's elements are the same for an account and for a stranger with its list", async () => {
    const said = async (name: string) => {
      const words = [
        header(`${name}@localhost`),
        auth("SCRAM-SHA-256"),
        authenticate2("SCRAM-SHA-256"),
        auth("PLAIN", `\0${name}\0wrong`),
      ];
      return (await talk(words, { sasl, options: byAccount })).said.replaceAll(name, "somebody");
    };
    const account = await said("old");
    const like: string[] = [];
    for (const name of strangers)
      if ((await offered(`${name}@localhost`))[NS_SASL]?.join() === OLD.join()) like.push(name);
    expect(like.length).toBeGreaterThan(0);
    for (const name of like) expect(await said(name)).toBe(account);
  });
});

describe("what was not announced to this account", () => {
  const rows: readonly [profile: string, begin: (mechanism: string) => string, namespace: string][] = [
    ["R-SA2-03 SASL2", authenticate2, NS_SASL2],
    ["SASL1", auth, NS_SASL],
  ];
  for (const [profile, begin, namespace] of rows) {
    test(`${profile} refuses it, though the server could`, async () => {
      const codes: unknown[] = [];
      const words = [header("old@localhost"), begin("SCRAM-SHA-256"), begin("SCRAM-SHA-999")];
      const onOutcome: ServerOptions["onOutcome"] = ({ code, mechanism }) => codes.push(`${code} ${mechanism}`);
      const { said } = await talk(words, { sasl: { ...sasl, onOutcome }, options: byAccount });
      const refusals = said.match(/<failure.*?<\/failure>/gs) ?? [];
      expect(refusals).toHaveLength(2);
      for (const each of refusals) {
        expect((parse(each) as Element).getNS()).toBe(namespace);
        expect(each).toContain("<invalid-mechanism");
      }
      expect(codes).toEqual(["mechanism-unsupported SCRAM-SHA-256", "mechanism-unsupported SCRAM-SHA-999"]);
    });
  }

  test("refusals count as attempts", async () => {
    const words = [header("old@localhost"), ...Array(6).fill(auth("SCRAM-SHA-256"))];
    const { said, connection } = await talk(words, { sasl, options: byAccount });
    expect(said.match(/<invalid-mechanism/g)).toHaveLength(6);
    expect(said).toContain("<policy-violation");
    expect(connection.result).toBeUndefined();
  });

  test("what was is taken, in both profiles, and after SASL1's restart nothing is offered any more", async () => {
    const login = "\0clear\0secret";
    for (const words of [[authenticate2("PLAIN", login)], [auth("PLAIN", login), header("clear@localhost")]]) {
      const { said, connection } = await talk([header("clear@localhost"), ...words], { sasl, options: byAccount });
      expect(connection.result).toMatchObject({ authcid: "clear", mechanism: "PLAIN" });
      expect(lists(said)).toEqual({});
    }
  });

  test("is decided anew by the header after STARTTLS", async () => {
    const run: Run = {
      parts: { secure: false, startTLS: async () => ({}) },
      sasl: { ...sasl, policy: { requireEncryption: false } },
      options: { ...byAccount, requireTLS: false },
    };
    const startTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    const begun = [header("old@localhost"), startTLS, header("modern@localhost")];
    const { said } = await talk([...begun, auth("SCRAM-SHA-1"), auth("SCRAM-SHA-256", "n,,n=modern,r=abc")], run);
    expect(lists(said.slice(0, said.indexOf("<proceed")))).toEqual({
      "urn:ietf:params:xml:ns:xmpp-tls": [],
      [NS_SASL]: OLD,
    });
    expect(lists(said)).toEqual(both(MODERN));
    expect(said.slice(said.lastIndexOf("</stream:features>"))).toMatch(/<invalid-mechanism.*<challenge/);
    const without = await talk(
      [header("old@localhost"), startTLS, header(), auth("SCRAM-SHA-1", "n,,n=old,r=abc")],
      run,
    );
    expect(lists(without.said)).toEqual(both(ALL));
    expect(without.said).toContain("<challenge");
  });
});

describe("where accounts cannot be told apart", () => {
  const faults: readonly [why: string, lookup: () => Promise<never>][] = [
    ["a store that fails", async () => Promise.reject(new Error("no connection"))],
    [
      "a store that throws",
      () => {
        throw new TypeError("a bug");
      },
    ],
  ];
  for (const [why, lookup] of faults) {
    test(`everything is offered with ${why}, the program is told, and logins fail as they would`, async () => {
      const words = [header("old@localhost"), auth("SCRAM-SHA-256", "n,,n=old,r=abc"), CLOSE];
      const { said, errors } = await talk(words, { sasl: { ...sasl, accounts: { lookup } }, options: byAccount });
      expect(lists(said)).toEqual(both(ALL));
      expect(said).toContain("<temporary-auth-failure");
      expect(said).not.toContain("<stream:error");
      expect(errors).toMatchObject([{ code: "temporary" }]);
    });
  }

  test("everything is offered after the time of an exchange with a store that never answers", async () => {
    const lookup = () => new Promise<never>(() => {});
    const { said, errors } = await talk([header("old@localhost"), CLOSE], {
      sasl: { ...sasl, accounts: { lookup }, limits: { timeoutMs: 50 } },
      options: byAccount,
    });
    expect(lists(said)).toEqual(both(ALL));
    expect(errors).toMatchObject([{ code: "temporary" }]);
  });

  test("a program that fails to hear of it changes nothing", async () => {
    const lookup = async () => Promise.reject(new Error("no connection"));
    const onError = () => {
      throw new Error("the log is full");
    };
    const { said } = await talk([header("old@localhost")], {
      sasl: { ...sasl, accounts: { lookup } },
      options: { ...byAccount, onError },
    });
    expect(lists(said)).toEqual(both(ALL));
  });

  test("a client that leaves while it is looked up", async () => {
    let answer = (_: AccountProperties | undefined): void => {};
    const lookup = () =>
      new Promise<AccountProperties | undefined>((resolve) => {
        answer = resolve;
      });
    const talking = talk([header("old@localhost")], { sasl: { ...sasl, accounts: { lookup } }, options: byAccount });
    await expect.poll(() => String(answer)).toContain("native code");
    answer(records.old);
    expect(await talking).toMatchObject({ errors: [{ code: "connection-lost" }] });
  });

  test("a rule for names that turns one down costs it nothing", async () => {
    const canonicalizers = [
      {
        name: "none",
        side: "server" as const,
        canonicalize: () => {
          throw new SASLFailure("malformed-message", "no such names");
        },
      },
    ];
    const run = await talk([header("old@localhost"), CLOSE], { sasl: { ...sasl, canonicalizers }, options: byAccount });
    expect(lists(run.said)).toEqual(both(ALL));
    expect(run.errors).toEqual([]);
  });

  test("an account, or a stranger, that has nothing but an inline feature's is offered the others", async () => {
    const feature: ServerInline = { mechanisms: () => ["SCRAM-SHA-1"], announce: () => [], success: () => [] };
    const run: Run = {
      sasl: { mechanisms: [scramSha1, scramSha256], accountMechanisms: [["SCRAM-SHA-1"]] },
      options: { sasl2: { inline: [feature] } },
    };
    for (const name of ["old", "stranger"])
      expect(await offered(`${name}@localhost`, run)).toEqual(both(["SCRAM-SHA-256"]));
    const { said } = await talk([header("old@localhost"), auth("SCRAM-SHA-1")], {
      sasl: { ...sasl, ...run.sasl },
      options: { ...byAccount, ...run.options },
    });
    expect(said).toContain("<invalid-mechanism");
  });

  test("a server that cannot do it is a mistake in the program", async () => {
    const server = { mechanisms: () => [], session: () => Promise.reject(new Error("never")) as never };
    await expect(talk([], { options: { ...byAccount, server } })).rejects.toThrow(TypeError);
  });
});
