/**
 * One run of the harness: what it started, and the end of it.
 *
 * @module
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Children } from "./children.js";
import { Curl } from "./clients/curl.js";
import { Cyrus } from "./clients/cyrus.js";
import { GoSendxmpp } from "./clients/go-sendxmpp.js";
import { Gsasl } from "./clients/gsasl.js";
import { Slixmpp } from "./clients/slixmpp.js";
import { Swaks } from "./clients/swaks.js";
import type { Options } from "./options.js";
import { PeersFolder } from "./peers-folder.js";
import { Report, runAttempts } from "./report.js";
import { type Server, type ServerKind, serverKinds } from "./servers.js";
import { readServers } from "./servers-file.js";
import { makeCertificates } from "./tls-files.js";
import type { Tool } from "./tools.js";
import type { Attempt, Client } from "./types.js";

/** The root of this checkout. */
export const repository: string = fileURLToPath(new URL("../../../", import.meta.url));

const scriptsBeside = join(repository, "../shared/peers");
const defaultFile = join(repository, "tests/peers/servers.json");

/** The command of this checkout, which needs the build. */
export const builtCommand: string = join(repository, "packages/cli/bin/sasl.js");

/** Everything one run holds. */
export class Run {
  readonly options: Options;
  readonly children: Children = new Children();
  readonly report: Report;
  /** A folder that is removed at the end. */
  readonly scratch: string;
  #peers: PeersFolder | undefined;
  #variants: PeersFolder[] = [];
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
    for (const each of this.#variants) await each.stop();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** The servers to log in to: named in a file, or started here. */
  async servers(): Promise<Server[]> {
    const { servers } = this.options;
    const scripts = this.#scripts;
    const file = servers ?? (scripts === undefined && existsSync(defaultFile) ? defaultFile : undefined);
    if (file !== undefined) return this.#named(file);
    if (scripts === undefined) {
      this.report.note(
        `no folder of peers at ${scriptsBeside}: name running servers in ${defaultFile} or with --servers`,
      );
      for (const kind of serverKinds) this.report.missing(kind, "nobody said where one runs");
      return [];
    }
    const state = join(this.scratch, "state");
    await makeCertificates(this.children, join(state, "tls"));
    this.#peers = new PeersFolder(new Children(), scripts, state);
    return await this.#peers.start(serverKinds, this.report);
  }

  /** One more server, with settings that its script reads from the environment; none where servers are not started here. */
  async variant(kind: ServerKind, env: Readonly<Record<string, string>>): Promise<Server[]> {
    const scripts = this.#scripts;
    if (scripts === undefined || this.#peers === undefined) return [];
    const state = join(this.scratch, `variant-${this.#variants.length}`);
    await makeCertificates(this.children, join(state, "tls"));
    const peers = new PeersFolder(new Children(), scripts, state, env);
    this.#variants.push(peers);
    return await peers.start([kind], this.report);
  }

  get #scripts(): string | undefined {
    return this.options.peers ?? (existsSync(scriptsBeside) ? scriptsBeside : undefined);
  }

  #named(file: string): Server[] {
    this.report.note(`servers as ${file} says; none is started here`);
    const named = readServers(file);
    for (const kind of serverKinds) {
      if (!named.some((server) => server.kind === kind)) this.report.missing(kind, `not in ${file}`);
    }
    return named;
  }

  /** The clients there are, ours not among them, the first choice for a second opinion first. */
  async clients(tools: ReadonlySet<Tool>): Promise<Client[]> {
    const { children } = this;
    const makers: [tool: Tool, make: () => Client][] = [
      ["gsasl", () => new Gsasl(children)],
      ["curl", () => new Curl(children)],
      ["cyrus", () => new Cyrus(children)],
      ["swaks", () => new Swaks(children)],
      ["slixmpp", () => new Slixmpp(children)],
    ];
    const found = makers.filter(([tool]) => tools.has(tool)).map(([, make]) => make());
    const installed = await children.run("go-sendxmpp", ["--version"]);
    const program = installed.exit === 0 ? "go-sendxmpp" : await this.#peers?.goSendxmpp();
    if (program !== undefined) found.push(new GoSendxmpp(children, program, this.scratch));
    else this.report.missing("go-sendxmpp", "not installed, and no package of it was found");
    return found;
  }

  /** Whether `--only` lets an attempt through. */
  wants(name: string): boolean {
    return this.options.only.every((text) => name.includes(text));
  }

  /** Run attempts, or list them, as far as `--only` lets them through. @param width how many at a time; default `--jobs` */
  async attempts(all: readonly Attempt[], width: number = this.options.jobs): Promise<void> {
    const chosen = all.filter(({ name }) => this.wants(name));
    if (this.options.list) for (const { name } of chosen) this.report.note(name);
    else await runAttempts(chosen, width, this.report, () => this.isOver);
  }
}
