/**
 * OAUTH10A: a signature made with an OAuth 1.0a token instead of a password. Sources: RFC 7628 §3, RFC 5849.
 *
 * The client asks for the consumer's key and the token, and signs with their secrets by HMAC-SHA1 or asks a function to
 * sign. The server asks a callback, of which {@link hmacSha1Verifier} is one; a refusal travels as JSON in a challenge.
 *
 * @module
 */
import type { TokenVerdict } from "../accounts.js";
import { clientMechanism, type SASLMechanism } from "../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../credentials.js";
import { decodeBase64 } from "../internal/base64.js";
import { type UseOnce, unconfigured, usedOnce } from "../internal/browser-login.js";
import { equalBytes } from "../internal/bytes.js";
import { formatGs2Header, parseGs2Header } from "../internal/gs2.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import type { MaybePromise } from "../runtime/contract.js";
import { checked, checkTarget, hearVerdict, judge, kvsep, malformed, parsePairs, separator } from "./oauth-messages.js";
import {
  hmacSha1,
  hmacSha1Signature,
  partsOf,
  percentDecoded,
  percentEncoded,
  signatureBase,
} from "./oauth10a-signature.js";

/** What OAUTH10A logs in with. The secrets, or a function that signs. */
export interface OAuth10aCredentials {
  /** Whom the token is for; also the identity to act as, where `authzid` says no other. */
  readonly username?: string | undefined;
  readonly authzid?: string | undefined;
  readonly consumerKey: string;
  readonly consumerSecret?: string | undefined;
  readonly token: string;
  readonly tokenSecret?: string | undefined;
  /** Shown to the server, not signed. */
  readonly realm?: string | undefined;
  /** The method `sign` signs with. Default `HMAC-SHA1`. */
  readonly signatureMethod?: string | undefined;
  /** Signs the signature base string (RFC 5849 §3.4.1): in base64, as in the header before it is percent-encoded. */
  readonly sign?: ((baseString: string) => MaybePromise<string>) | undefined;
}

const need: CredentialNeed<OAuth10aCredentials> = /* @__PURE__ */ credentialNeed<OAuth10aCredentials>("oauth10a", [
  ["consumerKey"],
  ["token"],
  ["consumerSecret", "sign"],
]);

async function* client(ctx: ClientContext): ClientConversation {
  const given = await ctx.credentials(need);
  const { host, port } = ctx;
  // RFC 7628 §3.1: a signature is for one host and port
  if (host === undefined || port === undefined) throw ctx.fail("no-credentials", "OAUTH10A needs a host and a port");
  const { realm, consumerKey, token, signatureMethod = hmacSha1 } = given;
  const signed: readonly (readonly [string, string])[] = [
    ["oauth_consumer_key", consumerKey],
    ["oauth_token", token],
    ["oauth_signature_method", signatureMethod],
    ["oauth_timestamp", String(Math.floor(Date.now() / 1000))],
    ["oauth_nonce", ctx.nonce()],
  ];
  const baseString = signatureBase({ host: checked("host", host), port: String(port) }, signed);
  const sign = given.sign ?? ((text: string) => hmacSha1Signature(text, given));
  const all = [
    ...(realm === undefined ? [] : [["realm", realm]]),
    ...signed,
    ["oauth_signature", await sign(baseString)],
  ];
  const auth = all.map(([name, value]) => `${name}="${percentEncoded(value as string)}"`).join(",");
  const header = formatGs2Header("n", undefined, checked("authzid", given.authzid ?? given.username));
  const message = [header, `host=${host}`, `port=${port}`, `auth=OAuth ${auth}`, separator].join(separator);
  yield* hearVerdict(ctx, yield ctx.final(ctx.bytes(message)), kvsep);
}

/** A login as the server's callback sees it. All of it is what the client wrote, without percent-encoding. */
export interface OAuth10aRequest {
  /** Whom the client wants to act as. */
  readonly authzid: string | undefined;
  readonly consumerKey: string;
  readonly token: string;
  readonly realm: string | undefined;
  /** `HMAC-SHA1`, `RSA-SHA1`; `PLAINTEXT` signs nothing and never gets here. */
  readonly signatureMethod: string;
  /** In base64. */
  readonly signature: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly nonce: string;
  /** What has to be signed, made from what the server received (RFC 5849 §3.4.1). */
  readonly baseString: string;
}

/** What a server needs for OAUTH10A. */
export interface OAuth10aServerOptions {
  /**
   * Judges a login: signature, time, and whether its nonce was used before. What it throws fails the login as temporary.
   */
  verify(request: OAuth10aRequest): MaybePromise<TokenVerdict>;
}

function serverWith({ verify }: OAuth10aServerOptions): NonNullable<Mechanism["server"]> {
  return async function* server(ctx: ServerContext): ServerConversation {
    const message = ctx.text(yield);
    const { flag, text, authzid } = parseGs2Header(message);
    if (flag === "p") throw ctx.fail("malformed-message", "this mechanism binds to no channel");
    const pairs = parsePairs(message.slice(text.length));
    checkTarget(ctx, pairs);
    return yield* judge(ctx, await verify(parseRequest(pairs, authzid)), authzid);
  };
}

