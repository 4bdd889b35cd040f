/**
 * SECURID: a passcode that a hardware token shows, and its PIN. Source: RFC 2808. Obsolete: the passcode, which often holds
 * the PIN, is sent as it is, and the server does not prove itself.
 *
 * The client asks for a user name and a passcode, and where the server says so for another passcode or a new PIN. The server
 * hands what it read to the function it was made with, which asks whoever knows the tokens.
 *
 * @module
 */
import { randomBytes } from "#runtime";
import type { Account } from "../accounts.js";
import { clientMechanism, type SASLMechanism } from "../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../credentials.js";
import { sha256 } from "../digests.js";
import { isSASLError, SASLFailure } from "../errors.js";
import { concatBytes } from "../internal/bytes.js";
import { toHex } from "../internal/hex.js";
import { decodeUtf8, encodeUtf8 } from "../internal/text.js";
import {
  type ClientContext,
  type ClientConversation,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../mechanism.js";
import type { MaybePromise } from "../runtime/contract.js";

/** Why a passcode is wanted: to log in, another one after it, or another one to go with a new PIN (RFC 2808 §3). */
export type PasscodeReason = "login" | "next" | "new-pin";

/** What a client logs in with. */
export interface SecuridCredentials {
  readonly username: string;
  /** Whom to act as; left out: the user. */
  readonly authzid?: string | undefined;
  /**
   * What the token shows, 4 to 32 octets; a function is asked each time one is wanted, and may say `undefined` to give up. A
   * text serves for one login whose server wants no other.
   */
  readonly passcode: string | ((reason: PasscodeReason) => MaybePromise<string | undefined>);
  /**
   * Chooses a new PIN, 4 to 32 octets, where the server wants one; told what the server suggests. `undefined`: not now. It is
   * asked on a protected channel alone.
   */
  readonly pin?: ((suggestion: string | undefined) => MaybePromise<string | undefined>) | undefined;
}

/** What a server has to judge. */
export interface SecuridRequest {
  /** Canonical. There may be no account of this name. */
  readonly username: string;
  /** 4 to 32 octets. Secret. */
  readonly passcode: string;
  /** The new PIN, 4 to 32 octets, where the verdict before was that one is wanted. Secret. */
  readonly pin: string | undefined;
}

/**
 * What a passcode turned out to be worth: good; good so far, and the next one is wanted; good, and a new PIN is wanted, which
 * may be suggested with 4 to 32 octets; none of that.
 */
export type SecuridVerdict = "accepted" | "passcode" | "pin" | { readonly suggestedPin: string } | "refused";

/** How a server judges. */
export interface SecuridOptions {
  /**
   * Judges a passcode. Names nobody has come here, too, and should take as long. Throw when it cannot be judged now: the
   * exchange fails as temporary.
   */
  readonly verify: (request: SecuridRequest) => MaybePromise<SecuridVerdict>;
  /**
   * How long a passcode that was of use is remembered, in milliseconds, so that it is of no use a second time. Default an
   * hour. In this process alone: with several of them, whoever knows the tokens has to see to that.
   */
  readonly rememberMs?: number | undefined;
}

const need: CredentialNeed<SecuridCredentials> = /* @__PURE__ */ credentialNeed(
  "passcode",
  [["username"], ["passcode"]],
  "passcode",
);

async function* client(ctx: ClientContext): ClientConversation {
  const given = await ctx.credentials(need);
  const username = await ctx.prepare(given.username, "query", "name");
  const names = { authzid: given.authzid ?? "", username };
  let request: PasscodeRequest = { wanted: "login" };
  for (;;) {
    const passcode = await passcodeFor(ctx, given, request.wanted);
    const pin = request.wanted === "new-pin" ? await newPin(ctx, given, request.suggestion) : undefined;
    const heard = yield ctx.final(formatCredentials({ ...names, passcode, pin }));
    if (heard === undefined) return;
    request = parseRequest(heard);
    if (request.wanted === "new-pin" && !ctx.secure) {
      throw ctx.fail("channel-not-protected", "a new PIN needs a protected channel"); // R-SID-02
    }
  }
}

async function passcodeFor(ctx: ClientContext, given: SecuridCredentials, reason: PasscodeReason): Promise<string> {
  const { passcode: source } = given;
  const passcode = await (typeof source === "function" ? source(reason) : reason === "login" ? source : undefined);
  if (passcode === undefined) throw ctx.fail("no-credentials", "there is no further passcode");
  return usable(ctx, passcode, "passcode");
}

async function newPin(
  ctx: ClientContext,
  { pin }: SecuridCredentials,
  suggestion: string | undefined,
): Promise<string> {
  const chosen = await pin?.(suggestion);
  if (chosen === undefined) throw ctx.fail("no-credentials", "nobody chose a new PIN");
  return usable(ctx, chosen, "PIN");
}

function usable(ctx: ClientContext, code: string, what: string): string {
  if (isCode(encodeUtf8(code))) return code;
  throw ctx.fail("no-credentials", `a ${what} has 4 to 32 octets`);
}

/** The server half, with its memory of passcodes. */
function serverFor({ verify, rememberMs = 3_600_000 }: SecuridOptions): NonNullable<Mechanism["server"]> {
  const spent = new Spent(rememberMs);
  return async function* server(ctx: ServerContext): ServerConversation {
    const first = parseCredentials(yield);
    if (first.pin !== undefined) throw new SASLFailure("malformed-message", "a PIN nobody asked for");
    const account = await ctx.identify(first.username, first.authzid);
    if (!ctx.claim(account)) throw ctx.fail("temporary", "another exchange of this user is going on"); // R-SID-03
    let given = first;
    for (;;) {
      const verdict = await judged(ctx, account, given, verify, spent);
      if (verdict === "accepted") return { authcid: account.name, authzid: first.authzid };
      if (verdict === "refused") throw ctx.fail("refused", "wrong passcode");
      if (verdict !== "passcode" && !ctx.secure) throw ctx.fail("channel-not-protected", "no PIN on this channel");
      given = parseCredentials(yield formatRequest(verdict));
      if (given.username !== first.username || given.authzid !== first.authzid) {
        throw ctx.fail("malformed-message", "other names than before");
      }
      if ((given.pin === undefined) !== (verdict === "passcode")) {
        throw ctx.fail("malformed-message", "a PIN where none was asked for, or none where one was");
      }
    }
  };
}

/** A passcode is of use once: it counts as used while it is looked at, and afterwards unless it was wrong. */
async function judged(
  ctx: ServerContext,
  { name: username }: Account,
  { passcode, pin }: SecuridRequest,
  verify: SecuridOptions["verify"],
  spent: Spent,
): Promise<SecuridVerdict> {
  const key = toHex(await ctx.hmac(sha256, spent.key, encodeUtf8(`${username}\0${passcode}`)));
  if (!spent.take(key)) return "refused";
  let verdict: SecuridVerdict = "refused";
  try {
    verdict = checked(await verify({ username, passcode, pin }));
  } catch (error) {
    throw isSASLError(error) ? error : ctx.fail("temporary", "passcodes cannot be judged at present", { cause: error });
  } finally {
    if (verdict === "refused") spent.giveBack(key); // or guesses would fill the memory
  }
  return verdict;
}

/** What a program without types answers may be anything, which must let nobody in. */
function checked(verdict: SecuridVerdict): SecuridVerdict {
  if (verdict === "accepted" || verdict === "passcode" || verdict === "pin" || verdict === "refused") return verdict;
  if (typeof verdict?.suggestedPin === "string" && isCode(encodeUtf8(verdict.suggestedPin))) return verdict;
  throw new TypeError("verify: no verdict");
}

/** Passcodes that were of use, as digests under a key of its own, the oldest first. */
class Spent {
  readonly key: Uint8Array = randomBytes(32);
  readonly #until = new Map<string, number>();
  readonly #rememberMs: number;

  constructor(rememberMs: number) {
    if (!(rememberMs >= 0)) throw new RangeError("rememberMs is no time");
    this.#rememberMs = rememberMs;
  }

  take(digest: string): boolean {
    const now = Date.now();
    for (const [old, until] of this.#until) {
      if (now < until) break;
      this.#until.delete(old);
    }
    if (this.#until.has(digest)) return false;
    this.#until.set(digest, now + this.#rememberMs);
    return true;
  }

  giveBack(digest: string): void {
    this.#until.delete(digest);
  }
}

interface Credentials extends SecuridRequest {
  readonly authzid: string;
}

/** What a server asks for after a passcode. */
interface PasscodeRequest {
  readonly wanted: PasscodeReason;
  readonly suggestion?: string | undefined;
}

const nul = /* @__PURE__ */ new Uint8Array(1);
const maxNameBytes = 255;

/** authzid NUL authcid NUL passcode NUL [pin NUL] (RFC 2808 §3). */
function formatCredentials({ authzid, username, passcode, pin }: Credentials): Uint8Array {
  const names = [encodeUtf8(authzid), encodeUtf8(username)];
  if (username === "") throw new SASLFailure("malformed-message", "the user name is empty");
  for (const name of names) checkName(name);
  const codes = pin === undefined ? [passcode] : [passcode, pin];
  return concatBytes(...[...names, ...codes.map(encodeUtf8)].flatMap((field) => [field, nul]));
}

function parseCredentials(message: Uint8Array | undefined): Credentials {
  if (message === undefined) throw new SASLFailure("unexpected-message", "a message is missing");
  const [authzid, username, passcode, pin, ...more] = fieldsOf(message);
  if (!authzid || !username?.length || !passcode || more.length > 0) {
    throw new SASLFailure("malformed-message", "not two names and a passcode");
  }
  for (const name of [authzid, username]) checkName(name);
  if (!isCode(passcode) || (pin !== undefined && !isCode(pin))) {
    throw new SASLFailure("malformed-message", "a passcode or PIN that has not 4 to 32 octets");
  }
  const text = { authzid: decodeUtf8(authzid), username: decodeUtf8(username), passcode: decodeUtf8(passcode) };
  return { ...text, pin: pin && decodeUtf8(pin) };
}

/** `passcode` NUL, or `pin` NUL [suggestion NUL] (RFC 2808 §3). */
function formatRequest(verdict: Exclude<SecuridVerdict, "accepted" | "refused">): Uint8Array {
  return encodeUtf8(typeof verdict === "string" ? `${verdict}\0` : `pin\0${verdict.suggestedPin}\0`);
}

function parseRequest(message: Uint8Array): PasscodeRequest {
  const [kind, suggestion, ...more] = fieldsOf(message);
  const name = kind && decodeUtf8(kind);
  if (name === "passcode" && suggestion === undefined) return { wanted: "next" };
  if (name === "pin" && more.length === 0 && (suggestion === undefined || isCode(suggestion))) {
    return { wanted: "new-pin", suggestion: suggestion && decodeUtf8(suggestion) };
  }
  throw new SASLFailure("malformed-message", "a request for neither a passcode nor a PIN");
}

/** What lies before each NUL; nothing may follow the last one. */
function fieldsOf(message: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  let start = 0;
  for (let end = message.indexOf(0); end >= 0 && fields.length < 5; end = message.indexOf(0, start)) {
    fields.push(message.subarray(start, end));
    start = end + 1;
  }
  if (start !== message.length) throw new SASLFailure("malformed-message", "octets after the last field");
  return fields;
}

function checkName(name: Uint8Array): void {
  if (name.length > maxNameBytes) throw new SASLFailure("limit-exceeded", "a name of more than 255 octets");
}

/** Whether this can be a passcode or a PIN (RFC 2808 §3). */
function isCode(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes.length <= 32 && !bytes.includes(0);
}

const clientHalf: Mechanism = {
  name: "SECURID",
  flow: "client-first",
  security: ["noAnonymous"],
  authzid: true,
  needsProtection: true,
  obsolete: true,
  needs: need,
  source: "RFC 2808",
  client,
  secrets: /(?<=^pin\0)[\s\S]+|(?<=^[^\0]*\0[^\0]*\0)[\s\S]+/,
};

/**
 * SECURID for a server. One exchange of a user at a time, and no passcode twice (RFC 2808 §5), in each server.
 *
 * @throws {RangeError} for `rememberMs` that is no time.
 */
export function securidServer(options: SecuridOptions): Mechanism {
  return withServer(clientHalf, serverFor(options));
}

/** SECURID with a server half that {@link securidServer} has to configure: servers do not offer it as it is. */
export const securid: Mechanism = /* @__PURE__ */ withServer(clientHalf, unconfigured, { possible: () => false });

// biome-ignore lint/correctness/useYield: it says nothing
async function* unconfigured(): ServerConversation {
  throw new TypeError("SECURID has nobody to judge passcodes: securidServer makes one that has");
}

/** SECURID for a client, for servers whose users have hardware tokens. */
export function SECURID(credentials: CredentialProvider<SecuridCredentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}
