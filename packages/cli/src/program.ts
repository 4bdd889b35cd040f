/**
 * The command line: commands, options and what they may be.
 *
 * @module
 */
import { Command, InvalidArgumentError, Option } from "commander";
import type { ConnectionOptions } from "./commands/connection-options.js";
import type { LoginOptions } from "./commands/login.js";
import type { MechanismsOptions } from "./commands/mechanisms.js";
import type { ServeOptions } from "./commands/serve.js";
import type { UserOptions } from "./commands/user/accounts.js";
import type { CheckOptions } from "./commands/user/check.js";
import type { ExportOptions } from "./commands/user/export.js";
import type { ImportOptions } from "./commands/user/import.js";
import type { SetPasswordOptions } from "./commands/user/password.js";
import type { TotpOptions } from "./commands/user/totp.js";
import type { ExitCode } from "./errors.js";
import type { Io } from "./output.js";
import { version } from "./version.js";

const examples = `
Exit codes: 0 done, 1 credentials refused, 2 authentication not possible or not to be trusted, or accounts that cannot be
read or changed so, 3 connection or TLS failure or time-out, 64 wrong usage.`;

const urlHelp = "imap, imaps, smtp, smtps, xmpp or xmpps://[USER@]HOST[:PORT]";

/**
 * The program. Its commands load what they need when they run.
 *
 * @param done told what a command exits with.
 */
export function makeProgram(io: Io, done: (code: ExitCode) => void): Command {
  const program = new Command("sasl")
    .description("Log in to servers with any SASL mechanism, see what they offer, serve a test server, keep accounts.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText("after", examples)
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: () => {},
      outputError: () => {}, // errors are thrown, and printed in one place
    });

  connectionOptions(
    addVersion(program.command("login")).description("log in, say how, log out").argument("<url>", urlHelp),
  )
    .addOption(new Option("--mechanism <names>", "only these, in this order: M[,M…]").argParser(names))
    .option("--authzid <identity>", "act as somebody else")
    .option("--password-file <file>", "file with the password")
    .option("--password-stdin", "read the password from standard input, to its end")
    .option("--token-file <file>", "file with a bearer token, for OAUTHBEARER and XOAUTH2")
    .addOption(preparation())
    .addOption(
      new Option("--iterations <range>", "SCRAM iteration counts to accept: MIN:MAX")
        .argParser(range)
        .default({ min: 4096, max: 600_000 }, "4096:600000"),
    )
    .addOption(minSsf())
    .addOption(maxSsf())
    .option("--sasl1", "XMPP: log in with the classic profile also where the server offers SASL2")
    .option(
      "--fast-token-file <file>",
      "XMPP: log in with the token in this file (FAST), and keep there what the server gives",
    )
    .option(
      "--totp-file <file>",
      "XMPP: file with the code of the second factor, or its otpauth:// URI; read when the server wants it",
    )
    .option("--trace", "show the exchange on standard error, without secrets")
    .action(async (url: string, options: LoginOptions) => {
      const { login } = await import("./commands/login.js");
      done(await login(url, options, io));
    });

  connectionOptions(
    addVersion(program.command("probe"))
      .description("show what a server offers; log nothing in")
      .argument("<url>", urlHelp),
  ).action(async (url: string, options: ConnectionOptions) => {
    const { probe } = await import("./commands/probe.js");
    done(await probe(url, options, io));
  });

  addVersion(program.command("mechanisms"))
    .description("list the mechanisms this build knows")
    .addOption(plugin())
    .option("--json", "one object on standard output")
    .action(async (options: MechanismsOptions) => {
      const { mechanisms } = await import("./commands/mechanisms.js");
      done(await mechanisms(options, io));
    });

  const serve = addVersion(program.command("serve")).description("serve a test server until told to stop");
  for (const port of ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps", "ws", "wss"]) {
    serve.addOption(new Option(`--${port} <port>`, `port for ${port}; 0 for any`).argParser(portNumber));
  }
  serve
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--domain <domain>", "domain of the accounts", "localhost")
    .option("--store <url>", `accounts: ${storeHelp}, or memory: for the account user / pencil`, "memory:")
    .addOption(plugin())
    .option("--cert <file>", "certificate, PEM; with --key. Left out: a new one is made and its file named")
    .option("--key <file>", "its private key, PEM")
    .option("--client-ca <file>", "issuers of client certificates, PEM; enables EXTERNAL")
    .option("--jwt-key <file>", "key that signs bearer tokens: PEM, JWK, or a secret; enables OAUTHBEARER and XOAUTH2")
    .option("--jwks <file>", "keys that sign bearer tokens, a JWK Set")
    .option("--jwt-issuer <issuer>", "who must have issued a token; needed with a key")
    .option("--jwt-audience <audience>", "whom a token must be for; default anybody")
    .addOption(new Option("--mechanisms <names>", "offer only these: M[,M…]").argParser(names))
    .option("--allow-plaintext", "offer plaintext mechanisms without TLS")
    .addOption(minSsf())
    .addOption(maxSsf())
    .addOption(preparation())
    .option("--secret <file>", "file with 16 octets or more that keep the salts of unknown users the same")
    .option("--auto-transition", "after a login with the password, store the verifiers that the account lacks")
    .option("--throttle", "answer wrong guesses more and more slowly")
    .option("--json", "one object for each event on standard output")
    .action(async (options: ServeOptions) => {
      const { serve: run } = await import("./commands/serve.js");
      done(await run(options, io));
    });
  userCommands(program, io, done);
  return program;
}

