/**
 * `sasl serve`: a shell around `startServer`.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { type Mechanism, memoryAccounts } from "sasl-core";
import type { LoadedPlugins } from "sasl-core/node";
import { CommandError, type ExitCode, exitCodes, oneLine, usageError } from "../errors.js";
import { unreadable } from "../files.js";
import { withPlugins } from "../known-mechanisms.js";
import type { Mask } from "../masking.js";
import { type Io, inBits, jsonLine } from "../output.js";
import { loadNamed } from "../plugins.js";
import { type LoginEvent, type ServiceName, serviceNames, startServer, type TestServer } from "../server/index.js";
import { canBeServed } from "../server/offered.js";
import { closing, faultText, type OpenStore, openStore } from "../stores.js";
import { checkPair, readCertificates, readPem } from "./connection-options.js";
import { EventLog } from "./event-log.js";
import { chooseServed } from "./served-mechanisms.js";
import { type TokenOptions, tokenVerifier } from "./tokens.js";

/** As the argument parser gives them. */
export interface ServeOptions extends TokenOptions {
  readonly imap?: number;
  readonly imaps?: number;
  readonly smtp?: number;
  readonly smtps?: number;
  readonly xmpp?: number;
  readonly xmpps?: number;
  readonly ws?: number;
  readonly wss?: number;
  readonly host: string;
  readonly domain: string;
  readonly store: string;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly mechanisms?: readonly string[];
  readonly allowPlaintext?: boolean;
  readonly minSsf?: number;
  readonly maxSsf?: number;
  readonly prep: "saslprep" | "none";
  readonly secret?: string;
  readonly plugin: readonly string[];
  readonly autoTransition?: boolean;
  readonly throttle?: boolean;
  readonly json?: boolean;
}

/** Runs the command until it is told to stop. @throws {CommandError} */
export async function serve(options: ServeOptions, io: Io): Promise<ExitCode> {
  const ports = Object.fromEntries(
    serviceNames.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  ) as Partial<Record<ServiceName, number>>;
  if (Object.keys(ports).length === 0)
    throw usageError("nothing to serve: name a port, as in --imap 0 --smtp 0 --xmpp 0");
  if ((options.cert === undefined) !== (options.key === undefined)) throw usageError("--cert and --key go together");
  const plugins = await loadNamed(options.plugin);
  try {
    const opened = await openAccounts(options.store, plugins);
    return await closing(opened, () => run({ ...options, ports }, plugins, opened, io));
  } finally {
    await plugins.close();
  }
}

/** What is served, once everything is open. */
async function run(
  options: ServeOptions & { readonly ports: Partial<Record<ServiceName, number>> },
  plugins: LoadedPlugins,
  { accounts, scramIterations, mask, note }: Opened,
  io: Io,
): Promise<ExitCode> {
  const { json = false, ports, host, domain, prep: prepare, allowPlaintext, autoTransition, minSsf, maxSsf } = options;
  const mechanisms = options.mechanisms && chooseServed(options.mechanisms, withPlugins(plugins.mechanisms));
  if (autoTransition && accounts.store === undefined) throw usageError("--auto-transition: this store cannot write");
  const say = (text: string): void => void io.stderr.write(`sasl serve: ${oneLine(mask(text))}\n`);
  const stopped = stopOf(io);
  const log = new EventLog(io.stdout);
  let server: TestServer;
  try {
    server = await startServer({
      ports,
      host,
      domain,
      accounts,
      prepare,
      allowPlaintext,
      minSsf,
      maxSsf,
      mechanisms,
      scramIterations,
      plugins,
      autoTransition,
      passwordSchemes: (await import("sasl-passwords")).passwordSchemes,
      certificate: await certificateOf(options),
      clientCa: options.clientCa === undefined ? undefined : await readCertificates(options.clientCa),
      tokens: await tokenVerifier(options),
      secret: options.secret === undefined ? undefined : await readSecret(options.secret),
      throttle: options.throttle ? (await import("sasl-throttle")).throttle() : undefined,
      onLogin: (event) => log.add(json ? jsonLine(masked(event, mask)) : sentence(masked(event, mask))),
      onError: (error) => say(faultText(error)),
    });
  } catch (error) {
    stopped.forget();
    throw error instanceof RangeError ? usageError(error.message) : error;
  }
  // A certificate of the user's own is where he said.
  const ca = options.cert ?? server.ca;
  for (const text of [note, ...unusable(mechanisms, options)]) if (text !== undefined) say(text);
  log.begin(json ? jsonLine({ ready: true, ...server.ports, host, domain: server.domain, ca }) : forPeople(server, ca));
  await stopped.promise;
  await server.close();
  log.flush();
  return exitCodes.done;
}

