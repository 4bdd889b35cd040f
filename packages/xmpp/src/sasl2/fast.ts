/**
 * FAST for clients: asks for a token after a login with a password, and logs in with it the next time, in one round trip.
 * Source: XEP-0484.
 *
 * Tokens travel only where SASL2 and the HT mechanisms do: over a channel that is `secure`, which means TLS with a verified
 * certificate (R-FAST-14).
 *
 * @module
 */
import type { MechanismInfo, SASLError, SASLErrorCode, SASLMechanism } from "sasl-core";
import { HT, type HtHash } from "sasl-core/mechanisms";
import { elementsIn, findChild, isElement, textOf } from "../element.js";
import { parseJid } from "../jid.js";
import { NS_FAST } from "../namespaces.js";
import type { ClientAbout, ClientInline } from "./contract.js";
import { parseDateTime } from "./fast-expiry.js";
import type { FastToken, FastTokenStore } from "./fast-store.js";

/** Options of {@link fast}. */
export interface FastOptions {
  readonly store: FastTokenStore;
  /** Names of the only mechanisms to use, in any order. Default: all that the hashes have. */
  readonly mechanisms?: readonly string[] | undefined;
  /** Rows of HT. Default SHA-512, SHA-384 and SHA-256. */
  readonly hashes?: readonly HtHash[] | undefined;
  /** Milliseconds since 1970 instead of the clock's, for tests. */
  readonly now?: (() => number) | undefined;
}

/** What FAST found in a success. */
export interface FastResult {
  /** True when a token logged in, and not what else there was. */
  readonly used: boolean;
  /** Of the token that came and was kept: when it expires, in milliseconds since 1970 UTC. */
  readonly expires?: number | undefined;
  /** Why a token that came was not kept. The login is as good without it. */
  readonly rejected?: string | undefined;
}

/** FAST at a client; see {@link fast}. */
export interface Fast extends ClientInline<FastResult> {
  /**
   * In place of the feature itself in a login that is to be the token's last: the server forgets the token, and then the
   * store does (XEP-0484 §3.6). Without a token at hand it does nothing.
   */
  readonly logout: ClientInline<FastResult>;
}

/** No server needs more for its tokens; what is longer would only fill the store. */
const maxTokenLength = 4096;

/** The server turned down the token, rather than not being able to judge it now (XEP-0484 §4.1). */
const final: readonly SASLErrorCode[] = [
  "refused",
  "authorization-refused",
  "credentials-expired",
  "account-disabled",
  "mechanism-unsupported",
  "mechanism-too-weak",
  "malformed-message",
  "incorrect-encoding",
  "aborted",
  "channel-not-protected",
];

/**
 * FAST for the `inline` features of a client. Keeps one token for each account, for one user agent. It may be used for any
 * number of logins and accounts, also at once.
 *
 * @throws {RangeError} when none of `mechanisms` is one of the hashes.
 */
export function fast(options: FastOptions): Fast {
  return { ...inline(options, false), logout: inline(options, true) };
}

