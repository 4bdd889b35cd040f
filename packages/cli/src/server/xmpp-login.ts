/**
 * SASL2 as the test server offers it: sessions that begin with the login, tokens for the next one, upgrades.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type AccountStore, type Mechanism, SASLFailure, type ServerResult } from "sasl-core";
import { type HashedTokens, hashedTokens, hashSha256, hashSha512 } from "sasl-core/mechanisms";
import { asSASLError } from "sasl-core/plugin";
import { fastServer, type SASL2ServerOptions, type ServerInline, type ServerTask, scramUpgradeTasks } from "sasl-xmpp";
import { totpProperty, totpTask } from "sasl-xmpp/totp";

/** The tokens of a server, and the mechanisms to offer for them. */
export interface ServedTokens {
  readonly keeper: HashedTokens;
  /** Names to offer. */
  readonly names: readonly string[];
}

/**
 * The tokens a server gives out: none where the store cannot keep them, or where mechanisms were named and none is theirs.
 *
 * @param named the mechanisms that were named; `undefined` when none were.
 * @param secret keeps the tokens themselves out of the store. Left out: they are in it.
 */
export function servedTokens(
  accounts: AccountStore,
  named: readonly Mechanism[] | undefined,
  secret: Uint8Array | undefined,
): ServedTokens | undefined {
  if (accounts.store === undefined) return undefined;
  const key = secret && createHash("sha256").update("tokens").update(secret).digest();
  const keeper = hashedTokens({ accounts, secret: key });
  const wanted = named && new Set(named.map(({ name }) => name));
  const names = keeper.mechanisms.map(({ name }) => name).filter((name) => wanted?.has(name) ?? true);
  return names.length > 0 ? { keeper, names } : undefined;
}

/** Mechanisms of an XMPP server: those of the tokens in the place of others of the same name. */
export function withTokens(mechanisms: readonly Mechanism[], tokens: ServedTokens | undefined): readonly Mechanism[] {
  if (tokens === undefined) return mechanisms;
  const own = tokens.keeper.mechanisms.filter(({ name }) => tokens.names.includes(name));
  return [...mechanisms.filter(({ name }) => !tokens.names.includes(name)), ...own];
}

/** What SASL2 has beside the mechanisms. */
export function sasl2Features(
  accounts: AccountStore,
  tokens: ServedTokens | undefined,
  sessions: readonly ServerInline[],
  report: (error: unknown) => void,
): SASL2ServerOptions {
  const fast = tokens && lenient(fastServer({ tokens: tokens.keeper, mechanisms: tokens.names }), report);
  return {
    inline: [...(fast ? [fast] : []), ...sessions],
    tasks: [secondFactor(accounts), ...(accounts.store === undefined ? [] : upgrades(accounts, report))],
  };
}

/** For accounts that `sasl user totp` gave one. Where the store cannot write nobody gets past it: a code counts once. */
function secondFactor(accounts: AccountStore): ServerTask {
  if (accounts.store !== undefined) return totpTask({ accounts });
  const store = (): never => {
    throw new Error("this store cannot write, and a code has to be crossed out");
  };
  return totpTask({ accounts: { lookup: (name, requests) => accounts.lookup(name, requests), store } });
}

/**
 * For `admit` of connections whose protocol knows no second factor: refuses those who have one, or it could be left out by
 * speaking that protocol.
 */
export function withoutSecondFactor(accounts: AccountStore): (result: ServerResult) => Promise<void> {
  return async ({ authcid }) => {
    let factor: unknown;
    try {
      factor = (await accounts.lookup(authcid, [totpProperty]))?.[totpProperty] ?? undefined;
    } catch (error) {
      throw asSASLError(error, "temporary", "accounts cannot be looked up at present");
    }
    if (factor === undefined) return;
    const detail = "this account has a second factor, which only XMPP can ask for";
    throw new SASLFailure("mechanism-too-weak", "more is needed than this protocol can ask for", { detail });
  };
}

/** What `sasl user add` makes. */
function upgrades(accounts: AccountStore, onFault: (error: unknown) => void): readonly ServerTask[] {
  return scramUpgradeTasks({ accounts, hashes: [hashSha512, hashSha256], onFault });
}

/** A token that cannot be written costs nobody his login. */
function lenient(feature: ServerInline, report: (error: unknown) => void): ServerInline {
  return {
    ...feature,
    async success(about) {
      try {
        return await feature.success(about);
      } catch (error) {
        report(error);
        return [];
      }
    },
  };
}