const storeHelp = "file:PATH, sqlite:PATH, postgres://…, ldap://… or what a plug-in has";

function userCommands(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const user = addHelp(program.command("user")).description("accounts: add, change, check, convert, remove");
  const command = (name: string, description: string): Command =>
    storeOptions(addHelp(user.command(name)).description(description));

  setPasswordOptions(command("add", "make an account").argument("<name>")).action(
    async (name: string, options: SetPasswordOptions) => {
      const { add } = await import("./commands/user/password.js");
      done(await add(name, options, io));
    },
  );
  setPasswordOptions(command("passwd", "change the password of an account").argument("<name>")).action(
    async (name: string, options: SetPasswordOptions) => {
      const { passwd } = await import("./commands/user/password.js");
      done(await passwd(name, options, io));
    },
  );
  command("remove", "remove an account")
    .argument("<name>")
    .action(async (name: string, options: UserOptions) => {
      const { remove } = await import("./commands/user/remove.js");
      done(await remove(name, options, io));
    });
  command("totp", "give an account a second factor, and print its secret as a URI for an app")
    .argument("<name>")
    .option("--domain <domain>", "domain of the account, which the app shows; default localhost")
    .option("--replace", "a new secret in place of the one that is there")
    .option("--disable", "take the second factor away")
    .action(async (name: string, options: TotpOptions) => {
      const { totp } = await import("./commands/user/totp.js");
      done(await totp(name, options, io));
    });
  command("list", "print the names of all accounts").action(async (options: UserOptions) => {
    const { list } = await import("./commands/user/list.js");
    done(await list(options, io));
  });
  secretOptions(command("check", "say whether a password is right, and what the account can log in with"))
    .argument("<name>")
    .action(async (name: string, options: CheckOptions) => {
      const { check } = await import("./commands/user/check.js");
      done(await check(name, options, io));
    });
  formatOptions(command("export", "print an account as another program keeps it").argument("[name]"))
    .option("--all", "every account, one behind the other")
    .option("--base <dn>", "rfc5803: the entry that accounts are below")
    .option(
      "--hash <hash>",
      "prosody: the hash it uses, SHA-1 or SHA-256; ejabberd: that of auth_scram_hash, for tables without a type",
    )
    .action(async (name: string | undefined, options: ExportOptions) => {
      const { exportAccounts } = await import("./commands/user/export.js");
      done(await exportAccounts(name, options, io));
    });
  formatOptions(command("import", "add the accounts of another program").argument("<file...>", "- for standard input"))
    .option("--replace", "overwrite the secrets of accounts that are there")
    .action(async (files: readonly string[], options: ImportOptions) => {
      const { importAccounts } = await import("./commands/user/import.js");
      done(await importAccounts(files, options, io));
    });
}

function storeOptions(command: Command): Command {
  return command
    .requiredOption("--store <url>", `where the accounts are: ${storeHelp}`)
    .addOption(plugin())
    .addOption(preparation())
    .option("--json", "one object on standard output");
}

function secretOptions(command: Command): Command {
  return command
    .option("--password-file <file>", "file with the password")
    .option("--password-stdin", "read the password from standard input, to its end");
}

