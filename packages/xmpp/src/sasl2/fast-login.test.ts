import {
  type AccountProperties,
  channelBinding,
  makeScramVerifier,
  memoryAccounts,
  type ServerOptions,
} from "sasl-core";
import {
  hashedTokens,
  hashSha256,
  htSha256,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha256,
  scramSha256Plus,
} from "sasl-core/mechanisms";
import {
  type ClientTask,
  type FastServerOptions,
  type FastToken,
  fast,
  fastServer,
  memoryFastTokens,
  type ServerTask,
  totp,
} from "sasl-xmpp";
import { newTotp, totpCode, totpProperty, totpTask } from "sasl-xmpp/totp";
import { describe, expect, test } from "vitest";
import { day, find, phone, start, tablet } from "../../test/fast.js";
import { type Played, play, wordServer, wordTask } from "../../test/sasl2.js";
import { kits } from "../../test/support.js";

const alice = "alice@localhost";
const credentials = { username: "alice", password: "open sesame" };
const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });

interface LoginOptions extends Omit<Played, "server"> {
  readonly tasks?: { readonly client: readonly ClientTask[]; readonly server: readonly ServerTask[] };
}

const verifier = (password: string, iterations = 4096) => makeScramVerifier(hashSha256, password, { iterations });

for (const kit of kits) {
  /** A service, and a client with its store. */
  function place(options: Partial<FastServerOptions> = {}) {
    const accounts = memoryAccounts({ alice: credentials.password });
    const clock = { time: start };
    const now = () => clock.time;
    const tokens = hashedTokens({ accounts, hashes: [htSha256], now });
    const sasl: Partial<ServerOptions> = {
      accounts,
      mechanisms: [plain, scramSha256, scramSha256Plus, ...tokens.mechanisms],
    };
    const server = fastServer({ tokens, now, ...options });
    const store = memoryFastTokens();
    const client = fast({ store, now });
    const login = ({ tasks, client: own, ...more }: LoginOptions = {}, mechanisms = [SCRAMPLUS(credentials)]) =>
      play(kit, mechanisms, {
        binding,
        sasl,
        client: { userAgent: { id: phone }, inline: [client], tasks: tasks?.client, ...own },
        server: { inline: [server], tasks: tasks?.server },
        ...more,
      });
    return { accounts, tokens, clock, store, client, login };
  }
  const password = ["authenticate", "challenge", "response", "success"];
  const token = ["authenticate", "success"];

  describe(`FAST over SASL2 with ${kit.name}`, () => {
    test("R-FAST-05 R-FAST-14 the password once, then one round trip with a bound token", async () => {
      const { login, client, store } = place();
      const first = await login();
      expect(first.names).toEqual(password);
      expect(first.result?.inline.get(client)).toEqual({ used: false, expires: start + 21 * day });
      const second = await login();
      expect(second.names).toEqual(token);
      expect(second.result).toMatchObject({
        mechanism: "HT-SHA-256-EXPR",
        channelBinding: "tls-exporter",
        serverVerified: true,
        jid: alice,
      });
      expect(second.result?.inline.get(client)).toEqual({ used: true });
      expect(second.outcomes).toMatchObject([{ ok: true, jid: alice, userAgent: { id: phone } }]);
      expect(await store.get(alice)).toMatchObject({ count: 1 });
    });

    test("R-FAST-01 token mechanisms are offered by FAST alone", async () => {
      const { login } = place();
      const { features } = await login();
      const offer = find(kit, features, "authentication");
      const names = kit.adapter
        .children(offer)
        .filter((child) => typeof child !== "string" && kit.adapter.name(child) === "mechanism")
        .map((child) => kit.adapter.children(child).join(""));
      expect(names).toEqual(expect.arrayContaining(["PLAIN", "SCRAM-SHA-256-PLUS"]));
      expect(names.filter((name) => name.startsWith("HT-"))).toEqual([]);
      expect(kit.adapter.children(find(kit, features, "fast"))).toHaveLength(2);
    });

    const policies: readonly [channelBinding: "disable" | "require", offered: readonly string[], asked: string[]][] = [
      ["disable", ["HT-SHA-256-EXPR", "HT-SHA-256-NONE"], ["HT-SHA-256-NONE"]],
      ["disable", ["HT-SHA-256-EXPR"], []],
      ["require", ["HT-SHA-256-EXPR", "HT-SHA-256-NONE"], ["HT-SHA-256-EXPR"]],
      ["require", ["HT-SHA-256-NONE"], []],
    ];
    test.each(policies)("R-FAST-02 R-HT-03 binding %s: of %j a token for %j is asked for, and used", async (...row) => {
      const [channelBinding, mechanisms, asked] = row;
      const { login, store } = place({ mechanisms });
      const requests: string[] = [];
      const forgeRequest = (xml: string) => {
        requests.push(...(xml.match(/HT-SHA-256-[A-Z]+/g) ?? []));
        return xml;
      };
      const more = { options: { policy: { channelBinding } }, forgeRequest };
      const ways = [channelBinding === "disable" ? SCRAM(credentials) : SCRAMPLUS(credentials)];
      expect((await login(more, ways)).error).toBeUndefined();
      expect(requests).toEqual(asked);
      expect((await store.get(alice))?.mechanism).toBe(asked[0]);
      const again = await login(more, ways);
      expect(again.names).toEqual(asked.length > 0 ? token : password);
    });

    test("R-FAST-13 a refused token is dropped, and the password follows on the same stream", async () => {
      const { login, tokens, store, client } = place();
      await login();
      const old = (await store.get(alice)) as FastToken;
      await tokens.revoke("alice");
      const { names, result, events } = await login();
      expect(names).toEqual(["authenticate", "failure", ...password]);
      expect(events).toMatchObject([
        { ok: false, code: "refused", mechanism: "HT-SHA-256-EXPR" },
        { ok: true, mechanism: "SCRAM-SHA-256-PLUS" },
      ]);
      expect(result?.inline.get(client)).toMatchObject({ used: false });
      expect((await store.get(alice))?.token).not.toBe(old.token);
      expect((await login()).names).toEqual(token);
    });

    test("R-FAST-11 a token that is not trusted: credentials-expired, then the password", async () => {
      let trusted = true;
      const { login } = place({ trusts: () => trusted });
      await login();
      trusted = false;
      const { names, said, events } = await login();
      expect(names).toEqual(["authenticate", "failure", ...password]);
      expect(JSON.stringify(said[1])).toContain('"credentials-expired"');
      expect(events[0]).toMatchObject({ ok: false, code: "credentials-expired" });
    });

    test("R-FAST-03 a second factor that fails brings no token, and one that succeeds does", async () => {
      const { login, tokens } = place();
      const factor = (word: string) => login({ tasks: { client: [wordTask(word)], server: [wordServer("abc")] } });
      const failed = await factor("abx");
      expect(failed.names.slice(0, 4)).toEqual(["authenticate", "challenge", "response", "continue"]);
      expect(failed.error).toMatchObject({ code: "refused" });
      expect(JSON.stringify(failed.said)).not.toContain('"token"');
      expect(await tokens.list("alice")).toEqual([]);
      const done = await factor("abc");
      expect(done.result?.tasks).toEqual(["WORD"]);
      expect(await tokens.list("alice")).toMatchObject([{ client: phone }]);
    });

    test.each([true, false])(
      "R-FAST-12 a password changed (%s) during a task brings no token, an upgrade does",
      async (changed) => {
        const { login, tokens, accounts } = place();
        await accounts.store("alice", { userPassword: undefined, authPassword: [await verifier("open sesame")] });
        const word = wordServer("a");
        const server: ServerTask = {
          ...word,
          async *perform(about, next) {
            const [now, old] = [
              await verifier("open sesame", 5000),
              (accounts.lookup("alice", []) as AccountProperties).authPassword ?? [],
            ];
            await accounts.store("alice", { authPassword: changed ? [now] : [...old, now] });
            yield* word.perform(about, next);
          },
        };
        const { error } = await login({ tasks: { client: [wordTask("a")], server: [server] } });
        expect(error).toBeUndefined();
        expect(await tokens.list("alice")).toHaveLength(changed ? 0 : 1);
      },
    );

    test("R-FAST-11 no second factor is asked for after a token", async () => {
      const { record } = newTotp({ account: alice, issuer: "localhost" });
      const { login, accounts } = place();
      await accounts.store("alice", { [totpProperty]: record });
      const server = [totpTask({ accounts })];
      const first = await login({ tasks: { client: [totp(() => totpCode(record))], server } });
      expect(first.result?.tasks).toEqual(["TOTP"]);
      const { names, result } = await login({ tasks: { client: [], server } });
      expect(names).toEqual(token);
      expect(result).toMatchObject({ mechanism: "HT-SHA-256-EXPR", tasks: [] });
    });

    test("R-FAST-08 a rotated token arrives, and is the next to be used", async () => {
      const { login, client, clock, store } = place();
      await login();
      const first = (await store.get(alice)) as FastToken;
      clock.time += 2 * day;
      const { result } = await login();
      expect(result?.inline.get(client)).toEqual({ used: true, expires: start + 23 * day });
      expect((await store.get(alice))?.token).not.toBe(first.token);
      expect((await login()).names).toEqual(token);
      store.set(alice, first);
      expect((await login()).names).toEqual(["authenticate", "failure", ...password]);
    });

    test("R-FAST-10 logs out with the token alone", async () => {
      const { login, client, store, tokens } = place();
      await login();
      const { names, result } = await login({ client: { inline: [client.logout], userAgent: { id: phone } } }, []);
      expect(names).toEqual(token);
      expect(result?.inline.get(client.logout)).toEqual({ used: true });
      expect(await store.get(alice)).toBeUndefined();
      expect(await tokens.list("alice")).toEqual([]);
    });

    const spoiled: readonly [why: string, more: Partial<Played>, condition: string][] = [
      ["without fast", { forgeRequest: (xml) => xml.replace(/<fast [^>]*>/, "") }, "malformed-request"],
      ["without a user agent", { forgeRequest: (xml) => xml.replace(/<user-agent.*?\/>/, "") }, "malformed-request"],
      ["without from in the stream header", { told: undefined }, "malformed-request"],
      ["R-FAST-06 with another user agent", { forgeRequest: (xml) => xml.replace(phone, tablet) }, "not-authorized"],
      ["R-FAST-06 for another account", { told: "bob@localhost" }, "invalid-authzid"],
      [
        "with a request for a token that is not offered",
        { forgeRequest: askingFor("HT-SHA-256-UNIQ") },
        "invalid-mechanism",
      ],
    ];
    test.each(spoiled)("R-FAST-05 a token login %s fails", async (_, more, condition) => {
      const { login, tokens } = place();
      await login();
      const before = await tokens.list("alice");
      const { names, said } = await login(more, []);
      expect(names.slice(0, 2)).toEqual(["authenticate", "failure"]);
      expect(JSON.stringify(said[1])).toContain(`"${condition}"`);
      expect(await tokens.list("alice")).toEqual(before);
      expect((await login()).error).toBeUndefined();
    });

    test("R-FAST-04 a forged expiry in the past is not kept, and the login is good", async () => {
      const { login, client, store } = place();
      const forge = (xml: string) => xml.replace(/expiry="[^"]*"/, 'expiry="2001-01-01T00:00:00Z"');
      const { result } = await login({ forge });
      expect(result?.inline.get(client)).toEqual({ used: false, rejected: "it has expired" });
      expect(await store.get(alice)).toBeUndefined();
    });

    test("a success that does not prove that the server has the token is none", async () => {
      const { login, store } = place();
      await login();
      const { error } = await login({ forge: (xml) => xml.replace(/<additional-data.*?<\/additional-data>/, "") });
      expect(error).toMatchObject({ code: "peer-not-verified" });
      expect(await store.get(alice)).toMatchObject({ count: 1 });
    });

    test("R-FAST-06 two clients of an account have tokens of their own", async () => {
      const { login, tokens } = place();
      await login();
      const other = fast({ store: memoryFastTokens(), now: () => start });
      const own = { client: { userAgent: { id: tablet }, inline: [other] } };
      await login(own);
      expect((await tokens.list("alice")).map((each) => each.client)).toEqual([phone, tablet]);
      expect([(await login()).names, (await login(own)).names]).toEqual([token, token]);
    });
  });
}

/** A request that asks for a token, too. */
function askingFor(mechanism: string): (xml: string) => string {
  const request = `<request-token xmlns='urn:xmpp:fast:0' mechanism='${mechanism}'/>`;
  return (xml) => xml.replace("</authenticate>", `${request}</authenticate>`);
}
