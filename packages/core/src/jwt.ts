/**
 * `sasl-core/jwt`: bearer tokens that are signed JWTs, judged for OAUTHBEARER and XOAUTH2. For servers; follows semver.
 * Sources: RFC 7519, RFC 8725 (best practice), RFC 9068 (JWTs as access tokens).
 *
 * An entry of its own because it alone needs the package `jose`, an optional peer dependency.
 *
 * @module
 */
import {
  base64url,
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { TokenVerifier } from "./accounts.js";
import { SASLFailure } from "./errors.js";
import { isBytes } from "./internal/bytes.js";

/**
 * Where the keys come from:
 *
 * - a `URL`: a JWK Set fetched from there (https, or http on loopback), kept for 10 minutes and fetched again, at most
 *   every 30 seconds, when a token names a key it lacks;
 * - a JWK Set or one public JWK (RFC 7517). Of one JWK the `kid` is not compared;
 * - a secret for HMAC, raw bytes or a JWK of type `oct`, at least as long as the hash (RFC 7518 §3.2). Copied;
 * - a function, such as one of jose's own resolvers. It throws when it cannot reach its keys.
 */
export type JWTKeys = URL | JSONWebKeySet | JWK | Uint8Array | JWTVerifyGetKey;

/** Signature algorithms, by their names in RFC 7518, RFC 8037 and RFC 9864. `none` is not one. */
export type JWTAlgorithm = `${"HS" | "RS" | "PS" | "ES"}${"256" | "384" | "512"}` | "EdDSA" | "Ed25519" | (string & {});

/** What a token must be like to be taken. */
export interface JWTVerifierOptions {
  readonly keys: JWTKeys;
  /** The algorithms tokens may be signed with, at least 1; those of HMAC only for a secret, and nothing else for it. */
  readonly algorithms: readonly JWTAlgorithm[];
  /** Who may have issued it: `iss`, compared as it is. */
  readonly issuer: string | readonly string[];
  /** Who it must be meant for: `aud` has one of these. Needed unless `allowAnyAudience` is set. */
  readonly audience?: string | readonly string[] | undefined;
  /** True takes tokens this issuer made for other services: whoever runs one of those can log in here with what it is sent. */
  readonly allowAnyAudience?: boolean | undefined;
  /** The claim that names the account, a non-empty string. Default `sub`. */
  readonly usernameClaim?: string | undefined;
  /** Scopes it must all have, in `scope` (RFC 8693 §4.2) or `scp`. Default none. */
  readonly requiredScopes?: readonly string[] | undefined;
  /** The `typ` of its header, such as `at+jwt` (RFC 9068 §2.1), so that no other kind of token passes. Default: not looked at. */
  readonly type?: string | undefined;
  /** How far clocks may be apart, for `exp` and `nbf`. 0 to 300, default 0. */
  readonly clockToleranceSeconds?: number | undefined;
  /** Told to clients whose token was refused: an https URL (RFC 7628 §3.2.2). */
  readonly openidConfiguration?: string | undefined;
  /** How long one fetch of remote keys may take. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Fetches remote keys in place of the global `fetch`. */
  readonly fetch?: ((url: string, options: RequestInit) => Promise<Response>) | undefined;
}

/**
 * A judge of JWTs for `ServerOptions.tokens`.
 *
 * A token must have a signature by one of the keys, `iss`, `aud`, an `exp` to come, and the username claim; `nbf` must be
 * past. One that does not is refused with status `invalid_token`, one without a scope with `insufficient_scope`. Keys
 * that cannot be had now (network, malformed key set) are no verdict: the returned function throws (R-STO-04).
 *
 * @returns a function that throws nothing but `SASLFailure` `temporary`.
 * @throws {TypeError} when an option is missing, or the keys and algorithms do not go together.
 */
export function jwtVerifier(options: JWTVerifierOptions): TokenVerifier {
  const { usernameClaim = "sub", requiredScopes = [], openidConfiguration } = options;
  const checks = checksOf(options, usernameClaim);
  const keys = resolverOf(options);
  if (openidConfiguration !== undefined && !openidConfiguration.startsWith("https://")) {
    throw new TypeError("openidConfiguration is not an https URL");
  }
  const scopes = [...requiredScopes];

  return async (token) => {
    let claims: JWTPayload;
    try {
      claims = await verify(token, keys, checks);
    } catch (error) {
      if (error instanceof KeysUnavailable) {
        throw new SASLFailure("temporary", "the keys for tokens cannot be had at present", { cause: error.cause });
      }
      return { ok: false, status: "invalid_token", openidConfiguration, detail: describe(error) };
    }
    // R-OAUTH-05: a token that names no subject fails.
    const subject = Object.hasOwn(claims, usernameClaim) ? claims[usernameClaim] : undefined;
    if (typeof subject !== "string" || subject === "") {
      return { ok: false, status: "invalid_token", openidConfiguration, detail: `no ${usernameClaim} in the token` };
    }
    const granted = grantedScopes(claims);
    if (!scopes.every((scope) => granted.has(scope))) {
      const detail = "a required scope is missing";
      return { ok: false, status: "insufficient_scope", scope: scopes.join(" "), openidConfiguration, detail };
    }
    return { ok: true, subject };
  };
}

/** The options that jose checks for us, all read now. */
function checksOf(options: JWTVerifierOptions, usernameClaim: string): JWTVerifyOptions {
  const issuer = nonEmpty(options.issuer);
  if (issuer === undefined) throw new TypeError("jwtVerifier needs an issuer");
  const audience = nonEmpty(options.audience);
  if (audience === undefined && options.allowAnyAudience !== true) throw new TypeError("jwtVerifier needs an audience");
  const clockTolerance = options.clockToleranceSeconds ?? 0;
  if (!(clockTolerance >= 0 && clockTolerance <= 300)) throw new TypeError("clockToleranceSeconds is not 0 to 300");
  return {
    algorithms: algorithmsOf(options),
    issuer,
    ...(audience && { audience }),
    ...(options.type !== undefined && { typ: options.type }),
    clockTolerance,
    requiredClaims: ["exp", usernameClaim],
  };
}

function algorithmsOf({ algorithms, keys }: JWTVerifierOptions): string[] {
  const names = nonEmpty(algorithms);
  if (names === undefined) throw new TypeError("jwtVerifier needs algorithms");
  for (const name of names) {
    if (!ALGORITHM.test(name)) throw new TypeError("algorithms has a name that is no JWT signature algorithm");
  }
  // RFC 8725 §3.1: one key, one kind of algorithm. Otherwise a public key could be taken for the secret of an HMAC.
  const hmac = names.filter((name) => name.startsWith("HS")).length;
  if (hmac > 0 && hmac < names.length) throw new TypeError("algorithms mixes HMAC with signatures");
  if (typeof keys !== "function" && hmac > 0 !== (secretOf(keys) !== undefined)) {
    throw new TypeError("HMAC algorithms need a secret for keys, all others public keys");
  }
  return names;
}

/** Every key lookup goes through here, so that its faults can be told from those of a token. */
function resolverOf(options: JWTVerifierOptions): JWTVerifyGetKey {
  const find = finderOf(options);
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (error) {
      if (NO_KEY_CODES.has(codeOf(error))) throw error;
      throw new KeysUnavailable("keys unavailable", { cause: error });
    }
  };
}