function inline(options: FastOptions, invalidate: boolean): ClientInline<FastResult> {
  const { store, mechanisms, hashes, now = Date.now } = options;
  const variants = known({ mechanisms, hashes });
  /** What the last login of an account began with; another login may have come between. */
  const began = new Map<string, Pick<FastToken, "token" | "count">>();
  const inOrder = queue();

  /** A stored token, where it can be used in this login. */
  function usable<E>(token: FastToken | undefined, about: ClientAbout<E>): FastToken | undefined {
    if (token === undefined || token.userAgent !== about.userAgent.id || !(token.expires > now())) return undefined;
    return choices(about, variants).some(({ name }) => name === token.mechanism) ? token : undefined;
  }

  return {
    async before(about) {
      const stored = await store.get(about.from);
      if (stored) began.set(about.from, stored);
      else began.delete(about.from);
      const token = usable(stored, about);
      const username = parseJid(about.from)?.local;
      if (token === undefined || username === undefined) return undefined;
      const { mechanism } = token;
      return { mechanisms: [HT({ username, token: token.token }, { mechanism, hashes })], offered: [mechanism] };
    },

    /**
     * Another login of the same account may have stored a newer one meanwhile; that was not refused. Or it used this one with a
     * higher count that came first: then that login is the one to judge it.
     */
    refused: (error: SASLError, from) =>
      inOrder(async () => {
        if (!final.includes(error.code)) return;
        const stored = await store.get(from);
        const used = began.get(from);
        if (stored?.token === used?.token && stored?.count === used?.count) await store.set(from, undefined);
      }),

    request: <E>(about: ClientAbout<E>, mechanism: string): Promise<readonly E[]> =>
      inOrder(async () => {
        const { adapter, from } = about;
        const [best] = choices(about, variants);
        const token = usable(await store.get(from), about);
        const children: E[] = [];
        if (token !== undefined && token.mechanism === mechanism) {
          const count = await nextCount(store, from, token); // before it is sent: no number goes out twice (XEP-0484 §3.4)
          began.set(from, { token: token.token, count });
          const attributes = { count: String(count), ...(invalidate && { invalidate: "true" }) };
          children.push(adapter.create("fast", NS_FAST, attributes));
        }
        // XEP-0484 §6: a token for a binding mechanism, as soon as there can be one.
        if (!invalidate && best !== undefined && best.name !== mechanism) {
          children.push(adapter.create("request-token", NS_FAST, { mechanism: best.name }));
        }
        return children;
      }),

    success: <E>(success: E, about: ClientAbout<E>, mechanism: string): Promise<FastResult> =>
      inOrder(async () => {
        const { adapter, from, userAgent } = about;
        const stored = await store.get(from);
        const used = variants.some(({ name }) => name === mechanism) && stored?.mechanism === mechanism;
        if (invalidate) {
          if (used) await store.set(from, undefined);
          return { used };
        }
        const elements = elementsIn(adapter, success).filter((each) => isElement(adapter, each, "token", NS_FAST));
        if (elements.length === 0) return { used };
        const [best] = choices(about, variants);
        if (best === undefined || userAgent.id === undefined) return { used, rejected: "it was not asked for" };
        const [element] = elements;
        const token = element && adapter.attribute(element, "token");
        const expiry = element && adapter.attribute(element, "expiry");
        const expires = expiry === undefined ? undefined : parseDateTime(expiry);
        // XEP-0484 §3.3, R-FAST-04. A clock that is wrong must not cost the login.
        if (elements.length > 1) return { used, rejected: "there are two" };
        if (!token || token.length > maxTokenLength) return { used, rejected: "there is none of a sensible length" };
        if (expires === undefined) return { used, rejected: "its expiry is missing or no date-time" };
        if (!(expires > now())) return { used, rejected: "it has expired" };
        if (stored !== undefined && stored.token !== began.get(from)?.token && stored.expires > expires) {
          return { used, rejected: "another login got a later one" };
        }
        await store.set(from, { mechanism: best.name, token, expires, userAgent: userAgent.id, count: 0 });
        return { used, expires };
      }),
  };
}

async function nextCount(store: FastTokenStore, account: string, token: FastToken): Promise<number> {
  const next = token.count + 1;
  if (store.nextCount === undefined) await store.set(account, { ...token, count: next });
  // Gone meanwhile: as good as it was, and the server's to judge.
  return (await store.nextCount?.(account, token)) ?? next;
}

/** Everything that may be used, strongest first. */
function known({ mechanisms, hashes }: Pick<FastOptions, "mechanisms" | "hashes">): readonly MechanismInfo[] {
  const { variants }: SASLMechanism = HT({ username: "", token: "" }, { hashes });
  const wanted = variants.filter(({ name }) => mechanisms?.includes(name) ?? true);
  if (wanted.length === 0) throw new RangeError("none of the mechanisms is one of these hashes");
  return wanted;
}

/**
 * What both sides can do on this connection and the policy takes, best first: by what it binds to, then by hash. None without what a login
 * with a token needs (XEP-0484 §4.1).
 */
function choices<E>(about: ClientAbout<E>, variants: readonly MechanismInfo[]): readonly MechanismInfo[] {
  const { adapter, inline, userAgent, bindingTypes, bindingRequired } = about;
  const feature = inline && findChild(adapter, inline, "fast", NS_FAST);
  if (feature === undefined || userAgent.id === undefined || parseJid(about.from)?.local === undefined) return [];
  const names = elementsIn(adapter, feature)
    .filter((child) => isElement(adapter, child, "mechanism", NS_FAST))
    .map((child) => textOf(adapter, child));
  const unbound = bindingRequired ? -1 : bindingTypes.length;
  const place = ({ channelBinding }: MechanismInfo) =>
    channelBinding === undefined ? unbound : bindingTypes.indexOf(channelBinding as string);
  return variants.filter((each) => names.includes(each.name) && place(each) >= 0).sort((a, b) => place(a) - place(b)); // stable: hashes stay in order
}

/** One after the other, so that two logins of one program do not read the same count. */
function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}
