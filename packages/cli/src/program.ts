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
import type { ExitCode } from "./errors.js";
import type { Io } from "./output.js";
import { version } from "./version.js";

const examples = `
Exit codes: 0 done, 1 credentials refused, 2 authentication not possible or not to be trusted,
3 connection or TLS failure or time-out, 64 wrong usage.`;

const urlHelp = "imap, imaps, smtp, smtps, xmpp or xmpps://[USER@]HOST[:PORT]";

/**
 * The program. Its commands load what they need when they run.
 *
 * @param done told what a command exits with.
 */
export function makeProgram(io: Io, done: (code: ExitCode) => void): Command {
  const program = new Command("sasl")
    .description("Log in to servers with any SASL mechanism, see what they offer, serve a test server.")
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
    .addOption(
      new Option("--plugin <module>", "load a plug-in; may be given several times")
        .argParser((value: string, before: readonly string[]) => [...before, value])
        .default([], "none"),
    )
    .option("--json", "one object on standard output")
    .action(async (options: MechanismsOptions) => {
      const { mechanisms } = await import("./commands/mechanisms.js");
      done(await mechanisms(options, io));
    });

  const serve = addVersion(program.command("serve")).description("serve a test server until told to stop");
  for (const port of ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps"]) {
    serve.addOption(new Option(`--${port} <port>`, `port for ${port}; 0 for any`).argParser(portNumber));
  }
  serve
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--domain <domain>", "domain of the accounts", "localhost")
    .option("--store <url>", "accounts: file:PATH (a passwd-file), or memory: for the account user / pencil", "memory:")
    .option("--cert <file>", "certificate, PEM; with --key. Left out: a new one is made and its file named")
    .option("--key <file>", "its private key, PEM")
    .option("--client-ca <file>", "issuers of client certificates, PEM; enables EXTERNAL")
    .option("--jwt-key <file>", "key that signs bearer tokens: PEM, JWK, or a secret; enables OAUTHBEARER and XOAUTH2")
    .option("--jwks <file>", "keys that sign bearer tokens, a JWK Set")
    .option("--jwt-issuer <issuer>", "who must have issued a token; needed with a key")
    .option("--jwt-audience <audience>", "whom a token must be for; default anybody")
    .addOption(new Option("--mechanisms <names>", "offer only these: M[,M…]").argParser(names))
    .option("--allow-plaintext", "offer plaintext mechanisms without TLS")
    .addOption(preparation())
    .option("--secret <file>", "file with 16 octets or more that keep the salts of unknown users the same")
    .option("--throttle", "answer wrong guesses more and more slowly")
    .option("--json", "one object for each event on standard output")
    .action(async (options: ServeOptions) => {
      const { serve: run } = await import("./commands/serve.js");
      done(await run(options, io));
    });
  return program;
}

function addVersion(command: Command): Command {
  return command
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText("after", examples);
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
