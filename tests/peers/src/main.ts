/**
 * `npm run test:peers`: our client against real servers, real clients against our server.
 *
 * @module
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { attemptOf, type Row } from "./attempts/attempt.js";
import { bindingAttempts } from "./attempts/binding-types.js";
import { dovecotRows } from "./attempts/dovecot.js";
import { postfixRows } from "./attempts/postfix.js";
import { probeAttempts } from "./attempts/probe.js";
import { prosodyRows } from "./attempts/prosody.js";
import { boundAttempts, boundMechanisms, unboundAttempts, unboundMechanisms } from "./attempts/serve.js";
import { sessionAttempts } from "./attempts/sessions.js";
import { Children } from "./children.js";
import { Curl } from "./clients/curl.js";
import { Cyrus } from "./clients/cyrus.js";
import { GoSendxmpp } from "./clients/go-sendxmpp.js";
import { Gsasl } from "./clients/gsasl.js";
import { SaslLogin } from "./clients/sasl.js";
import { Slixmpp } from "./clients/slixmpp.js";
import { Swaks } from "./clients/swaks.js";
import { type Options, readOptions, usage } from "./options.js";
import { writePasswdFile } from "./passwd-file.js";
import { PeersFolder } from "./peers-folder.js";
import { Report, runAttempts } from "./report.js";
import { Serve } from "./serve.js";
import { endpointOf, type Server, type ServerKind, serverKinds } from "./servers.js";
import { readServers } from "./servers-file.js";
import { makeCertificates } from "./tls-files.js";
import { findTools, type Tool } from "./tools.js";
import type { Attempt, Certificate, Client } from "./types.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const builtCommand = join(root, "packages/cli/dist/bin.js");
const scriptsBeside = join(root, "../shared/peers");
const defaultFile = join(root, "tests/peers/servers.json");

const tables: Readonly<Record<ServerKind, (server: Server) => Row[]>> = {
  dovecot: dovecotRows,
  postfix: postfixRows,
  prosody: prosodyRows,
  prosody13: prosodyRows,
};

/** Everything one run holds, and its end. */
class Run {
  readonly options: Options;
  readonly children: Children = new Children();
  readonly report: Report;
  readonly scratch: string;
  #peers: PeersFolder | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: Options) {
    this.options = options;
    this.report = new Report(options.require);
    this.scratch = mkdtempSync(join(tmpdir(), "peers-"));
    chmodSync(this.scratch, 0o755); // the servers' own users must be able to enter
  }

  /** Whether the end has begun. */
  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** Stop the servers and every child, and leave nothing behind. */
  end(): Promise<void> {
    this.#ended ??= this.#stop();
    return this.#ended;
  }

  async #stop(): Promise<void> {
    await this.children.stopAll();
    await this.#peers?.stop();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** The servers to log in to: named in a file, or started here. */
  async servers(): Promise<Server[]> {
    const { servers, peers, install } = this.options;
    const scripts = peers ?? (existsSync(scriptsBeside) ? scriptsBeside : undefined);
    const file = servers ?? (scripts === undefined && existsSync(defaultFile) ? defaultFile : undefined);
    if (file !== undefined) {
      this.report.note(`servers as ${file} says; none is started here`);
      const named = readServers(file);
      for (const kind of serverKinds) {
        if (!named.some((server) => server.kind === kind)) this.report.missing(kind, `not in ${file}`);
      }
      return named;
    }
    if (scripts === undefined) {
      this.report.note(
        `no folder of peers at ${scriptsBeside}: name running servers in ${defaultFile} or with --servers FILE`,
      );
      for (const kind of serverKinds) this.report.missing(kind, "nobody said where one runs");
      return [];
    }
    if (!install) this.report.note("servers are installed by their own scripts, whatever --no-install says");
    const state = join(this.scratch, "state");
    await makeCertificates(this.children, join(state, "tls"));
    this.#peers = new PeersFolder(new Children(), scripts, state);
    return await this.#peers.start(serverKinds, this.report);
  }

  /** The clients there are, ours not among them. */
  async clients(tools: ReadonlySet<Tool>): Promise<Client[]> {
    const found: Client[] = [];
    if (tools.has("gsasl")) found.push(new Gsasl(this.children));
    if (tools.has("curl")) found.push(new Curl(this.children));
    if (tools.has("cyrus")) found.push(new Cyrus(this.children));
    if (tools.has("swaks")) found.push(new Swaks(this.children));
    if (tools.has("slixmpp")) found.push(new Slixmpp(this.children));
    const program = await this.#peers?.goSendxmpp();
    if (program !== undefined) found.push(new GoSendxmpp(this.children, program, this.scratch));
    else this.report.missing("go-sendxmpp", "no release to unpack");
    return found;
  }

  /** Run attempts, or list them, as far as `--only` lets them through. */
  async attempts(all: readonly Attempt[]): Promise<void> {
    const chosen = all.filter(({ name }) => this.options.only.every((text) => name.includes(text)));
    if (this.options.list) for (const { name } of chosen) this.report.note(name);
    else await runAttempts(chosen, this.options.jobs, this.report, () => this.isOver);
  }
}

