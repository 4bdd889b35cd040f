import { inspect } from "node:util";
import { authenticate, type SASLErrorCode, saslError } from "sasl-core";
import { htSha256, htSha512 } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import {
  alice,
  announcing,
  clientAbout,
  day,
  device,
  example,
  find,
  login,
  phone,
  service,
  start,
} from "../../test/fast.js";
import { type Kit, kits, rejection, shape } from "../../test/support.js";
import { fast } from "./fast.js";
import { type FastToken, memoryFastTokens } from "./fast-store.js";

const FAST = "xmlns='urn:xmpp:fast:0'";
const exporter = ["tls-exporter", "tls-server-end-point"];
const stored: FastToken = {
  mechanism: "HT-SHA-256-ENDP",
  token: "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm",
  expires: start + day,
  userAgent: phone,
  count: 122,
};

/** A client with a token, or none. */
function client(token: FastToken | undefined = undefined, more: object = {}) {
  const store = memoryFastTokens();
  store.set(alice, token);
  return { store, feature: fast({ store, hashes: [htSha256], now: () => start, ...more }) };
}

/** The mechanism of the only child, which asks for a token. */
function wanted<E>({ adapter }: Kit<E>, children: readonly E[]): string | undefined {
  expect(children.map((child) => adapter.name(child))).toEqual(["request-token"]);
  return adapter.attribute(children[0] as E, "mechanism");
}