/** @throws {SASLFailure} `malformed-message` where host, port or a parameter is missing, or one is there twice. */
function parseRequest(pairs: ReadonlyMap<string, string>, authzid: string | undefined): OAuth10aRequest {
  const [host, port] = [pairs.get("host"), pairs.get("port")];
  if (!host || !port || !/^[1-9][0-9]{0,4}$/.test(port)) throw malformed("no host or no port"); // RFC 7628 §3.1
  const parameters = parseAuth(pairs.get("auth"));
  const read = (name: string): string => {
    const value = parameters.get(name);
    if (!value) throw malformed(`no ${name}`);
    return value;
  };
  const version = parameters.get("oauth_version") ?? "1.0"; // RFC 5849 §3.1
  const signatureMethod = read("oauth_signature_method");
  if (version !== "1.0" || signatureMethod === "PLAINTEXT") throw malformed("nothing that is signed as it must be");
  const time = read("oauth_timestamp");
  if (!/^[1-9][0-9]{0,11}$/.test(time)) throw malformed("a timestamp that is none");
  const signed = [...parameters].filter(([name]) => name !== "realm" && name !== "oauth_signature");
  const [method, path, query, post] = ["mthd", "path", "qs", "post"].map((key) => pairs.get(key));
  return {
    authzid,
    consumerKey: read("oauth_consumer_key"),
    token: read("oauth_token"),
    realm: parameters.get("realm"),
    signatureMethod,
    signature: read("oauth_signature"),
    timestamp: Number(time),
    nonce: read("oauth_nonce"),
    baseString: signatureBase({ host, port, method, path, query, post }, signed),
  };
}

/** RFC 5849 §3.5.1: `OAuth` and parameters with quoted, percent-encoded values. */
function parseAuth(auth: string | undefined): ReadonlyMap<string, string> {
  const [, list] = /^oauth +(.+)$/is.exec(auth ?? "") ?? [];
  if (list === undefined) throw malformed("no OAuth parameters");
  const parameters = new Map<string, string>();
  for (const each of partsOf(list, ",")) {
    const [, name, value] = /^\s*([A-Za-z0-9_]+)="([^"\s]*)"\s*$/.exec(each) ?? [];
    if (name === undefined || value === undefined || parameters.has(name))
      throw malformed("a list of parameters that is none");
    parameters.set(name, percentDecoded(value));
  }
  return parameters;
}

/** What belongs to a consumer and a token. */
export interface OAuth10aSecrets {
  readonly consumerSecret: string;
  readonly tokenSecret: string;
  /** Name of the account the token is for. */
  readonly subject: string;
  /** Further names the token may act as. */
  readonly mayActAs?: readonly string[] | undefined;
}

/** How signatures are judged. */
export interface HmacSha1VerifierOptions {
  /** The secrets; `undefined` for a consumer or a token nobody has. */
  secrets(consumerKey: string, token: string): MaybePromise<OAuth10aSecrets | undefined>;
  /** Most that a timestamp may differ from our clock, in milliseconds. Default 300000. */
  readonly maxAgeMs?: number | undefined;
  /** False for a nonce (with consumer, token and timestamp) that was used before. Default: remembered in this process. */
  readonly useOnce?: UseOnce | undefined;
}

/** Judges HMAC-SHA1 signatures, for {@link oauth10aServer}. The secrets have to be kept as they are, which OAuth 1.0a asks for. */
export function hmacSha1Verifier(options: HmacSha1VerifierOptions): OAuth10aServerOptions["verify"] {
  const { maxAgeMs = 300_000, useOnce = usedOnce() } = options;
  const refused = (detail: string): TokenVerdict => ({ ok: false, status: "invalid_token", detail });
  return async ({ consumerKey, token, signatureMethod, signature, timestamp, nonce, baseString }) => {
    if (signatureMethod !== hmacSha1) return refused("another signature method");
    if (!(Math.abs(Date.now() - timestamp * 1000) <= maxAgeMs))
      return refused("a timestamp that is too old or too new");
    const secrets = await options.secrets(consumerKey, token);
    // One that is missing is not an empty one, with which anybody can sign.
    if (secrets && !(typeof secrets.consumerSecret === "string" && typeof secrets.tokenSecret === "string")) {
      throw new TypeError("a consumer or a token without its secret");
    }
    // As much work for a token nobody has.
    const expected = await hmacSha1Signature(baseString, secrets ?? {});
    if (!equalBytes(decodeBase64(expected), encodedSignature(signature)) || !secrets) {
      return refused(secrets ? "wrong signature" : "a consumer or a token nobody has");
    }
    const key = JSON.stringify([consumerKey, token, timestamp, nonce]); // RFC 5849 §3.3
    const fresh = await useOnce(key, new Date(timestamp * 1000 + maxAgeMs));
    return fresh === true
      ? { ok: true, subject: secrets.subject, mayActAs: secrets.mayActAs }
      : refused("a nonce that was used before");
  };
}

/** What is no base64 is a wrong signature like any other. */
function encodedSignature(signature: string): Uint8Array {
  try {
    return decodeBase64(signature);
  } catch {
    return new Uint8Array(0);
  }
}

const clientHalf: Mechanism = {
  name: "OAUTH10A",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous", "noDictionary"],
  needsProtection: true, // R-OAUTH-12
  authzid: true,
  needsHost: true,
  needs: need,
  source: "RFC 7628",
  client,
  secrets: /(?<=oauth_signature=")[^"]+/g,
};

/** OAUTH10A, described; a server gets it from {@link oauth10aServer}. */
export const oauth10a: Mechanism = /* @__PURE__ */ withServer(clientHalf, unconfigured, { possible: () => false });

/** OAUTH10A for a server. */
export function oauth10aServer(options: OAuth10aServerOptions): Mechanism {
  return withServer(clientHalf, serverWith(options));
}

/** OAUTH10A for a client, for the services that still issue such tokens. */
export function OAUTH10A(credentials: CredentialProvider<OAuth10aCredentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
