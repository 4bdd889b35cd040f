import fc from "fast-check";
import { base64url, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { TokenVerdict } from "./accounts.js";
import { type JWTVerifierOptions, jwtVerifier } from "./jwt.js";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // the primes of a new key are a matter of luck

const ISSUER = "https://issuer.example";
const AUDIENCE = "mail.example";
const secret = Uint8Array.from({ length: 32 }, (_, at) => at);
const request = { mechanism: "OAUTHBEARER", username: undefined };
const now = (): number => Math.floor(Date.now() / 1000);

type Key = CryptoKey | Uint8Array;
interface Pair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}
const pairs: Record<string, Pair> = {};
beforeAll(async () => {
  for (const [name, algorithm] of Object.entries({ rsa: "RS256", rsa2: "RS256", ec: "ES256", ed: "Ed25519" })) {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    pairs[name] = { ...pair, jwk: await exportJWK(pair.publicKey) };
  }
});
const pair = (name: string): Pair => pairs[name] as Pair;

const standard = (): JWTPayload => ({ iss: ISSUER, aud: AUDIENCE, sub: "alice", exp: now() + 60, scope: "mail chat" });
/** A token with the usual claims but for some; `undefined` leaves a claim out. */
const sign = (key: Key, alg: string, claims: Record<string, unknown> = {}, header: object = {}): Promise<string> =>
  new SignJWT(JSON.parse(JSON.stringify({ ...standard(), ...claims })) as JWTPayload)
    .setProtectedHeader({ alg, ...header })
    .sign(key);
const raw = (header: object, claims: object = standard(), signature = ""): string =>
  `${base64url.encode(JSON.stringify(header))}.${base64url.encode(JSON.stringify(claims))}.${signature}`;

const options = (more: Partial<JWTVerifierOptions> = {}): JWTVerifierOptions => ({
  keys: secret,
  algorithms: ["HS256"],
  issuer: ISSUER,
  audience: AUDIENCE,
  ...more,
});
const judge = async (token: string, more: Partial<JWTVerifierOptions> = {}): Promise<TokenVerdict> =>
  jwtVerifier(options(more))(token, request);
const rsa = (): Partial<JWTVerifierOptions> => ({ keys: pair("rsa").jwk, algorithms: ["RS256"] });

describe("good tokens", () => {
  const alice = { ok: true, subject: "alice" };

  test("HS256 by raw secret, and by an oct JWK", async () => {
    const token = await sign(secret, "HS256");
    expect(await judge(token)).toEqual(alice);
    expect(await judge(token, { keys: { kty: "oct", k: base64url.encode(secret) } })).toEqual(alice);
  });

  for (const [name, alg] of [
    ["rsa", "RS256"],
    ["rsa", "PS256"],
    ["ec", "ES256"],
    ["ed", "Ed25519"],
  ] as const) {
    test(`${alg} by a JWK, by a set, and by a function`, async () => {
      const key = alg === "PS256" ? await generateKeyPair(alg) : pair(name);
      const jwk = await exportJWK(key.publicKey);
      const token = await sign(key.privateKey, alg, {}, { kid: "any" });
      expect(await judge(token, { keys: jwk, algorithms: [alg] })).toEqual(alice);
      const keys = [pair("rsa2").jwk, { ...jwk, kid: "any" }];
      expect(await judge(token, { keys: { keys }, algorithms: ["RS512", alg] })).toEqual(alice);
      expect(await judge(token, { keys: () => key.publicKey, algorithms: [alg] })).toEqual(alice);
    });
  }

  test("one of several keys without kid", async () => {
    const keys = { keys: [pair("rsa2").jwk, pair("rsa").jwk] };
    expect(await judge(await sign(pair("rsa").privateKey, "RS256"), { keys, algorithms: ["RS256"] })).toEqual(alice);
  });

  test("several issuers and audiences, the type asked for, a claim of one's own", async () => {
    const claims = {
      iss: "https://two.example",
      aud: ["x", AUDIENCE],
      email: "a@example",
      scope: undefined,
      scp: ["mail"],
    };
    const more = {
      issuer: [ISSUER, "https://two.example"],
      audience: ["y", AUDIENCE],
      usernameClaim: "email",
      type: "at+jwt",
      requiredScopes: ["mail"],
    };
    const token = await sign(secret, "HS256", claims, { typ: "at+jwt" });
    expect(await judge(token, more)).toEqual({ ok: true, subject: "a@example" });
  });

  test("without audience only when every audience is allowed", async () => {
    const token = await sign(secret, "HS256", { aud: undefined });
    expect(await judge(token, { audience: undefined, allowAnyAudience: true })).toEqual(alice);
    expect(await judge(token)).toMatchObject({ ok: false, status: "invalid_token" });
  });

  test("an expiry just past, within the tolerance for clocks", async () => {
    const token = await sign(secret, "HS256", { exp: now() - 5, nbf: now() + 5 });
    expect(await judge(token, { clockToleranceSeconds: 30 })).toEqual(alice);
    expect(await judge(token)).toMatchObject({ ok: false });
  });

  test("later changes to options and keys have no effect", async () => {
    const mine = Uint8Array.from(secret);
    const algorithms = ["HS256"];
    const requiredScopes: string[] = [];
    const verifier = jwtVerifier(options({ keys: mine, algorithms, requiredScopes }));
    mine.fill(0);
    algorithms[0] = "none";
    requiredScopes.push("root");
    expect(await verifier(await sign(secret, "HS256"), request)).toEqual(alice);
  });
});

