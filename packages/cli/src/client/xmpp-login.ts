/**
 * What a login with SASL2 does beside the mechanism: a resource bound, a token used and asked for, tasks performed; and what
 * a server offers of that.
 *
 * @module
 */
import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { type Credentials, SASLFailure } from "sasl-core";
import {
  bind2,
  type ClientAbout,
  type ClientInline,
  type ClientTask,
  discoverSASL2,
  type FastResult,
  type FastToken,
  type FastTokenStore,
  fast,
  formatJid,
  NS_BIND2,
  NS_FAST,
  newUserAgentId,
  normalizeDomain,
  normalizeLocal,
  parseJid,
  type SASL2Profile,
  sasl2,
  scramUpgrade,
  type TaskConversation,
  totp,
  type XMLAdapter,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { fastTokenFile } from "sasl-xmpp/node";
import { CommandError, usageError } from "../errors.js";
import { secretFromFile } from "../secrets.js";
import type { Target } from "../url.js";

/** Options of `login` that are for XMPP alone, as the argument parser gives them. */
export interface XmppOptions {
  readonly sasl1?: boolean;
  readonly fastTokenFile?: string;
  readonly totpFile?: string;
}

/** What {@link xmppLogin} is told beside. */
export interface XmppLoginOptions
  extends XmppOptions,
    Pick<Parameters<typeof scramUpgrade>[1] & object, "prepare" | "iterations"> {
  /** Names of the only mechanisms to use; `undefined` when none were named. */
  readonly named: readonly string[] | undefined;
  /** Ends the run. */
  readonly signal: AbortSignal;
}

/** How to log in, made by {@link xmppLogin}. */
export interface XmppLogin {
  /** `undefined`: SASL1 alone. */
  readonly profile: SASL2Profile | undefined;
  /** Bare JID to begin with. */
  readonly from: string | undefined;
  /** What came of it, for people and scripts. */
  report(result: XMPPAuthenticationResult): Promise<XmppReport>;
}

/** What is added to the report of a login. */
export interface XmppReport {
  readonly profile: "sasl1" | "sasl2";
  /** `null` without a file for tokens, and with SASL1. */
  readonly fast: {
    /** A token logged in. */
    readonly used: boolean;
    /** A token came, and was kept. */
    readonly issued: boolean;
    /** The mechanism of the token that is in the file now. */
    readonly mechanism: string | null;
  } | null;
  /** What is bound; `null` when nothing is. */
  readonly bind: { readonly jid: string } | null;
  /** Tasks performed. */
  readonly tasks: readonly string[];
}

/** Whom a login tells on the way. */
export interface XmppFollower {
  /** What is about to be sent, and no output may show. */
  onSecret(secret: string): void;
  /** The code of a second factor is about to be sent. */
  onCode(): void;
}

/** A token that is at hand, and where it is kept. */
export interface KnownToken {
  readonly store: FastTokenStore;
  readonly token: FastToken | undefined;
}

/** @throws {CommandError} for options that do not go together. */
export function checkXmppOptions(
  { protocol, user }: Target,
  options: XmppOptions & { readonly authzid?: string },
): void {
  const given = (
    [
      ["--sasl1", options.sasl1],
      ["--fast-token-file", options.fastTokenFile],
      ["--totp-file", options.totpFile],
    ] as const
  ).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  const [first] = given;
  if (first !== undefined && protocol !== "xmpp") throw usageError(`${first} is for xmpp and xmpps URLs`);
  if (options.sasl1 && given.length > 1)
    throw usageError(`--sasl1 and ${given[1]} exclude each other: that is part of SASL2`);
  if (options.fastTokenFile === undefined) return;
  if (user === undefined) throw usageError("--fast-token-file: the URL names no user: SCHEME://USER@HOST");
  if (options.authzid !== undefined) throw usageError("--fast-token-file and --authzid exclude each other");
}

/**
 * Looks for a token.
 *
 * @returns `undefined` without a file for tokens.
 * @throws {CommandError} for a file that holds something else, and a place that cannot be written.
 */
export async function knownToken(
  target: Target,
  domain: string,
  { fastTokenFile: path }: XmppOptions,
): Promise<KnownToken | undefined> {
  const account = path === undefined ? undefined : accountOf(target.user, domain);
  if (path === undefined || account === undefined) return undefined;
  const file = fastTokenFile(path);
  const unwritable = () =>
    new CommandError("unreadable-file", `${path}: no file can be written there; name one in a folder of yours`);
  const store: FastTokenStore = {
    get: (name) => file.get(name),
    async set(name, token) {
      try {
        await file.set(name, token);
      } catch {
        throw unwritable();
      }
    },
  };
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch {
    throw unwritable();
  }
  try {
    const token = await store.get(account);
    return { store, token: token !== undefined && token.expires > Date.now() ? token : undefined };
  } catch {
    throw new CommandError(
      "malformed-file",
      `${path}: no file of FAST tokens that can be read; name another, or remove it`,
    );
  }
}

/**
 * How the login goes.
 *
 * @param credentials what else there is to log in with.
 */
export function xmppLogin(
  target: Target,
  domain: string,
  options: XmppLoginOptions,
  credentials: Credentials,
  known: KnownToken | undefined,
  follower: XmppFollower,
): XmppLogin {
  const own = accountOf(target.user, domain);
  const from = own && (credentials.authzid === undefined ? own : (bareJid(credentials.authzid) ?? own));
  const binding = bind2({ tag: "sasl" });
  const tokens = known && tokensOf(known, options.named);
  const { password } = credentials;
  const { prepare, iterations, totpFile, signal } = options;
  const profile = sasl2({
    userAgent: { id: known && (known.token?.userAgent ?? newUserAgentId()), software: "sasl-cli" },
    inline: [...(tokens ? [tokens] : []), binding] as readonly ClientInline[],
    tasks: [
      totp(async () => {
        if (totpFile === undefined)
          throw new SASLFailure("no-credentials", "the server wants a second factor; --totp-file FILE gives its code");
        const code = await codeIn(totpFile, signal);
        follower.onCode();
        return code;
      }),
      ...(password === undefined ? [] : [scramUpgrade({ password }, { prepare, iterations })]),
    ].map((task) => overheard(task, follower)),
  });
  return {
    profile: options.sasl1 ? undefined : profile,
    from,
    async report({ profile: used, inline, tasks, jid }) {
      const found = tokens && inline.get(tokens);
      const bound = inline.get(binding);
      const kept = found && from ? ((await known?.store.get(from)) ?? undefined) : undefined;
      return {
        profile: used,
        fast: found
          ? { used: found.used, issued: found.expires !== undefined, mechanism: kept?.mechanism ?? null }
          : null,
        bind: bound && jid !== undefined ? { jid: bound.jid } : null,
        tasks,
      };
    },
  };
}

/** All that tasks send is secret: a code, or what is as good as the password. */
function overheard(task: ClientTask, { onSecret }: XmppFollower): ClientTask {
  return {
    ...task,
    async *perform<E>(name: string, about: ClientAbout<E>): TaskConversation<E> {
      const talk = task.perform(name, about);
      for (let turn = await talk.next(); !turn.done; turn = await talk.next(yield turn.value)) {
        for (const each of turn.value) onSecret(about.adapter.children(each).join(""));
      }
    },
  };
}

/** Whether a token is for one of the mechanisms that may be used. */
export function mayUse(token: FastToken | undefined, named: readonly string[] | undefined): boolean {
  return token !== undefined && (named?.includes(token.mechanism) ?? true);
}

/**
 * Where mechanisms were named and none is a token's, one is asked for all the same, for the next time.
 *
 * @throws {CommandError} for mechanisms that no token is for.
 */
function tokensOf({ store, token }: KnownToken, named: readonly string[] | undefined): ClientInline<FastResult> {
  const theirs = named?.filter((name) => name.startsWith("HT-")) ?? [];
  try {
    if (theirs.length > 0) return fast({ store, mechanisms: theirs });
  } catch {
    throw usageError(`${theirs.join(", ")}: no tokens of FAST are for that`);
  }
  const all = fast({ store });
  if (token === undefined || mayUse(token, named)) return all;
  const { before: _, ...asking } = all;
  return asking;
}

/** The code in a file, or what an app with the URI in it would show. @throws {CommandError} */
async function codeIn(path: string, signal: AbortSignal): Promise<string> {
  const text = (await secretFromFile(path, signal)).trim();
  const code = /^otpauth:/i.test(text) ? await codeOf(text) : text.replace(/[\s-]/g, "");
  if (code === undefined || !/^[0-9]{6,10}$/.test(code)) {
    throw new CommandError("malformed-file", `${path}: neither a code of 6 to 10 digits nor an otpauth://totp/ URI`);
  }
  return code;
}

/** What an app shows that has this URI; `undefined` for one that cannot be read. */
async function codeOf(uri: string): Promise<string | undefined> {
  const { TOTP, URI } = await import("otpauth");
  try {
    const otp = URI.parse(uri);
    return otp instanceof TOTP ? otp.generate() : undefined;
  } catch {
    return undefined;
  }
}

/** The same in words: parts of a sentence. */
export function xmppWords({ profile, fast: tokens, bind, tasks }: XmppReport): string[] {
  const words = [profile === "sasl2" ? "by SASL2" : "by SASL1"];
  if (bind) words.push(`bound ${bind.jid}`);
  if (tokens) {
    const used = tokens.used ? "by a token of FAST" : "without a token of FAST";
    words.push(tokens.issued ? `${used}, and got one for ${tokens.mechanism}` : used);
  }
  if (tasks.length > 0) words.push(`performed ${tasks.join(", ")}`);
  return words;
}

/** Names in what a server announces of SASL2. */
export interface FeatureNames {
  readonly mechanisms: readonly string[];
  /** Namespaces of inline features. */
  readonly inline: readonly string[];
  /** What a session can begin with (XEP-0386 §3.1). */
  readonly bind: readonly string[];
  /** Mechanisms that tokens are for. */
  readonly fast: readonly string[];
  /** Upgrade tasks (XEP-0480 §2.1). */
  readonly upgrades: readonly string[];
}

/** @returns `undefined` for a server that does not offer SASL2. */
export function featureNames<E>(features: E, adapter: XMLAdapter<E>): FeatureNames | undefined {
  const offer = discoverSASL2(features, adapter);
  if (offer === undefined) return undefined;
  const within = (parents: readonly E[], name: string): E[] =>
    parents.flatMap((each) =>
      adapter
        .children(each)
        .filter((child): child is E => typeof child !== "string" && adapter.name(child as E) === name),
    );
  const texts = (elements: readonly E[]) => elements.map((each) => adapter.children(each).join("").trim());
  const inlineOf = (namespace: string) => offer.inline.filter((each) => adapter.namespace(each) === namespace);
  return {
    mechanisms: offer.mechanisms,
    inline: [...new Set(offer.inline.map((each) => adapter.namespace(each)))],
    bind: within(within(inlineOf(NS_BIND2), "inline"), "feature").flatMap(
      (each) => adapter.attribute(each, "var") ?? [],
    ),
    fast: texts(within(inlineOf(NS_FAST), "mechanism")),
    upgrades: texts(within([offer.element], "upgrade")),
  };
}

function accountOf(user: string | undefined, domain: string): string | undefined {
  const local = user === undefined ? undefined : normalizeLocal(user);
  const host = normalizeDomain(domain);
  return local === undefined || host === undefined ? undefined : formatJid({ local, domain: host });
}

function bareJid(text: string): string | undefined {
  const jid = parseJid(text);
  return jid === undefined || jid.resource !== undefined ? undefined : formatJid(jid);
}
