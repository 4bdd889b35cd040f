/**
 * `sasl user totp`: a second factor for an account, the codes of RFC 6238 that an app shows.
 *
 * @module
 */
import { hashedTokens } from "sasl-core/mechanisms";
import { normalizeDomain } from "sasl-xmpp";
import { newTotp, totpProperty } from "sasl-xmpp/totp";
import { CommandError, type ExitCode, exitCodes, oneLine, usageError } from "../../errors.js";
import { type Io, printJson } from "../../output.js";
import {
  type Accounts,
  canonicalName,
  noSuchAccount,
  note,
  notSupported,
  type UserOptions,
  withAccounts,
} from "./accounts.js";

/** As the argument parser gives them. */
export interface TotpOptions extends UserOptions {
  /** Left out: `localhost`. */
  readonly domain?: string;
  readonly disable?: boolean;
  readonly replace?: boolean;
}

/**
 * Gives an account a second factor and prints its URI, the only time; or takes it away.
 *
 * @throws {CommandError} `no-such-account`, `factor-exists`, `no-such-factor`
 */
export function totp(name: string, options: TotpOptions, io: Io): Promise<ExitCode> {
  const { disable = false, replace = false } = options;
  if (disable) {
    const given = replace ? "--replace" : options.domain === undefined ? undefined : "--domain";
    if (given !== undefined) throw usageError(`--disable and ${given} exclude each other`);
  }
  const domain = normalizeDomain(options.domain ?? "localhost");
  if (domain === undefined) throw usageError("--domain: no domain name");
  return withAccounts(options, io, async (accounts) => {
    if (accounts.store.store === undefined) throw notSupported("write");
    const canonical = await canonicalName(name, accounts);
    return disable ? takeAway(canonical, accounts, options, io) : enrol(canonical, domain, accounts, options, io);
  });
}

async function enrol(
  name: string,
  domain: string,
  { store }: Accounts,
  { json, replace }: TotpOptions,
  io: Io,
): Promise<ExitCode> {
  // As apps show it: in an IPv6 address are colons, which an issuer cannot have.
  const issuer = domain.replace(/[[\]]/g, "").replaceAll(":", ".");
  const { record, uri } = newTotp({ issuer, account: `${name}@${domain}` });
  const expected = replace ? {} : { [totpProperty]: undefined };
  // Tokens were given without it, and would go on logging in without it.
  const tokens = hashedTokens({ accounts: store }).mechanisms.flatMap(({ ownSecrets = [] }) => ownSecrets);
  const changes = { ...Object.fromEntries(tokens.map((each) => [each, undefined])), [totpProperty]: record };
  if (!(await store.store?.(name, changes, expected))) {
    if ((await store.lookup(name, [])) === undefined) throw noSuchAccount(name);
    throw new CommandError(
      "factor-exists",
      `${JSON.stringify(name)} has a second factor already; --replace gives it a new one, --disable takes it away`,
    );
  }
  if (json) {
    const { algorithm, digits, period } = record;
    printJson(io, { ok: true, name, totp: true, uri, algorithm, digits, period });
  } else {
    io.stdout.write(`${uri}\n`);
    note(io, "totp", `${oneLine(name)} needs a code from now on; the app reads this secret, which is not shown again`);
  }
  return exitCodes.done;
}

async function takeAway(name: string, { store }: Accounts, { json }: TotpOptions, io: Io): Promise<ExitCode> {
  const found = await store.lookup(name, [totpProperty]);
  if (found === undefined) throw noSuchAccount(name);
  if (found[totpProperty] === undefined) {
    throw new CommandError("no-such-factor", `${JSON.stringify(name)} has no second factor; nothing was changed`);
  }
  if (!(await store.store?.(name, { [totpProperty]: undefined }, {}))) throw noSuchAccount(name);
  if (json) printJson(io, { ok: true, name, totp: false });
  else io.stdout.write(`${oneLine(`${name} needs no code any more`)}\n`);
  return exitCodes.done;
}
