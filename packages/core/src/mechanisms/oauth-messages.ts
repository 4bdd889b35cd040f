/**
 * What the OAuth mechanisms have in common: pairs of keys and values, and how a token is refused. Source: RFC 7628 §3.
 *
 * @module
 */
import type { TokenVerdict } from "../accounts.js";
import { AuthenticationFailure, SASLFailure } from "../errors.js";
import { afterRefusal } from "../internal/after-refusal.js";
import type { ClientContext, ClientConversation, Heard, ServerContext, ServerOutcome } from "../mechanism.js";

/** What the server said about a token (RFC 7628 §3.2.2): found in `opaqueError` of the failure. */
export interface OAuthError {
  /** `invalid_token`, `insufficient_scope`, …; `unknown` when the server sent something else than JSON with a status. */
  readonly status: string;
  readonly scope?: string | undefined;
  /** Where the provider describes itself; an https URL or absent. Never fetched here. */
  readonly openidConfiguration?: string | undefined;
}

export const separator: string = "\x01";
export const kvsep: Uint8Array = /* @__PURE__ */ new Uint8Array([1]);

/** Whatever is heard here but silence means that the token was refused, also when the server then says success. */
export async function* hearVerdict(ctx: ClientContext, heard: Heard, acknowledgement: Uint8Array): ClientConversation {
  if (heard === undefined) return;
  const error = parseOAuthError(heard);
  const status = /^[a-z0-9_]{1,40}$/.test(error.status) ? error.status : "see opaqueError"; // a server may echo the token
  const refused = new AuthenticationFailure("refused", `the server refused the token: ${status}`, {
    opaqueError: error,
  });
  yield* afterRefusal(ctx, acknowledgement, refused);
}

/** Reads RFC 7628 §3.2.2's object; what is none of that kind is a refusal too (R-OAUTH-09). */
function parseOAuthError(challenge: Uint8Array): OAuthError {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(challenge));
  } catch {
    return { status: "unknown" };
  }
  const read = (name: string): string | undefined => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    const field = (value as Record<string, unknown>)[name];
    return typeof field === "string" && /^[\x20-\x7e]{1,1024}$/.test(field) ? field : undefined;
  };
  const url = read("openid-configuration");
  return {
    status: read("status") ?? "unknown",
    scope: read("scope"),
    openidConfiguration: url?.startsWith("https://") ? url : undefined, // R-OAUTH-10
  };
}

/** Why a token is refused; `undefined` when it is good. */
function refusalOf(verdict: TokenVerdict): Extract<TokenVerdict, { ok: false }> | undefined {
  if (verdict.ok !== true) return verdict;
  if (verdict.subject !== "") return undefined;
  return { ok: false, status: "invalid_token", detail: "the token names no subject" };
}

/** Who a good token is for. @throws {AuthenticationFailure} `refused`, which tells the peer nothing more. */
export async function holderOf(
  ctx: ServerContext,
  verdict: TokenVerdict,
  authzid: string | undefined,
): Promise<ServerOutcome> {
  const refusal = refusalOf(verdict);
  if (refusal) throw ctx.fail("refused", "the token was refused", { detail: refusal.detail ?? refusal.status });
  const { subject, mayActAs } = verdict as Extract<TokenVerdict, { ok: true }>;
  const account = await ctx.identify(subject, authzid);
  return { authcid: account.name, authzid, mayActAs };
}

/** RFC 7628 §3.2.2, §3.2.3: the refusal as a challenge, any answer to it, then failure. */
export async function* judge(
  ctx: ServerContext,
  verdict: TokenVerdict,
  authzid: string | undefined,
): AsyncGenerator<Heard, ServerOutcome, Heard> {
  const refusal = refusalOf(verdict);
  if (refusal) {
    const { status, scope, openidConfiguration } = refusal;
    ctx.verdictFollows();
    yield ctx.bytes(JSON.stringify({ status, scope, "openid-configuration": openidConfiguration }));
  }
  return holderOf(ctx, verdict, authzid);
}

/** RFC 7628 §3.1: kvsep *(key "=" value kvsep) kvsep, after the GS2 header. Each key once (R-OAUTH-02). */
export function parsePairs(text: string): ReadonlyMap<string, string> {
  const parts = text.split(separator);
  const framed = parts.length >= 3 && parts.shift() === "" && parts.pop() === "" && parts.pop() === "";
  if (!framed) throw malformed("not a list of pairs");
  const pairs = new Map<string, string>();
  for (const part of parts) {
    // key = 1*ALPHA; value = *(VCHAR / SP / HTAB / CR / LF)
    const match =
      /^([A-Za-z]+)=([\t\r\n\x20-\x7e]*)$/.exec(part) ??
      (part.startsWith("user=") ? /^(user)=([^\0\r\n]+)$/.exec(part) : null);
    if (match === null) throw malformed("something that is no pair");
    const [, key, value] = match as unknown as [string, string, string];
    if (pairs.has(key)) throw malformed(`the key ${key} twice`);
    pairs.set(key, value);
  }
  return pairs;
}

/** R-OAUTH-04: where the client says whom it is talking to, it must be us. */
export function checkTarget(ctx: ServerContext, pairs: ReadonlyMap<string, string>): void {
  const host = pairs.get("host");
  const port = pairs.get("port");
  if (host !== undefined && ctx.host !== undefined && host.toLowerCase() !== ctx.host.toLowerCase()) {
    throw ctx.fail("refused", "the client means another host");
  }
  if (port !== undefined && ctx.port !== undefined && port !== String(ctx.port)) {
    throw ctx.fail("refused", "the client means another port");
  }
}

export function checkedToken(token: string): string {
  if (token === "") throw malformed("an empty token");
  return checked("token", token); // R-OAUTH-11; some servers issue tokens beyond RFC 6750's alphabet
}

export function checked<T extends string | undefined>(what: string, text: T): T {
  if (text !== undefined && /[\0\x01\r\n]/.test(text)) throw malformed(`a control character in the ${what}`);
  return text;
}

export function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", `OAuth message with ${what}`);
}