function finderOf({ keys, algorithms, timeoutMs = 5000, fetch }: JWTVerifierOptions): JWTVerifyGetKey {
  if (typeof keys === "function") return keys;
  if (keys instanceof URL) {
    const loopback = keys.protocol === "http:" && LOOPBACK.has(keys.hostname);
    if (keys.protocol !== "https:" && !loopback) throw new TypeError("keys is not an https URL");
    return createRemoteJWKSet(keys, { timeoutDuration: timeoutMs, ...(fetch && { [customFetch]: fetch }) });
  }
  const secret = secretOf(keys);
  if (secret !== undefined) {
    const bits = Math.max(...algorithms.map((name) => Number(name.slice(2))));
    if (secret.length * 8 < bits) throw new TypeError(`the secret has fewer than ${bits} bits`); // RFC 7518 §3.2
    return () => secret;
  }
  const single = "kty" in keys;
  let find: ReturnType<typeof createLocalJWKSet>;
  try {
    find = createLocalJWKSet(single ? { keys: [keys as JWK] } : (keys as JSONWebKeySet));
  } catch (cause) {
    throw new TypeError("keys is neither a URL, a JWK Set, a JWK, a secret nor a function", { cause });
  }
  return single ? ({ kid: _, ...header }) => find(header) : find;
}

/** A copy of the secret, if `keys` is one. */
function secretOf(keys: Exclude<JWTKeys, JWTVerifyGetKey>): Uint8Array | undefined {
  if (isBytes(keys)) return Uint8Array.from(keys);
  if (typeof keys !== "object" || keys === null) throw new TypeError("jwtVerifier needs keys");
  return "kty" in keys && keys.kty === "oct" ? base64url.decode(String(keys.k)) : undefined;
}

async function verify(token: string, keys: JWTVerifyGetKey, checks: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, checks)).payload;
  } catch (error) {
    if (codeOf(error) !== "ERR_JWKS_MULTIPLE_MATCHING_KEYS") throw error;
    // No `kid`, several keys that fit: the one whose signature is right, if there is one.
    for await (const key of error as AsyncIterable<CryptoKey>) {
      try {
        return (await jwtVerify(token, key, checks)).payload;
      } catch (next) {
        if (codeOf(next) !== "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") throw next;
      }
    }
    throw error;
  }
}

/** RFC 8693 §4.2: names with a space between; issuers that came before it send `scp`, or an array. */
function grantedScopes(claims: JWTPayload): ReadonlySet<unknown> {
  const granted = new Set<unknown>();
  for (const claim of ["scope", "scp"]) {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    for (const scope of typeof value === "string" ? value.split(" ") : Array.isArray(value) ? value : []) {
      granted.add(scope);
    }
  }
  return granted;
}

/** For the log: jose's code, the claim and the reason. Its messages are left out, as no promise keeps values out of them. */
function describe(error: unknown): string {
  const { claim, reason } = error as { claim?: unknown; reason?: unknown };
  const parts = [codeOf(error) || "the key does not fit", claim, reason];
  return parts.filter((part) => typeof part === "string").join(" ");
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

function nonEmpty(value: string | readonly string[] | undefined): string[] | undefined {
  const list = typeof value === "string" ? [value] : [...(value ?? [])];
  return list.length > 0 && list.every((item) => typeof item === "string" && item !== "") ? list : undefined;
}

class KeysUnavailable extends Error {}

/** What a key set says when it was read well and has no single key for this token. */
const NO_KEY_CODES: ReadonlySet<string> = new Set(["ERR_JWKS_NO_MATCHING_KEY", "ERR_JWKS_MULTIPLE_MATCHING_KEYS"]);

/** RFC 7518 §3.1 without `none`, RFC 8037 §3.1, RFC 9864 §2.2, and ML-DSA as jose names it. */
const ALGORITHM = /^(?:(?:HS|RS|PS|ES)(?:256|384|512)|EdDSA|Ed25519|ML-DSA-(?:44|65|87))$/;

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
