import { type AccountStore, memoryAccounts, passwordChange, type SASLErrorCode } from "sasl-core";
import { hashedTokens, htSha256, plain } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import {
  aboutRequest,
  alice,
  day,
  device,
  example,
  find,
  login,
  phone,
  type Service,
  service,
  start,
  tablet,
} from "../../test/fast.js";
import { kits, rejection, shape } from "../../test/support.js";
import { fastServer } from "./fast-server.js";
import type { FastToken } from "./fast-store.js";

const password = "open sesame";
const exporter = ["tls-exporter", "tls-server-end-point"];

/** A service whose every request came in early data. */
const early = () => service({ earlyData: () => true });

/** A store in which others come between look-up and write as often as can be. */
function slow(accounts: AccountStore): AccountStore {
  const later = () => new Promise((resolve) => setImmediate(resolve));
  return {
    lookup: async (...asked) => {
      await later();
      return accounts.lookup(...asked);
    },
    store: async (...change) => {
      await later();
      return (await accounts.store?.(...change)) ?? false;
    },
  };
}

const infos = async ({ tokens }: Service) => (await tokens.list("alice")).map(({ client, count }) => [client, count]);

for (const kit of kits) {
  const attributes = ["mechanism", "count", "invalidate", "tls-0rtt"];
  const authenticate = (mechanism: string, content: string) =>
    kit.parse(
      `<authenticate xmlns='urn:xmpp:sasl:2' xmlns:f='urn:xmpp:fast:0' mechanism='${mechanism}'>${content}</authenticate>`,
    );
  const tokenIn = (xml: string) => find(kit, kit.parse(xml), "token");
  const attribute = (xml: string, name: string) => kit.adapter.attribute(tokenIn(xml), name);
  const names = (element: unknown) => kit.adapter.children(element).map((child) => kit.adapter.children(child)[0]);

  describe(`XEP-0484's examples with ${kit.name}`, () => {
    test("R-FAST-01 announces as in §3.1", async () => {
      const { inline } = early();
      const [announced] = await inline.announce(aboutRequest(kit, undefined, { bindingTypes: exporter }));
      const published = find(kit, example(kit, "announcement"), "fast");
      const sorted = (element: unknown) => {
        const [name, namespace, own, ...children] = shape(kit, element, ...attributes);
        return [name, namespace, own, ...children.sort()];
      };
      expect(sorted(announced)).toEqual(sorted(published));
    });

    test.each(["token request", "token login", "invalidation"])("takes the %s", async (id) => {
      const { inline } = early();
      const request = example(kit, id);
      const bindingTypes = ["tls-server-end-point"];
      await expect(inline.check?.(aboutRequest(kit, request, { bindingTypes }))).toBeUndefined();
    });
  });

  describe(`a FAST server with ${kit.name}`, () => {
    const connections: readonly [bindingTypes: readonly string[], mechanisms: readonly string[]][] = [
      [[], ["HT-SHA-256-NONE"]],
      [["tls-unique"], ["HT-SHA-256-UNIQ", "HT-SHA-256-NONE"]],
      [exporter, ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"]],
    ];
    test.each(connections)("R-FAST-01 announces what is usable when bound to %j", async (bindingTypes, mechanisms) => {
      const { inline } = service();
      const about = aboutRequest(kit, undefined, { bindingTypes });
      const [announced, ...more] = await inline.announce(about);
      expect(names(announced)).toEqual(mechanisms);
      expect(shape(kit, announced, ...attributes)[2]).toEqual({});
      expect(more).toEqual([]);
    });

    test("R-FAST-01 announces nothing where nothing is usable", async () => {
      const { inline } = service({ mechanisms: ["HT-SHA-256-EXPR"] });
      const about = aboutRequest(kit, undefined);
      expect(await inline.announce(about)).toEqual([]);
    });

    test("R-FAST-01 keeps every token mechanism for itself, also those it does not offer", async () => {
      const { inline } = service({ mechanisms: ["HT-SHA-256-EXPR"] });
      const all = ["HT-SHA-256-EXPR", "HT-SHA-256-UNIQ", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"];
      expect(await inline.mechanisms?.(aboutRequest(kit, undefined))).toEqual(all);
    });

    test("is told nonsense early", () => {
      expect(() => service({ mechanisms: ["PLAIN"] })).toThrow(RangeError);
      expect(() => service({ rotateWithinMs: -1 })).toThrow(RangeError);
      expect(() => service({ rotateWithinMs: Number.NaN })).toThrow(RangeError);
    });

    const none = "HT-SHA-256-NONE";
    const requests: readonly (readonly [
      why: string,
      mechanism: string,
      content: string,
      code: SASLErrorCode | "fine",
    ])[] = [
      ["what is right, so that the rest means something", none, "<f:fast/>", "fine"],
      ["a count of 1", none, "<f:fast count='1'/>", "fine"],
      ["a count of 15 digits", none, "<f:fast count='999999999999999'/>", "fine"],
      ["a password alone", "PLAIN", "", "fine"],
      ["R-FAST-02 a request for a token", "PLAIN", `<f:request-token mechanism='${none}'/>`, "fine"],
      [
        "R-FAST-02 one that the connection has not",
        "PLAIN",
        "<f:request-token mechanism='HT-SHA-256-EXPR'/>",
        "mechanism-unsupported",
      ],
      ["R-FAST-02 one nobody knows", "PLAIN", "<f:request-token mechanism='HT-SHA-1-NONE'/>", "mechanism-unsupported"],
      ["R-FAST-02 one that takes no token", "PLAIN", "<f:request-token mechanism='PLAIN'/>", "mechanism-unsupported"],
      [
        "R-FAST-02 one called constructor",
        "PLAIN",
        "<f:request-token mechanism='constructor'/>",
        "mechanism-unsupported",
      ],
      ["R-FAST-02 none", "PLAIN", "<f:request-token/>", "malformed-message"],
      ["R-FAST-02 two", "PLAIN", `<f:request-token mechanism='${none}'/>`.repeat(2), "malformed-message"],
      ["R-FAST-05 no fast", none, "", "malformed-message"],
      ["R-FAST-05 fast of another namespace", none, "<fast xmlns='urn:other'/>", "malformed-message"],
      ["R-FAST-05 fast inside something", none, "<a xmlns='urn:a'><f:fast/></a>", "malformed-message"],
      ["R-FAST-05 two", none, "<f:fast/><f:fast/>", "malformed-message"],
      ["R-FAST-05 fast with a password", "PLAIN", "<f:fast/>", "malformed-message"],
      ["R-FAST-06 a mechanism that the connection has not", "HT-SHA-256-EXPR", "<f:fast/>", "mechanism-unsupported"],
      ...["0", "-1", "+1", "01", "1.0", "1e3", "", " 1", "0x1", "1000000000000000", "٣", "NaN"].map(
        (count) => [`R-FAST-07 a count of ${count}`, none, `<f:fast count='${count}'/>`, "malformed-message"] as const,
      ),
      ...["yes", "", "TRUE", "2"].map(
        (word) =>
          [`R-FAST-10 invalidate ${word}`, none, `<f:fast invalidate='${word}'/>`, "malformed-message"] as const,
      ),
    ];
    const check = async (inline: Service["inline"], about: Parameters<NonNullable<Service["inline"]["check"]>>[0]) =>
      inline.check?.(about);

    test.each(requests)("%s: %s", async (_, mechanism, content, code) => {
      const outcome = check(service().inline, aboutRequest(kit, authenticate(mechanism, content)));
      if (code !== "fine") expect(await rejection(outcome)).toMatchObject({ code });
      else await outcome;
    });

    const anonymous: readonly [what: string, more: object][] = [
      ["user agent's id", { userAgent: {} }],
      ["from", { from: undefined }],
    ];
    test.each(anonymous)("R-FAST-05 a token login without a %s fails", async (_, more) => {
      const { inline } = service();
      const outcome = check(inline, aboutRequest(kit, authenticate(none, "<f:fast/>"), more));
      expect(await rejection(outcome)).toMatchObject({ code: "malformed-message" });
    });

    test("R-FAST-05 a password login without a user agent's id succeeds, without a token", async () => {
      const place = service();
      const mine = device(place);
      const request = `<request-token xmlns='urn:xmpp:fast:0' mechanism='${none}'/>`;
      const { success } = await login(kit, place, {
        client: mine.inline,
        password,
        tamper: (xml) => xml.replace(/\/>$/, `>${request}</authenticate>`),
      });
      expect(success).not.toContain("token");
      expect(await infos(place)).toEqual([]);
    });
  });

  describe(`tokens with ${kit.name}`, () => {
    /** A service with a client that has a token. */
    async function issued(options: Parameters<typeof service>[0] = {}, bindingTypes: readonly string[] = []) {
      const place = service(options);
      const mine = device(place);
      const { success } = await login(kit, place, { id: mine.id, client: mine.inline, password, bindingTypes });
      const token = (await mine.store.get(alice)) as FastToken;
      /** Logs in with the token alone. */
      const again = (more: object = {}) =>
        login(kit, place, { id: mine.id, client: mine.inline, bindingTypes, ...more });
      /** What comes of it: nothing, or why not. */
      const outcome = async (more: object = {}) => {
        const refusals: string[] = [];
        const client = { ...mine.inline, refused: async ({ code }: { code: string }) => void refusals.push(code) };
        await again({ client, ...more }).catch((error: Error) => {
          if (refusals.length === 0) throw error;
        });
        return refusals[0];
      };
      return { ...place, place, mine, success, token, again, outcome };
    }
    const counted = (count: string) => ({ tamper: (xml: string) => xml.replace(/ count="\d+"/, count) });

    test("R-FAST-04 come with their expiry", async () => {
      const { success } = await issued();
      expect(attribute(success, "token")).toMatch(/^[\w-]{43}$/);
      expect(attribute(success, "expiry")).toBe("2026-01-22T00:00:00Z");
    });

    test("R-FAST-02 are not issued unless asked for", async () => {
      const place = service();
      const { success } = await login(kit, place, { id: phone, client: device(place).inline.logout, password });
      expect(success).not.toContain("token");
      expect(await infos(place)).toEqual([]);
    });

    test("R-FAST-03 are issued by success alone", async () => {
      const place = service();
      const request = authenticate("PLAIN", "<f:request-token mechanism='HT-SHA-256-NONE'/>");
      const about = aboutRequest(kit, request);
      const result = {
        mechanism: "PLAIN",
        authcid: "alice",
        authzid: "alice",
        channelBinding: undefined,
        layer: undefined,
        properties: {},
      };
      const done = { ...about, request, mechanism: "PLAIN", result, jid: alice };
      await place.inline.check?.(about);
      await place.inline.admit?.(done);
      expect(await infos(place)).toEqual([]);
      const more = { resource: undefined, bind: () => {} };
      expect(await place.inline.success({ ...done, ...more })).toHaveLength(1);
      expect(await infos(place)).toEqual([[phone, undefined]]);
      // Acting as bob, alice would get a token of hers that cannot act as bob.
      expect(await place.inline.success({ ...done, ...more, result: { ...result, authzid: "bob" } })).toEqual([]);
      // Who has no account has no tokens.
      expect(
        await place.inline.success({ ...done, ...more, result: { ...result, authcid: "x", authzid: "x" } }),
      ).toEqual([]);
    });

    test("R-FAST-06 fail for another account", async () => {
      const { mine, token, outcome } = await issued();
      mine.store.set("bob@example.com", token);
      expect(await outcome({ from: "bob@example.com" })).toBe("refused");
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-06 fail for another client of the account", async () => {
      const { mine, token, outcome, place } = await issued();
      mine.store.set(alice, { ...token, userAgent: tablet });
      expect(await outcome({ id: tablet })).toBe("refused");
      expect(await infos(place)).toEqual([[phone, undefined]]);
      mine.store.set(alice, token);
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-06 fail with another mechanism, bound or not", async () => {
      const { mine, token, outcome } = await issued({}, exporter);
      expect(token.mechanism).toBe("HT-SHA-256-EXPR");
      for (const mechanism of ["HT-SHA-256-NONE", "HT-SHA-256-ENDP"]) {
        mine.store.set(alice, { ...token, mechanism });
        expect(await outcome()).toBe("refused");
      }
      mine.store.set(alice, token);
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-07 in early data a count is needed", async () => {
      const { outcome } = await issued({ earlyData: () => true });
      expect(await outcome(counted(""))).toBe("refused");
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-07 in early data a count works once, and none below it", async () => {
      const { outcome, place } = await issued({ earlyData: () => true, rotateWithinMs: 0 });
      expect(await outcome(counted(' count="7"'))).toBeUndefined();
      expect(await infos(place)).toEqual([[phone, 7]]);
      expect(await outcome(counted(' count="7"'))).toBe("refused");
      expect(await outcome(counted(' count="6"'))).toBe("refused");
      expect(await outcome(counted(' count="8"'))).toBeUndefined();
      expect(await infos(place)).toEqual([[phone, 8]]);
    });

    test("R-FAST-07 of many replays of one request one gets in", async () => {
      const accounts = slow(memoryAccounts({ alice: password }));
      const { outcome, place } = await issued({ earlyData: () => true, rotateWithinMs: 0, accounts });
      const replays = await Promise.all(Array.from({ length: 5 }, () => outcome(counted(' count="9"'))));
      expect(replays.filter((code) => code === undefined)).toHaveLength(1);
      expect(replays.filter((code) => code === "refused")).toHaveLength(4);
      expect(await infos(place)).toEqual([[phone, 9]]);
    });

    test("R-FAST-07 the count is stored before success", async () => {
      const accounts = memoryAccounts({ alice: password });
      let full = false;
      const store: AccountStore = {
        lookup: (...asked) => accounts.lookup(...asked),
        store(...change) {
          if (full) throw new Error("the disk is full");
          return accounts.store(...change);
        },
      };
      const { again, place } = await issued({ earlyData: () => true, rotateWithinMs: 0, accounts: store });
      full = true;
      await expect(again()).rejects.toThrow("the disk is full");
      full = false;
      expect(await infos(place)).toEqual([[phone, undefined]]);
    });

    test("R-FAST-07 outside early data logins may overtake each other, and the highest count stays", async () => {
      const { outcome, place } = await issued({ rotateWithinMs: 0 });
      expect(await outcome(counted(' count="7"'))).toBeUndefined();
      expect(await outcome(counted(' count="6"'))).toBeUndefined();
      expect(await outcome(counted(""))).toBeUndefined();
      expect(await infos(place)).toEqual([[phone, 7]]);
    });

    test("R-FAST-08 are rotated when they get old, and the old one works until the new one did", async () => {
      const { again, outcome, mine, token, clock } = await issued();
      clock.time += day - 1;
      expect((await again()).success).not.toContain("token");
      clock.time += 1;
      expect((await again()).fast).toEqual({ used: true, expires: start + 22 * day });
      const second = (await mine.store.get(alice)) as FastToken;
      mine.store.set(alice, token); // the success never arrived
      expect((await again()).fast).toEqual({ used: true, expires: start + 22 * day });
      const third = (await mine.store.get(alice)) as FastToken;
      expect(new Set([token.token, second.token, third.token]).size).toBe(3);
      mine.store.set(alice, second); // XEP-0484 §3.5: not used before another was issued
      expect(await outcome()).toBe("refused");
      mine.store.set(alice, third);
      expect(await outcome()).toBeUndefined();
      mine.store.set(alice, token);
      expect(await outcome()).toBe("refused");
    });

    test("R-FAST-09 both slots are checked, each for expiry, mechanism and count", async () => {
      const { again, outcome, mine, token, clock, tokens } = await issued({ earlyData: () => true });
      clock.time += 20 * day;
      await again();
      const successor = (await mine.store.get(alice)) as FastToken;
      const [current, next] = await tokens.list("alice");
      expect([current?.count, next?.count]).toEqual([1, undefined]);
      mine.store.set(alice, { ...token, count: 0 });
      expect(await outcome()).toBe("refused"); // its count was there; that of the new one would be good
      clock.time += day;
      mine.store.set(alice, { ...token, count: 1, expires: 2 ** 50 });
      expect(await outcome()).toBe("credentials-expired");
      mine.store.set(alice, { ...successor, mechanism: "HT-SHA-256-EXPR" });
      expect(await outcome({ bindingTypes: exporter })).toBe("refused");
      mine.store.set(alice, successor);
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-08 a better mechanism asked for with a token takes nothing away before its use", async () => {
      const { outcome, mine, token } = await issued();
      expect(token.mechanism).toBe("HT-SHA-256-NONE");
      expect(await outcome({ bindingTypes: exporter })).toBeUndefined();
      const better = (await mine.store.get(alice)) as FastToken;
      expect(better.mechanism).toBe("HT-SHA-256-EXPR");
      mine.store.set(alice, token);
      expect(await outcome()).toBeUndefined();
      mine.store.set(alice, better);
      expect(await outcome({ bindingTypes: exporter })).toBeUndefined();
      mine.store.set(alice, token);
      expect(await outcome()).toBe("refused");
    });

    test("R-FAST-10 are gone once they were invalidated, successors too", async () => {
      const { again, mine, token, clock, place, outcome } = await issued();
      clock.time += 2 * day;
      await again();
      const successor = (await mine.store.get(alice)) as FastToken;
      mine.store.set(alice, token);
      const last = await again({ client: mine.inline.logout });
      expect(last.request).toContain('invalidate="true"');
      expect(last.success).not.toContain("token"); // although it was due
      expect(await mine.store.get(alice)).toBeUndefined();
      expect(await infos(place)).toEqual([]);
      for (const each of [token, successor]) {
        mine.store.set(alice, each);
        expect(await outcome()).toBe("refused");
      }
    });

    test("R-FAST-10 a token that is asked for while the old one is invalidated is issued", async () => {
      const { again, mine, token, place, outcome } = await issued();
      const request = "<f:request-token xmlns:f='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate>";
      const { success } = await again({
        client: mine.inline.logout,
        tamper: (xml: string) => xml.replace('"true"', '"1"').replace("</authenticate>", request),
      });
      expect(attribute(success, "token")).toMatch(/^[\w-]{43}$/);
      expect(await infos(place)).toEqual([[phone, undefined]]);
      mine.store.set(alice, token);
      expect(await outcome()).toBe("refused");
      mine.store.set(alice, { ...token, token: attribute(success, "token") as string });
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-10 a refused login invalidates nothing", async () => {
      const { again, mine, token, place, outcome } = await issued();
      mine.store.set(alice, { ...token, token: "wrong" });
      await expect(again({ client: mine.inline.logout })).rejects.toMatchObject({ code: "no-common-mechanism" });
      expect(await infos(place)).toEqual([[phone, undefined]]);
      mine.store.set(alice, token);
      expect(await outcome()).toBeUndefined();
    });

    test("R-FAST-11 a token that expired or is not trusted any more is told so", async () => {
      const seen: unknown[] = [];
      let trusted = true;
      const { outcome, mine, token, clock, place } = await issued({
        trusts(info, about) {
          seen.push({ ...info, ...about });
          return trusted;
        },
      });
      expect(await outcome()).toBeUndefined();
      trusted = false;
      expect(await outcome()).toBe("credentials-expired");
      expect(seen[1]).toMatchObject({ client: phone, mechanism: "HT-SHA-256-NONE", jid: alice, host: "example.com" });
      expect(JSON.stringify(seen)).not.toContain(token.token);
      expect(await infos(place)).toEqual([[phone, 1]]);
      trusted = true;
      clock.time += 21 * day;
      mine.store.set(alice, { ...token, expires: 2 ** 50 });
      expect(await outcome()).toBe("credentials-expired");
    });

    const ends: readonly [what: string, end: (place: Service) => unknown][] = [
      [
        "a password change",
        async ({ accounts, tokens }) => {
          const mechanisms = [plain, ...tokens.mechanisms];
          const { changes } = await passwordChange("another", { name: "alice", mechanisms });
          await accounts.store?.("alice", changes);
        },
      ],
      ["the removal of the account", ({ accounts }) => accounts.remove?.("alice")],
      ["an administrator", ({ tokens }) => tokens.revoke("alice")],
    ];
    test.each(ends)("R-FAST-12 end with %s", async (_, end) => {
      const { place, outcome } = await issued();
      expect(await outcome()).toBeUndefined();
      await end(place);
      expect(await outcome()).toBe("refused");
    });

    test("survive a restart of the server, with and without a secret", async () => {
      for (const secret of [undefined, new Uint8Array(32).fill(7)]) {
        const { mine, accounts } = await issued({ secret, accounts: memoryAccounts({ alice: password }) });
        const restarted = service({ accounts, secret });
        const login2 = await login(kit, restarted, { id: phone, client: mine.inline });
        expect(login2).toMatchObject({ mechanism: "HT-SHA-256-NONE", result: { authcid: "alice" } });
      }
    });

    test("R-FAST-08 two clients that rotate at once lose nothing", async () => {
      const accounts = slow(memoryAccounts({ alice: password }));
      const { place, mine, clock } = await issued({ accounts });
      const other = device(place, tablet);
      await login(kit, place, { id: tablet, client: other.inline, password });
      clock.time += 2 * day;
      const both = () => Promise.all([mine, other].map(({ id, inline }) => login(kit, place, { id, client: inline })));
      expect((await both()).map((each) => each.fast)).toEqual(Array(2).fill({ used: true, expires: start + 23 * day }));
      expect(await place.tokens.list("alice")).toHaveLength(4);
      expect((await both()).map((each) => each.fast)).toEqual(Array(2).fill({ used: true }));
      expect(new Set((await infos(place)).map(([client]) => client))).toEqual(new Set([phone, tablet]));
      expect(await place.tokens.list("alice")).toHaveLength(2);
    });

    test("R-FAST-08 one client that logs in twice at once can log in again", async () => {
      const accounts = slow(memoryAccounts({ alice: password }));
      const { again, clock } = await issued({ accounts });
      clock.time += 2 * day;
      const both = await Promise.all([again(), again()]);
      expect(both.map((each) => each.mechanism)).toEqual(["HT-SHA-256-NONE", "HT-SHA-256-NONE"]);
      expect((await again()).mechanism).toBe("HT-SHA-256-NONE");
    });
  });

  test(`is of one service alone: tokens of another do not work, ${kit.name}`, async () => {
    const here = service();
    const there = hashedTokens({ accounts: memoryAccounts({ alice: password }), hashes: [htSha256] });
    const mine = device(here);
    await login(kit, here, { id: mine.id, client: mine.inline, password });
    const foreign = fastServer({ tokens: there, now: here.now });
    const outcome = login(kit, { inline: foreign, sasl: here.sasl }, { id: mine.id, client: mine.inline });
    await expect(outcome).rejects.toMatchObject({ code: "no-common-mechanism" });
  });
}