/** Our client and, where it can do the same, somebody else's, at each row. */
function clientAttempts(servers: readonly Server[], ours: Client, others: readonly Client[]): Attempt[] {
  return servers
    .flatMap((server) => tables[server.kind](server))
    .flatMap((row) => {
      const opinion = isForOthers(row)
        ? others.find((client) => client.cannot(row.endpoint, row.login) === undefined)
        : undefined;
      return [attemptOf(row, ours), ...(opinion === undefined ? [] : [attemptOf(row, opinion)])];
    });
}

/** Policy is our own; what a server makes of credentials is not. */
function isForOthers({ login, expected }: Row): boolean {
  return (expected.outcome === "accepted" || expected.outcome === "refused") && login.channelBinding !== "require";
}

async function serverAttempts(
  run: Run,
  command: string,
  clients: readonly Client[],
  tools: ReadonlySet<Tool>,
): Promise<void> {
  const store = join(run.scratch, "users");
  const verifiers = await writePasswdFile(run.children, store);
  const certificates = new Map<string, Certificate>();
  const tls = join(run.scratch, "serve-tls");
  const trust: string[] = [];
  if (tools.has("openssl")) {
    await makeCertificates(run.children, tls);
    certificates.set("alice", { cert: join(tls, "client-alice.pem"), key: join(tls, "client-alice.key") });
    trust.push("--client-ca", join(tls, "ca.pem"));
  }
  const common = ["--store", `file:${store}`];
  const bound = [...common, ...trust, "--mechanisms", boundMechanisms.join(",")];
  const unbound = [...common, "--allow-plaintext", "--mechanisms", unboundMechanisms.join(",")];
  const serve = await Serve.start(run.children, "serve", command, bound);
  await run.attempts(boundAttempts({ serve, certificates, verifiers }, clients));
  await run.attempts(bindingAttempts(serve.endpoint("xmpp", "starttls")));
  await run.attempts(sessionAttempts(serve, run.children, tools));
  const plain = await Serve.start(run.children, "serve-unbound", command, unbound);
  await run.attempts(unboundAttempts(plain, clients));
  await run.attempts([ending("SIGTERM", serve), ending("SIGINT", plain)]);
}

/** The command ends by itself, and in order, when told to. */
function ending(signal: "SIGTERM" | "SIGINT", serve: Serve): Attempt {
  return {
    name: `${serve.name} ends with exit 0 on ${signal}`,
    async run() {
      const exit = await serve.stop(signal);
      return exit === 0 ? { passed: true } : { passed: false, why: `ended with ${exit}` };
    },
  };
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    return 64;
  }
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const command = options.sasl ?? builtCommand;
  if (!existsSync(command)) {
    process.stderr.write(`${command} is missing: start this with npm run test:peers, which builds it\n`);
    return 64;
  }
  const run = new Run(options);
  const stop = (why: string, status: number): void => {
    process.stderr.write(`\n${why}: stopping what was started\n`);
    void run.end().finally(() => process.exit(status));
  };
  process.once("SIGINT", () => stop("interrupted", 130)).once("SIGTERM", () => stop("terminated", 143));
  process.stdout.once("error", () => stop("nobody reads the report", 141)).on("error", () => {});
  process.stderr.on("error", () => {}); // the same reader, gone
  try {
    const tools = await findTools(run.children, options.install, run.report);
    const servers = await run.servers();
    const others = await run.clients(tools);
    const ours = new SaslLogin(run.children, command, run.scratch);
    await run.attempts(clientAttempts(servers, ours, others));
    for (const server of servers.filter(({ kind }) => kind === "prosody13")) {
      const endpoint = endpointOf(server, "c2s", "xmpp", "starttls");
      if (endpoint !== undefined) await run.attempts(bindingAttempts(endpoint));
    }
    await run.attempts(servers.flatMap((server) => probeAttempts(server, run.children, command)));
    await serverAttempts(run, command, [ours, ...others], tools);
  } catch (error) {
    if (!run.isOver) run.report.fail("the harness", error instanceof Error ? error.message : String(error));
  } finally {
    await run.end();
  }
  return options.list ? 0 : run.report.finish();
}

process.exitCode = await main();