/** What a store says about its own fault may hold what it was opened with. */
function masked(event: LoginEvent, mask: Mask): LoginEvent {
  return event.code === "temporary" && event.detail !== undefined ? { ...event, detail: mask(event.detail) } : event;
}

function forPeople({ ports, host, domain }: TestServer, ca: string): string {
  const shown = host.includes(":") ? `[${host}]` : host;
  const lines = Object.entries(ports).map(([name, port]) => `  ${name}://${shown}:${port}`);
  return `serving ${domain} on\n${lines.join("\n")}\ncertificate to trust: ${ca}\nstop with Ctrl-C`;
}

function sentence({
  protocol,
  mechanism,
  ok,
  authcid,
  authzid,
  channelBinding,
  ssf,
  remote,
  code,
  detail,
}: LoginEvent): string {
  const acting = authzid !== null && authzid !== authcid ? ` acting as ${authzid}` : "";
  const bound = channelBinding === null ? "" : `, bound by ${channelBinding}`;
  const layer = ssf === 0 ? "" : `, security layer of ${inBits(ssf)}`;
  const outcome = ok
    ? `logged in${acting}${bound}${layer}`
    : `failed: ${code}${detail === undefined ? "" : ` (${detail})`}`;
  return oneLine(
    `${new Date().toISOString()} ${protocol} ${remote ?? "-"} ${mechanism || "-"} ${authcid ?? "-"} ${outcome}`,
  );
}

/** Warnings about mechanisms that were named and never will be offered. */
function unusable(mechanisms: readonly Mechanism[] = [], { clientCa, jwtKey, jwks }: ServeOptions): string[] {
  const names = (needs: Mechanism["needs"]): string =>
    mechanisms
      .filter((each) => each.needs === needs)
      .map(({ name }) => name)
      .join(", ");
  const external = clientCa === undefined ? names("identity") : "";
  const tokens = jwtKey === undefined && jwks === undefined ? names("token") : "";
  const others = mechanisms
    .filter((each) => !canBeServed(each))
    .map(({ name }) => name)
    .join(", ");
  return [
    external && `${external} is not offered without --client-ca FILE, the issuers of client certificates`,
    tokens && `${tokens}: not offered without --jwt-key or --jwks, and --jwt-issuer`,
    others &&
      `${others}: not offered: a server needs something for that which no option gives, such as a keytab or a function`,
  ].filter((warning) => warning !== "");
}

/** A store, what servers should know of it, and what people should. */
interface Opened extends OpenStore {
  readonly scramIterations?: readonly number[] | undefined;
  readonly note?: string | undefined;
}

/** Where accounts are kept, by URL. */
async function openAccounts(url: string, plugins: LoadedPlugins): Promise<Opened> {
  if (url === "memory:") {
    const note =
      'no store was named: there is one account, "user" with the password "pencil"; --store file:PATH has others';
    return { accounts: memoryAccounts({ user: "pencil" }), mask: (text) => text, note };
  }
  const { accounts, mask } = await openStore(url, { plugins });
  // A file knows these of all its accounts.
  const { size, iterations } = accounts as { readonly size?: unknown; readonly iterations?: unknown };
  const counts = Array.isArray(iterations) ? iterations.filter((count) => count >= 4096) : [];
  return {
    accounts,
    scramIterations: counts.length > 0 ? counts : undefined,
    mask,
    note: size === 0 ? "there are 0 accounts, so that nobody can log in; sasl user add makes one" : undefined,
  };
}

async function certificateOf({ cert, key }: ServeOptions): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined || key === undefined) return undefined;
  const pair = { cert: await readCertificates(cert), key: await readPem(key) };
  checkPair(pair.cert, pair.key, { cert, key });
  return pair;
}

async function readSecret(path: string): Promise<Uint8Array> {
  let octets: Uint8Array;
  try {
    octets = await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (octets.length < 16) throw new CommandError("malformed-file", `${path}: the secret has fewer than 16 octets`);
  return octets;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** When to stop: when the caller says so, or else on SIGINT, SIGTERM and SIGHUP; and when nobody can be told of logins. */
function stopOf(io: Io): { promise: Promise<void>; forget: () => void } {
  let stop: () => void = () => {};
  const promise = new Promise<void>((resolve) => {
    stop = () => {
      forget();
      resolve();
    };
  });
  const forget = (): void => {
    io.stop?.removeEventListener("abort", stop);
    io.stdout.off("error", stop);
    for (const signal of signals) process.off(signal, stop);
  };
  io.stdout.on("error", stop);
  if (io.stop) io.stop.addEventListener("abort", stop, { once: true });
  else for (const signal of signals) process.on(signal, stop);
  if (io.stop?.aborted) stop();
  return { promise, forget };
}