function setPasswordOptions(command: Command): Command {
  return secretOptions(command)
    .addOption(
      new Option(
        "--mechanisms <names>",
        "store what these need: M[,M…]; without it, verifiers for SCRAM-SHA-256 and SCRAM-SHA-512",
      ).argParser(names),
    )
    .option("--plaintext", "store the password itself, which CRAM-MD5 needs: whoever reads the store has it")
    .addOption(
      new Option("--iterations <count>", "of new SCRAM verifiers, 4096 or more; default 10000").argParser(
        iterationCount,
      ),
    );
}

function formatOptions(command: Command): Command {
  return command
    .requiredOption("--format <format>", "dovecot, rfc5803, postgresql, prosody or ejabberd")
    .option("--host <host>", "ejabberd: the virtual host")
    .addOption(new Option("--dialect <dialect>", "ejabberd: whose SQL").choices(["standard", "mysql"]));
}

function plugin(): Option {
  return new Option("--plugin <module>", "load a plug-in; may be given several times")
    .argParser((value: string, before: readonly string[]) => [...before, value])
    .default([], "none");
}

function addVersion(command: Command): Command {
  return addHelp(command).version(version, "-V, --version", "print the version");
}

function addHelp(command: Command): Command {
  return command.helpOption("-h, --help", "print help").addHelpText("after", examples);
}

function connectionOptions(command: Command): Command {
  return command
    .option("--domain <domain>", "XMPP domain, if it is not the host")
    .option("--ca <file>", "trust the issuers in this file, PEM, and no others")
    .option("--insecure-tls", "take any certificate: for tests alone")
    .option("--cert <file>", "client certificate for EXTERNAL, PEM; with --key")
    .option("--key <file>", "its private key, PEM")
    .addOption(
      new Option("--tls <mode>", "when TLS begins; the scheme decides otherwise").choices([
        "none",
        "starttls",
        "implicit",
      ]),
    )
    .addOption(new Option("--tls-min <version>", "oldest TLS version").choices(["1.2", "1.3"]))
    .addOption(new Option("--tls-max <version>", "newest TLS version").choices(["1.2", "1.3"]))
    .addOption(
      new Option("--channel-binding <when>", "bind the login to the TLS channel")
        .choices(["disable", "prefer", "require"])
        .default("prefer"),
    )
    .option("--allow-plaintext", "permit PLAIN, LOGIN and tokens without TLS")
    .addOption(
      new Option("--timeout <seconds>", "for the whole run, but for the time a password is asked for on a terminal")
        .argParser(seconds)
        .default(30),
    )
    .option("--json", "one object on standard output");
}

function preparation(): Option {
  return new Option("--prep <how>", "how names and passwords are prepared")
    .choices(["saslprep", "none"])
    .default("saslprep");
}

function minSsf(): Option {
  return new Option("--min-ssf <bits>", "least strength of TLS, or of a security layer in its place").argParser(bits);
}

function maxSsf(): Option {
  const text = "strongest security layer, 0 for none, 1 for integrity alone; without it, any where there is no TLS";
  return new Option("--max-ssf <bits>", text).argParser(bits);
}

function bits(value: string): number {
  if (!/^[0-9]{1,4}$/.test(value)) throw new InvalidArgumentError("It is a number of bits from 0 to 9999.");
  return Number(value);
}

function names(value: string): string[] {
  const list = value.split(",").map((name) => name.trim());
  if (list.some((name) => name === "")) throw new InvalidArgumentError("It is a list of names with commas between.");
  return list;
}

function range(value: string): { min: number; max: number } {
  const [, min, max] = /^([0-9]{1,9}):([0-9]{1,9})$/.exec(value) ?? [];
  const bounds = { min: Number(min), max: Number(max) };
  if (max === undefined || bounds.min < 1 || bounds.min > bounds.max) {
    throw new InvalidArgumentError("It is MIN:MAX, such as 4096:600000.");
  }
  return bounds;
}

function iterationCount(value: string): number {
  const count = /^[0-9]{1,8}$/.test(value) ? Number(value) : 0;
  if (count < 4096 || count > 10_000_000) throw new InvalidArgumentError("It is a number from 4096 to 10000000.");
  return count;
}

function seconds(value: string): number {
  const count = /^[0-9]{1,6}(\.[0-9]{1,3})?$/.test(value) ? Number(value) : 0;
  if (count <= 0) throw new InvalidArgumentError("It is a number of seconds above 0.");
  return count;
}

function portNumber(value: string): number {
  const port = /^[0-9]{1,5}$/.test(value) ? Number(value) : -1;
  if (port < 0 || port > 65_535) throw new InvalidArgumentError("It is a number from 0 to 65535.");
  return port;
}
