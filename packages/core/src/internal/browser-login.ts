/**
 * What SAML20 and OPENID20 have in common: the client names who vouches for it, the server sends it there with a redirect,
 * and everything else happens in a browser. Source: RFC 6595 §3, RFC 6616 §3.
 */
import { SASLFailure } from "../errors.js";
import type { ClientContext, Final, Heard, ServerContext, ServerConversation } from "../mechanism.js";
import type { MaybePromise } from "../runtime/contract.js";
import { formatGs2Header, parseGs2Header } from "./gs2.js";
import { toHex } from "./hex.js";

/** Takes a user to a page: opens a browser, shows a link. The URL is absolute, https, and printable ASCII alone. */
export type Redirect = (url: string, options: { readonly signal: AbortSignal }) => MaybePromise<void>;

/** One login at the server, as its callbacks see it. */
export interface BrowserLogin {
  /** Fresh and unguessable, of the characters an XML ID and a URL may have: what ties the browser's side to this exchange. */
  readonly id: string;
  /** Whom the client wants to act as, as it wrote it. */
  readonly authzid: string | undefined;
  /** Aborted when nobody waits for the outcome any more. */
  readonly signal: AbortSignal;
}

/** Says who vouches for the client and takes the user to the redirect that comes back. @returns what follows the answer to it. */
export async function* visit(
  ctx: ClientContext,
  identifier: string,
  authzid: string | undefined,
  redirect: Redirect,
): AsyncGenerator<Uint8Array | Final, Heard, Heard> {
  const first = `${formatGs2Header("n", undefined, authzid)}${checkedIdentifier(identifier)}`;
  const url = checkedRedirect(ctx.text(yield ctx.bytes(first)));
  await redirect(url, { signal: signalOf(ctx) });
  return yield ctx.final(ctx.bytes("="));
}

/** Reads the client's first message. @throws {SASLFailure} `malformed-message` for another flag than `n`. */
export function parseFirst(message: string): { authzid: string | undefined; identifier: string } {
  const { flag, text, authzid } = parseGs2Header(message);
  if (flag !== "n") throw malformed("this mechanism binds to no channel");
  return { authzid, identifier: checkedIdentifier(message.slice(text.length)) };
}

/** Sends the client away, and waits until it says that it went. */
export async function* sendAway(ctx: ServerContext, url: string): AsyncGenerator<Uint8Array, void, Heard> {
  if (!isRedirect(url)) throw new TypeError("a redirect is no absolute https URL");
  if (ctx.text(yield ctx.bytes(url)) !== "=") throw malformed("the redirect is answered with something else than =");
}

/** What answers are compared with has to be there: one that lacks it too would be equal. @throws {TypeError} */
export function checkConfigured(value: unknown, what: string): void {
  if (typeof value !== "string" || value === "") throw new TypeError(`there is no ${what} to compare answers with`);
}

export function newLogin(ctx: ServerContext, authzid: string | undefined): BrowserLogin {
  return { id: `_${toHex(ctx.random(16))}`, authzid, signal: signalOf(ctx) };
}

function signalOf(ctx: ClientContext | ServerContext): AbortSignal {
  const controller = new AbortController();
  ctx.ended(() => controller.abort());
  return controller.signal;
}

/** RFC 3986 §2: the characters of a URL, none of which a shell, a terminal or a page of HTML could take for a control. */
const redirectUrl = /^https:\/\/[A-Za-z0-9[][A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]*$/i;

function isRedirect(url: string): boolean {
  return typeof url === "string" && redirectUrl.test(url) && URL.canParse(url);
}

/** R-SAML-02: what is given to the application can be nothing but a page on the web. */
function checkedRedirect(url: string): string {
  if (!isRedirect(url)) throw malformed("the redirect is no absolute https URL");
  return url;
}

function checkedIdentifier(identifier: string): string {
  if (identifier === "" || /[\0-\x1f\x7f]/.test(identifier))
    throw malformed("no identifier of who vouches for the client");
  return identifier;
}

function malformed(message: string): SASLFailure {
  return new SASLFailure("malformed-message", message);
}

/** Remembers that something was used, for as long as it could be used again. */
export type UseOnce = (key: string, until: Date) => MaybePromise<boolean>;

/** Within one process. Holds what the provider has signed alone, and each a minute longer than it is good for at most. */
export function usedOnce(): UseOnce {
  const used = new Map<string, number>();
  let swept = 0;
  return (key, until) => {
    const now = Date.now();
    // Not each time: with many logins to remember that would be most of the work of one.
    if (Math.abs(now - swept) >= sweepMs) {
      swept = now;
      for (const [each, end] of used) if (end < now) used.delete(each);
    }
    if (used.has(key)) return false;
    used.set(key, until.getTime());
    return true;
  };
}

const sweepMs = 60_000;

/** The server half of what has not been configured; it is never offered. */
// biome-ignore lint/correctness/useYield: there is nothing to say
export async function* unconfigured(ctx: ServerContext): ServerConversation {
  throw ctx.fail("mechanism-unsupported", `${ctx.mechanism.name} is not configured`);
}