for (const kit of kits) {
  const attributes = ["mechanism", "count", "invalidate", "token", "expiry", "tls-0rtt"];
  const success = (content: string) => kit.parse(`<success xmlns='urn:xmpp:sasl:2'>${content}</success>`);

  describe(`XEP-0484's examples with ${kit.name}`, () => {
    const about = clientAbout(kit, find(kit, example(kit, "announcement"), "authentication"), {
      bindingTypes: ["tls-server-end-point"],
    });

    test("R-FAST-02 asks for the token of §3.2", async () => {
      const [request] = await client().feature.request(about, "SCRAM-SHA-1-PLUS");
      const published = find(kit, example(kit, "token request"), "request-token");
      expect(shape(kit, request, ...attributes)).toEqual(shape(kit, published, ...attributes));
    });

    test.each([
      ["token", "SCRAM-SHA-1-PLUS", "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm", "2020-03-12T14:36:15.000Z"],
      ["rotation", "HT-SHA-256-ENDP", "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu", "2020-03-31T14:36:15.000Z"],
    ])("R-FAST-04 keeps the %s", async (id, mechanism, token, expiry) => {
      const { store, feature } = client(undefined, { now: () => Date.UTC(2020, 0, 1) });
      const expires = Date.parse(expiry);
      expect(await feature.success(example(kit, id), about, mechanism)).toEqual({ used: false, expires });
      expect(await store.get(alice)).toEqual({
        mechanism: "HT-SHA-256-ENDP",
        token,
        expires,
        userAgent: phone,
        count: 0,
      });
    });

    test("R-FAST-05 logs in as in §3.4, and counts", async () => {
      const { store, feature } = client(stored);
      const before = await feature.before?.(about);
      expect(before?.offered).toEqual(["HT-SHA-256-ENDP"]);
      expect(before?.mechanisms.flatMap(({ variants }) => variants.map(({ name }) => name))).toEqual(before?.offered);
      const request = await feature.request(about, "HT-SHA-256-ENDP");
      const published = find(kit, example(kit, "token login"), "fast");
      expect(request.map((each) => shape(kit, each, ...attributes))).toEqual([shape(kit, published, ...attributes)]);
      expect(await store.get(alice)).toEqual({ ...stored, count: 123 });
      const reply = example(kit, "token login succeeds");
      expect(await feature.success(reply, about, "HT-SHA-256-ENDP")).toEqual({ used: true });
      expect(await store.get(alice)).toEqual({ ...stored, count: 123 });
    });

    test("R-FAST-10 invalidates as in §3.6, and forgets the token with the success", async () => {
      const { store, feature } = client(stored);
      expect((await feature.logout.before?.(about))?.offered).toEqual(["HT-SHA-256-ENDP"]);
      const request = await feature.logout.request(about, "HT-SHA-256-ENDP");
      const published = find(kit, example(kit, "invalidation"), "fast");
      expect(request.map((each) => shape(kit, each, ...attributes))).toEqual([shape(kit, published, ...attributes)]);
      expect(await store.get(alice)).toEqual({ ...stored, count: 123 });
      // A server that sends one nevertheless has not understood.
      expect(await feature.logout.success(example(kit, "rotation"), about, "HT-SHA-256-ENDP")).toEqual({ used: true });
      expect(await store.get(alice)).toBeUndefined();
    });
  });

  describe(`a FAST client with ${kit.name}`, () => {
    const all = announcing(kit, "HT-SHA-256-NONE", "HT-SHA-256-ENDP", "HT-SHA-256-EXPR", "HT-SHA-256-UNIQ");

    const preferred: readonly [why: string, bindingTypes: readonly string[], mechanism: string][] = [
      ["what binds best", ["tls-exporter", "tls-server-end-point"], "HT-SHA-256-EXPR"],
      ["the strongest type of this connection", ["tls-unique", "tls-server-end-point"], "HT-SHA-256-UNIQ"],
      ["what the connection has", ["tls-server-end-point"], "HT-SHA-256-ENDP"],
      ["an unbound one where nothing binds", [], "HT-SHA-256-NONE"],
      ["an unbound one where nobody knows the type", ["tls-of-tomorrow"], "HT-SHA-256-NONE"],
    ];
    test.each(preferred)("R-FAST-14 prefers %s", async (_, bindingTypes, mechanism) => {
      const about = clientAbout(kit, all, { bindingTypes });
      expect(wanted(kit, await client().feature.request(about, "PLAIN"))).toBe(mechanism);
    });

    test("R-FAST-14 a binding comes before a longer hash", async () => {
      const { feature } = client(undefined, { hashes: [htSha512, htSha256] });
      const about = (...names: string[]) => clientAbout(kit, announcing(kit, ...names), { bindingTypes: exporter });
      const request = async (...names: string[]) => wanted(kit, await feature.request(about(...names), "PLAIN"));
      expect(await request("HT-SHA-512-NONE", "HT-SHA-256-ENDP")).toBe("HT-SHA-256-ENDP");
      expect(await request("HT-SHA-512-ENDP", "HT-SHA-256-EXPR")).toBe("HT-SHA-256-EXPR");
      expect(await request("HT-SHA-256-EXPR", "HT-SHA-512-EXPR")).toBe("HT-SHA-512-EXPR");
    });

    const silent: readonly [why: string, authentication: unknown, more: object][] = [
      ["no inline at all", kit.parse("<authentication xmlns='urn:xmpp:sasl:2'/>"), {}],
      ["no mechanism", announcing(kit), {}],
      ["mechanisms nobody knows", announcing(kit, "HT-SHA-1024-NONE", "PLAIN", "", "__proto__"), {}],
      ["mechanisms the connection cannot bind to", announcing(kit, "HT-SHA-256-EXPR"), {}],
      ["fast of another namespace", kit.parse(String(kit.serialize(all)).replace("urn:xmpp:fast:0", "urn:other")), {}],
      ["R-FAST-05 a user agent without id", all, { userAgent: { software: "x" } }],
      ["R-FAST-05 a from without local part", all, { from: "example.com" }],
    ];
    test.each(silent)("R-FAST-02 asks for nothing with %s", async (_, authentication, more) => {
      const about = clientAbout(kit, authentication, more);
      const { store, feature } = client({ ...stored, mechanism: "HT-SHA-256-NONE" });
      const { from } = about;
      store.set(from, { ...stored, mechanism: "HT-SHA-256-NONE" });
      expect(await feature.before?.(about)).toBeUndefined();
      expect(await feature.request(about, "PLAIN")).toEqual([]);
      expect(await feature.request(about, "HT-SHA-256-NONE")).toEqual([]);
      expect((await store.get(from))?.count).toBe(122);
    });

    const unusable: readonly [why: string, token: FastToken][] = [
      ["that has expired", { ...stored, expires: start }],
      ["R-FAST-06 of another user agent", { ...stored, userAgent: "another" }],
      ["R-FAST-06 for a mechanism that is not offered", { ...stored, mechanism: "HT-SHA-384-NONE" }],
      ["for a binding that is not here", { ...stored, mechanism: "HT-SHA-256-UNIQ" }],
    ];
    test.each(unusable)("does not use a token %s, and asks for another", async (_, token) => {
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      const { feature } = client(token);
      expect(await feature.before?.(about)).toBeUndefined();
      expect(wanted(kit, await feature.request(about, "PLAIN"))).toBe("HT-SHA-256-EXPR");
    });

    test("R-FAST-14 uses an unbound token and asks for a bound one, once there can be one", async () => {
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      const { store, feature } = client({ ...stored, mechanism: "HT-SHA-256-NONE" });
      expect((await feature.before?.(about))?.offered).toEqual(["HT-SHA-256-NONE"]);
      const children = await feature.request(about, "HT-SHA-256-NONE");
      expect(children.map((each) => shape(kit, each, ...attributes))).toEqual([
        ["fast", "urn:xmpp:fast:0", { count: "123" }],
        ["request-token", "urn:xmpp:fast:0", { mechanism: "HT-SHA-256-EXPR" }],
      ]);
      const reply = success(`<token ${FAST} token='new' expiry='2026-02-01T00:00:00Z'/>`);
      expect(await feature.success(reply, about, "HT-SHA-256-NONE")).toMatchObject({ used: true });
      expect(await store.get(alice)).toMatchObject({ mechanism: "HT-SHA-256-EXPR", token: "new", count: 0 });
    });

    test("keeps to the mechanisms it was told", async () => {
      const { feature } = client(undefined, { mechanisms: ["HT-SHA-256-NONE", "HT-SHA-256-ENDP"] });
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      expect(wanted(kit, await feature.request(about, "PLAIN"))).toBe("HT-SHA-256-ENDP");
      expect(() => client(undefined, { mechanisms: ["PLAIN"] })).toThrow(RangeError);
    });

    const bad: readonly [why: string, content: string][] = [
      ["without a token", `<token ${FAST} expiry='2026-02-01T00:00:00Z'/>`],
      ["with an empty token", `<token ${FAST} token='' expiry='2026-02-01T00:00:00Z'/>`],
      ["with an endless token", `<token ${FAST} token='${"x".repeat(4097)}' expiry='2026-02-01T00:00:00Z'/>`],
      ["without an expiry", `<token ${FAST} token='t'/>`],
      ["with an empty expiry", `<token ${FAST} token='t' expiry=''/>`],
      ["with an expiry that is a day", `<token ${FAST} token='t' expiry='2026-02-01'/>`],
      ["with an expiry without zone", `<token ${FAST} token='t' expiry='2026-02-01T00:00:00'/>`],
      ["with an expiry that is a number", `<token ${FAST} token='t' expiry='1900000000'/>`],
      ["with an expiry on the 30th of February", `<token ${FAST} token='t' expiry='2026-02-30T00:00:00Z'/>`],
      ["that has expired", `<token ${FAST} token='t' expiry='2025-12-31T23:59:59Z'/>`],
      ["that expires this moment", `<token ${FAST} token='t' expiry='2026-01-01T00:00:00Z'/>`],
      ["that comes twice", `<token ${FAST} token='t' expiry='2026-02-01T00:00:00Z'/>`.repeat(2)],
    ];
    test.each(bad)("R-FAST-04 does not keep a token %s", async (_, content) => {
      const { store, feature } = client(stored);
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      await feature.before?.(about);
      const found = await feature.success(success(content), about, "PLAIN");
      expect(found).toEqual({ used: false, rejected: expect.any(String) });
      expect(await store.get(alice)).toEqual(stored);
    });

    const elsewhere: readonly [why: string, content: string][] = [
      ["in another namespace", "<token xmlns='urn:other' token='t' expiry='2026-02-01T00:00:00Z'/>"],
      ["inside another element", `<a xmlns='urn:a'><token ${FAST} token='t' expiry='2026-02-01T00:00:00Z'/></a>`],
    ];
    test.each(elsewhere)("R-FAST-04 does not see a token %s", async (_, content) => {
      const { store, feature } = client(stored);
      const found = await feature.success(success(content), clientAbout(kit, all), "PLAIN");
      expect(found).toEqual({ used: false });
      expect(await store.get(alice)).toEqual(stored);
    });

    test("does not keep what it could not have asked for", async () => {
      const { store, feature } = client();
      const reply = success(`<token ${FAST} token='t' expiry='2026-02-01T00:00:00Z'/>`);
      const found = await feature.success(reply, clientAbout(kit, announcing(kit)), "PLAIN");
      expect(found).toEqual({ used: false, rejected: "it was not asked for" });
      expect(await store.get(alice)).toBeUndefined();
    });

    const verdicts: readonly [code: SASLErrorCode, kept: boolean][] = [
      ["refused", false],
      ["credentials-expired", false],
      ["account-disabled", false],
      ["authorization-refused", false],
      ["mechanism-unsupported", false],
      ["mechanism-too-weak", false],
      ["malformed-message", false],
      ["incorrect-encoding", false],
      ["temporary", true],
      ["limit-exceeded", true],
      ["aborted", false],
      ["channel-not-protected", false],
      ["timed-out", true],
      ["connection-lost", true],
      ["peer-not-verified", true],
    ];
    test.each(verdicts)("R-FAST-13 after %s the token is kept: %s", async (code, kept) => {
      const { store, feature } = client(stored);
      await feature.before?.(clientAbout(kit, all, { bindingTypes: exporter }));
      await feature.refused?.(saslError(code, "no"), alice);
      expect(await store.get(alice)).toEqual(kept ? stored : undefined);
    });

    test("R-FAST-13 a refusal takes no token that came meanwhile", async () => {
      const { store, feature } = client(stored);
      await feature.before?.(clientAbout(kit, all, { bindingTypes: exporter }));
      store.set(alice, { ...stored, token: "newer" });
      await feature.refused?.(saslError("refused", "no"), alice);
      expect(await store.get(alice)).toMatchObject({ token: "newer" });
    });

    test("two logins at once use two counts, and the later token stays", async () => {
      const { store, feature } = client({ ...stored, mechanism: "HT-SHA-256-EXPR" });
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      await Promise.all([feature.before?.(about), feature.before?.(about)]);
      const requests = await Promise.all([
        feature.request(about, "HT-SHA-256-EXPR"),
        feature.request(about, "HT-SHA-256-EXPR"),
      ]);
      expect(requests.map(([request]) => kit.adapter.attribute(request, "count"))).toEqual(["123", "124"]);
      const reply = (day: string) => success(`<token ${FAST} token='of ${day}' expiry='2026-02-${day}T00:00:00Z'/>`);
      await feature.success(reply("02"), about, "HT-SHA-256-EXPR");
      const late = await feature.success(reply("01"), about, "HT-SHA-256-EXPR");
      expect(late).toEqual({ used: true, rejected: "another login got a later one" });
      expect(await store.get(alice)).toMatchObject({ token: "of 02" });
    });

    test("a store that fails ends the login, and not the next one", async () => {
      const memory = memoryFastTokens();
      let broken = true;
      const feature = fast({
        store: {
          get: memory.get,
          set: (...token) => (broken ? Promise.reject(new Error("full")) : memory.set(...token)),
        },
        now: () => start,
        hashes: [htSha256],
      });
      const about = clientAbout(kit, all);
      const reply = success(`<token ${FAST} token='t' expiry='2026-02-01T00:00:00Z'/>`);
      await expect(feature.success(reply, about, "PLAIN")).rejects.toThrow("full");
      broken = false;
      expect(await feature.success(reply, about, "PLAIN")).toMatchObject({
        used: false,
        expires: Date.UTC(2026, 1, 1),
      });
    });

    test("R-FAST-13 nothing that can be looked at shows the token", async () => {
      const { store, feature } = client(stored);
      const about = clientAbout(kit, all, { bindingTypes: exporter });
      const before = await feature.before?.(about);
      const reply = success(`<token ${FAST} token='${stored.token}2' expiry='2026-02-01T00:00:00Z'/>`);
      const found = await feature.success(reply, about, "HT-SHA-256-ENDP");
      const seen =
        inspect([store, feature, before, found], { depth: 9, showHidden: false }) +
        JSON.stringify([store, before, found]);
      expect(seen).not.toContain(stored.token);
    });
  });

  describe(`FAST from end to end with ${kit.name}`, () => {
    test("R-FAST-13 logs in with the password, with the token, and with the password again when it is refused", async () => {
      const place = service();
      const mine = device(place);
      const options = { id: mine.id, client: mine.inline, bindingTypes: exporter, password: "open sesame" };
      expect(await login(kit, place, options)).toMatchObject({ mechanism: "PLAIN", fast: { used: false } });
      const second = await login(kit, place, options);
      expect(second).toMatchObject({ mechanism: "HT-SHA-256-EXPR", codes: [], fast: { used: true } });
      expect(second.result).toMatchObject({ authcid: "alice", channelBinding: "tls-exporter" });
      await place.tokens.revoke("alice");
      const third = await login(kit, place, options);
      expect(third).toMatchObject({ mechanism: "PLAIN", codes: ["refused"], fast: { used: false } });
      expect(await login(kit, place, options)).toMatchObject({ mechanism: "HT-SHA-256-EXPR", codes: [] });
    });

    test("R-FAST-14 no token goes over a channel that is not secure", async () => {
      const place = service();
      const mine = device(place);
      const options = { id: mine.id, client: mine.inline, password: "open sesame" };
      await login(kit, place, options);
      const about = clientAbout(kit, announcing(kit, "HT-SHA-256-NONE"));
      const before = await mine.inline.before?.(about);
      const error = await rejection(
        authenticate(place.sasl.session({ secure: false }), before?.offered ?? [], before?.mechanisms ?? []),
      );
      expect(error).toMatchObject({ code: "no-common-mechanism" });
      expect(error.skipped).toEqual([{ mechanism: "HT-SHA-256-NONE", reason: "needs an encrypted channel" }]);
    });
  });
}
