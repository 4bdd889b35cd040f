/**
 * SASL2 as the test server offers it: sessions that begin with the login, tokens for the next one, upgrades.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { AccountStore, Mechanism } from "sasl-core";
import { type HashedTokens, hashedTokens, hashSha256, hashSha512 } from "sasl-core/mechanisms";
import { fastServer, type SASL2ServerOptions, type ServerInline, type ServerTask, scramUpgradeTasks } from "sasl-xmpp";

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
    tasks: accounts.store === undefined ? [] : upgrades(accounts, report),
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