describe("refused tokens", () => {
  type Row = readonly [why: string, token: () => string | Promise<string>, more?: () => Partial<JWTVerifierOptions>];
  const rows: readonly Row[] = [
    ["expired", () => sign(secret, "HS256", { exp: now() - 1 })],
    ["expired, with a JWK", () => sign(pair("rsa").privateKey, "RS256", { exp: now() - 1 }), rsa],
    ["without expiry", () => sign(secret, "HS256", { exp: undefined })],
    ["with an expiry in text", () => sign(secret, "HS256", { exp: "never" })],
    ["not valid yet", () => sign(secret, "HS256", { nbf: now() + 60 })],
    ["of another issuer", () => sign(secret, "HS256", { iss: "https://issuer.example.evil" })],
    ["of no issuer", () => sign(secret, "HS256", { iss: undefined })],
    ["for another audience", () => sign(secret, "HS256", { aud: "chat.example" })],
    ["for no audience", () => sign(secret, "HS256", { aud: undefined })],
    ["for an audience within an object", () => sign(secret, "HS256", { aud: { mail: AUDIENCE } })],
    ["R-OAUTH-05 without sub", () => sign(secret, "HS256", { sub: undefined })],
    ["R-OAUTH-05 with an empty sub", () => sign(secret, "HS256", { sub: "" })],
    ["R-OAUTH-05 with a number for sub", () => sign(secret, "HS256", { sub: 7 })],
    ["R-OAUTH-05 with a list for sub", () => sign(secret, "HS256", { sub: ["alice"] })],
    ["R-OAUTH-05 without the claim asked for", () => sign(secret, "HS256"), () => ({ usernameClaim: "email" })],
    [
      "R-OAUTH-05 with a claim every object inherits",
      () => sign(secret, "HS256"),
      () => ({ usernameClaim: "toString" }),
    ],
    ["R-OAUTH-05 with a name from a prototype", () => sign(secret, "HS256"), () => ({ usernameClaim: "__proto__" })],
    ["of another type", () => sign(secret, "HS256", {}, { typ: "JWT" }), () => ({ type: "at+jwt" })],
    ["by a foreign secret", () => sign(Uint8Array.from(secret).reverse(), "HS256")],
    ["by a foreign RSA key", () => sign(pair("rsa2").privateKey, "RS256"), rsa],
    [
      "by a foreign EC key",
      async () => sign((await generateKeyPair("ES256")).privateKey, "ES256"),
      () => ({ keys: pair("ec").jwk, algorithms: ["ES256"] }),
    ],
    [
      "by none of several keys",
      async () => sign((await generateKeyPair("RS256")).privateKey, "RS256"),
      () => ({ keys: { keys: [pair("rsa").jwk, pair("rsa2").jwk] }, algorithms: ["RS256"] }),
    ],
    [
      "naming a key the set lacks",
      () => sign(pair("rsa").privateKey, "RS256", {}, { kid: "b" }),
      () => ({ keys: { keys: [{ ...pair("rsa").jwk, kid: "a" }] }, algorithms: ["RS256"] }),
    ],
    [
      "bringing its own key",
      () => sign(pair("rsa2").privateKey, "RS256", {}, { jwk: pair("rsa2").jwk, jku: "https://evil.example" }),
      rsa,
    ],
    ["by another algorithm of the same key", () => sign(new Uint8Array(64), "HS512")],
    [
      "by an algorithm the curve lacks",
      () => sign(pair("ec").privateKey, "ES256"),
      () => ({ ...rsa(), algorithms: ["ES256"] }),
    ],
    [
      "by an algorithm the function's key lacks",
      () => sign(pair("ec").privateKey, "ES256"),
      () => ({ keys: () => pair("rsa").publicKey, algorithms: ["ES256", "RS256"] }),
    ],
    [
      "by the public key taken for a secret",
      () => sign(new TextEncoder().encode(JSON.stringify(pair("rsa").jwk)), "HS256"),
      rsa,
    ],
    ["with algorithm none", () => raw({ alg: "none" })],
    ["with algorithm none, with a JWK", () => raw({ alg: "none" }), rsa],
    ["with algorithm NONE", () => raw({ alg: "NONE" })],
    ["with no algorithm", () => raw({ typ: "JWT" })],
    ["with an unknown critical header", () => raw({ alg: "HS256", crit: ["x"], x: 1 }, standard(), "AA")],
    ["with an empty signature", () => raw({ alg: "HS256" })],
    ["with claims that are no object", () => raw({ alg: "HS256" }, [1])],
    ["of two parts", () => "e30.e30"],
    ["of five parts", () => "e30.e30.e30.e30.e30"],
    ["of dots", () => ".."],
    ["opaque", () => "ya29.vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg"],
    ["empty", () => ""],
    ["long", () => "A".repeat(100_000)],
  ];
  for (const [why, token, more] of rows) {
    test(`a token ${why} is an invalid_token`, async () => {
      const verdict = await judge(await token(), more?.());
      expect(verdict).toMatchObject({ ok: false, status: "invalid_token" });
    });
  }

  test("a changed claim is an invalid_token", async () => {
    const [header, , signature] = (await sign(secret, "HS256")).split(".");
    const forged = base64url.encode(JSON.stringify({ ...standard(), sub: "root" }));
    expect(await judge(`${header}.${forged}.${signature}`)).toMatchObject({ ok: false, status: "invalid_token" });
  });

  test("a missing scope is insufficient_scope, with the scopes needed", async () => {
    const needed = { requiredScopes: ["mail", "mail.send"] };
    const verdict = { ok: false, status: "insufficient_scope", scope: "mail mail.send" };
    for (const scope of [
      "mail",
      "mail.sender",
      "mail,mail.send",
      "",
      undefined,
      7,
      { "mail.send": true, mail: true },
    ]) {
      expect(await judge(await sign(secret, "HS256", { scope }), needed)).toMatchObject(verdict);
    }
    expect(await judge(await sign(secret, "HS256", { scope: "mail.send mail" }), needed)).toMatchObject({ ok: true });
  });

  test("the verdict names where to find tokens, and neither token nor claims", async () => {
    const openidConfiguration = "https://issuer.example/.well-known/openid-configuration";
    const token = await sign(secret, "HS256", { aud: "chat.example" });
    const verdict = await judge(token, { openidConfiguration });
    expect(verdict).toMatchObject({ ok: false, openidConfiguration });
    const shown = JSON.stringify(verdict);
    for (const part of [...token.split("."), "chat.example", "alice"]) expect(shown).not.toContain(part);
  });

  test("any text is an invalid_token and never throws", async () => {
    const parts = fc.oneof(
      fc.base64String(),
      fc.json().map((text) => base64url.encode(text)),
      fc.string(),
    );
    const tokens = fc.oneof(
      fc.string(),
      fc.array(parts, { minLength: 1, maxLength: 6 }).map((all) => all.join(".")),
    );
    const verifier = jwtVerifier(options());
    await fc.assert(
      fc.asyncProperty(tokens, async (token) => {
        expect(await verifier(token, request)).toMatchObject({ ok: false, status: "invalid_token" });
      }),
      { numRuns: 500 },
    );
  });
});

