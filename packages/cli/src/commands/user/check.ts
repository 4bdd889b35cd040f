/**
 * `sasl user check`: whether a server would let somebody in with a password, and with which mechanisms it could.
 *
 * @module
 */
import { channelBinding, isSASLError, type Mechanism, type SASLError, SASLServer, saslError } from "sasl-core";
import { plain } from "sasl-core/mechanisms";
import { passwordSchemes } from "sasl-passwords";
import { totpProperty } from "sasl-xmpp/totp";
import { CommandError, type ExitCode, exitCodes, oneLine, usageError } from "../../errors.js";
import { withPlugins } from "../../known-mechanisms.js";
import { type Io, printJson } from "../../output.js";
import { passwordOf, type SecretOptions } from "../../secrets.js";
import { CommandFailure } from "../facts.js";
import { type Accounts, canonicalName, type UserOptions, withAccounts } from "./accounts.js";

/** As the argument parser gives them. */
export interface CheckOptions extends UserOptions, SecretOptions {}

/** Runs PLAIN against a server on the store. @throws {CommandFailure} `refused` and whatever else such a server says. */
export function check(name: string, options: CheckOptions, io: Io): Promise<ExitCode> {
  return withAccounts(options, io, async (accounts) => {
    const canonical = await canonicalName(name, accounts);
    const found = await accounts.store.lookup(canonical, [totpProperty]);
    const password = await passwordOf(options, `Password of ${oneLine(canonical)}:`, io);
    const server = serverFor(accounts, options);
    const connection = { secure: true, channelBinding: channelBinding({ "tls-exporter": new Uint8Array(32) }) };
    const mechanisms = found === undefined ? [] : await ofTheStore(server.workingMechanisms(canonical, connection));
    const totp = (found?.[totpProperty] ?? undefined) !== undefined;
    const facts = { name: canonical, mechanisms, totp };
    try {
      await ofTheStore(tryPlain(server, name, password));
    } catch (error) {
      if (!isSASLError(error)) throw error;
      throw new CommandFailure(found === undefined ? nobody(error) : uncheckable(error, mechanisms), facts);
    }
    if (options.json) printJson(io, { ok: true, ...facts });
    else {
      const factor = totp ? "; a second factor is asked for" : "";
      io.stdout.write(`${oneLine(`${canonical} can log in, with ${mechanisms.join(", ")}${factor}`)}\n`);
    }
    return exitCodes.done;
  });
}

function nobody(cause: SASLError): SASLError {
  return saslError(cause.code, "nobody has that name", { cause });
}

/** With the secrets of some mechanisms a password can be proved, and not be checked. */
function uncheckable(cause: SASLError, mechanisms: readonly string[]): SASLError {
  if (cause.code !== "refused" || mechanisms.length === 0 || mechanisms.includes(plain.name)) return cause;
  const text = `what the account has is for ${mechanisms.join(", ")} alone, and no password can be checked with it`;
  return saslError(cause.code, text, { cause });
}

function serverFor({ store, plugins, canonicalizers }: Accounts, { prep }: CheckOptions): SASLServer {
  const mechanisms: readonly Mechanism[] = withPlugins(plugins.mechanisms);
  return new SASLServer({ mechanisms, accounts: store, passwordSchemes, prepare: prep, canonicalizers });
}

async function tryPlain(server: SASLServer, name: string, password: string): Promise<void> {
  if (password.includes("\0")) throw usageError("the password holds a NUL, which no password can");
  const message = new TextEncoder().encode(["", name, password].join("\0"));
  const { state } = await server.session({ secure: true }).initiate(plain.name, message);
  if (state !== "success") throw new Error("PLAIN ended without a result");
}

/** What the store threw itself, out of what the server made of it. */
async function ofTheStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    for (let at = error; at instanceof Error; at = at.cause) if (at instanceof CommandError) throw at;
    if (!isSASLError(error) || error.detail === undefined) throw error;
    throw saslError(error.code, error.detail, { cause: error });
  }
}