describe("remote keys", () => {
  const url = new URL("https://issuer.example/jwks.json");
  const remote = (fetch: JWTVerifierOptions["fetch"], more: Partial<JWTVerifierOptions> = {}) =>
    jwtVerifier(options({ keys: url, algorithms: ["RS256"], fetch, ...more }));
  const keySet = (...keys: JWK[]): Response => Response.json({ keys });

  test("are fetched once for many tokens, also at the same time", async () => {
    const fetch = vi.fn(async () => keySet(pair("rsa").jwk));
    const verifier = remote(fetch);
    const token = await sign(pair("rsa").privateKey, "RS256");
    const verdicts = await Promise.all(Array.from({ length: 10 }, () => verifier(token, request)));
    expect(verdicts.every(({ ok }) => ok)).toBe(true);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test("are not fetched for tokens that cannot be good", async () => {
    const fetch = vi.fn(async () => keySet(pair("rsa").jwk));
    const verifier = remote(fetch);
    for (const token of ["", "opaque", raw({ alg: "none" }), await sign(secret, "HS256")]) {
      expect(await verifier(token, request)).toMatchObject({ ok: false });
    }
    expect(fetch).not.toHaveBeenCalled();
  });

  test("are not fetched again for each token with an unknown kid", async () => {
    const fetch = vi.fn(async () => keySet({ ...pair("rsa").jwk, kid: "a" }));
    const verifier = remote(fetch);
    for (const kid of ["b", "c", "d"]) {
      const token = await sign(pair("rsa2").privateKey, "RS256", {}, { kid });
      expect(await verifier(token, request)).toMatchObject({ ok: false, status: "invalid_token" });
    }
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  const faults: readonly [why: string, fetch: () => Promise<Response>][] = [
    ["the network fails", () => Promise.reject(new TypeError("fetch failed"))],
    ["the server errs", async () => new Response("down", { status: 503 })],
    ["the server says 404", async () => new Response("{}", { status: 404 })],
    [
      "the server redirects",
      async () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    ],
    ["the answer is no JSON", async () => new Response("<html>")],
    ["the answer is no key set", async () => Response.json({ keys: 7 })],
    ["the only key is malformed", async () => Response.json({ keys: [{ kty: "RSA", n: "AQ" }] })],
    ["the only key is private", async () => keySet(await exportJWK(pair("rsa").privateKey))],
  ];
  for (const [why, fetch] of faults) {
    test(`R-STO-04 when ${why} the exchange fails as temporary, and the token is not refused`, async () => {
      const token = await sign(pair("rsa").privateKey, "RS256");
      await expect(remote(fetch)(token, request)).rejects.toMatchObject({ kind: "SASLFailure", code: "temporary" });
    });
  }

  test("R-STO-04 when the server does not answer in time it is temporary", async () => {
    const fetch = (_: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const token = await sign(pair("rsa").privateKey, "RS256");
    await expect(remote(fetch, { timeoutMs: 20 })(token, request)).rejects.toMatchObject({ code: "temporary" });
  });

  test("R-STO-04 when a function for keys throws it is temporary; the next token may find them", async () => {
    let down = true;
    const keys = (): CryptoKey => {
      if (down) throw new Error("database closed");
      return pair("rsa").publicKey;
    };
    const verifier = jwtVerifier(options({ keys, algorithms: ["RS256"] }));
    const token = await sign(pair("rsa").privateKey, "RS256");
    await expect(verifier(token, request)).rejects.toMatchObject({ code: "temporary" });
    down = false;
    expect(await verifier(token, request)).toMatchObject({ ok: true });
  });
});

describe("misuse is a TypeError", () => {
  const rows: readonly [why: string, more: () => Record<string, unknown>][] = [
    ["no keys", () => ({ keys: undefined })],
    ["text for keys", () => ({ keys: "secret".repeat(10) })],
    ["an object that is no key", () => ({ keys: {}, algorithms: ["RS256"] })],
    ["a list that is no key set", () => ({ keys: { keys: "all" }, algorithms: ["RS256"] })],
    ["a secret shorter than the hash", () => ({ keys: secret.subarray(1) })],
    ["a secret shorter than the longest hash", () => ({ algorithms: ["HS256", "HS512"] })],
    ["an empty secret", () => ({ keys: new Uint8Array() })],
    ["no algorithms", () => ({ algorithms: [] })],
    ["algorithm none", () => ({ algorithms: ["none"] })],
    ["algorithm none among others", () => ({ algorithms: ["HS256", "none"] })],
    ["an unknown algorithm", () => ({ algorithms: ["HS257"] })],
    ["HMAC beside signatures", () => ({ keys: () => secret, algorithms: ["HS256", "RS256"] })],
    ["HMAC with a public key", () => ({ keys: pair("rsa").jwk })],
    ["HMAC with a key set", () => ({ keys: { keys: [pair("rsa").jwk] } })],
    ["HMAC with a URL", () => ({ keys: new URL("https://issuer.example") })],
    ["signatures with a secret", () => ({ algorithms: ["RS256"] })],
    ["keys over http", () => ({ keys: new URL("http://issuer.example"), algorithms: ["RS256"] })],
    ["keys from a file", () => ({ keys: new URL("file:///etc/passwd"), algorithms: ["RS256"] })],
    ["no issuer", () => ({ issuer: undefined })],
    ["an empty issuer", () => ({ issuer: "" })],
    ["an empty list of issuers", () => ({ issuer: [] })],
    ["no audience", () => ({ audience: undefined })],
    ["an empty audience", () => ({ audience: [""] })],
    ["a negative tolerance", () => ({ clockToleranceSeconds: -1 })],
    ["a tolerance of a day", () => ({ clockToleranceSeconds: 86400 })],
    ["a tolerance that is no number", () => ({ clockToleranceSeconds: Number.NaN })],
    ["a configuration over http", () => ({ openidConfiguration: "http://issuer.example" })],
  ];
  for (const [why, more] of rows) {
    test(why, () => expect(() => jwtVerifier(options(more() as Partial<JWTVerifierOptions>))).toThrow(TypeError));
  }

  test("http on loopback is no misuse", () => {
    for (const host of ["localhost:8080", "127.0.0.1", "[::1]:1"]) {
      expect(() => jwtVerifier(options({ keys: new URL(`http://${host}/`), algorithms: ["RS256"] }))).not.toThrow();
    }
  });
});
