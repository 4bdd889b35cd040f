/**
 * Starts and stops real servers by the scripts of a folder of peers: one script for each server with `start DIR` and
 * `stop DIR`, which installs what is missing and prints `READY {json}`.
 *
 * @module
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Children } from "./children.js";
import type { Report } from "./report.js";
import type { Server, ServerKind } from "./servers.js";
import type { Certificate } from "./types.js";

/** Installing packages takes its time on a machine that has none of them. */
const startTimeoutMs = 300_000;

/** The servers of one run, all below one folder. */
export class PeersFolder {
  readonly #children: Children;
  readonly #scripts: string;
  readonly #state: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #started: ServerKind[] = [];
  #script: Promise<unknown> = Promise.resolve();
  #stopping = false;

  /**
   * @param children not stopped before the servers are
   * @param scripts the folder of the scripts
   * @param state a folder of this run alone, which the servers' own users can enter; with certificates in `tls`
   * @param env what the scripts read from the environment
   */
  constructor(children: Children, scripts: string, state: string, env: Readonly<Record<string, string>> = {}) {
    this.#children = children;
    this.#scripts = scripts;
    this.#state = state;
    this.#env = env;
  }

  /** Start every server, one after the other since they look for free ports; what cannot start is reported missing. */
  async start(kinds: readonly ServerKind[], report: Report): Promise<Server[]> {
    mkdirSync(this.#state, { recursive: true });
    chmodSync(this.#state, 0o755);
    const servers: Server[] = [];
    for (const kind of kinds) {
      if (this.#stopping) break;
      const started = performance.now();
      this.#started.push(kind);
      const { stdout, stderr } = await this.#run(kind, "start");
      const ready = /^READY (\{.*\})$/m.exec(stdout)?.[1];
      if (ready === undefined) {
        report.missing(kind, stderr.trim().split("\n").at(-1) ?? "its script gave no reason");
        continue;
      }
      servers.push(await this.#describe(kind, ready));
      report.note(`started ${kind} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
    return servers;
  }

  /** Stop what was started; a start under way ends first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#script;
    for (const kind of this.#started.splice(0).reverse()) await this.#run(kind, "stop");
  }

  /**
   * Unpack go-sendxmpp, which no stable release of Debian has.
   *
   * @returns its path, or `undefined` when it cannot be had.
   */
  async goSendxmpp(): Promise<string | undefined> {
    const unpack =
      'NAME=peers; . "$0/lib.sh" && unpack_pkgs go-sendxmpp backports go-sendxmpp >&2 && printf %s "$TREE"';
    const { exit, stdout } = await this.#children.run("bash", ["-c", unpack, this.#scripts], {
      timeoutMs: startTimeoutMs,
    });
    const program = join(stdout, "usr/bin/go-sendxmpp");
    return exit === 0 && existsSync(program) ? program : undefined;
  }

  #run(kind: ServerKind, command: "start" | "stop"): ReturnType<Children["run"]> {
    const script = this.#children.run(join(this.#scripts, `${kind}.sh`), [command, this.#state], {
      timeoutMs: startTimeoutMs,
      env: this.#env,
    });
    this.#script = script;
    return script;
  }

  async #describe(kind: ServerKind, ready: string): Promise<Server> {
    const { host, domain, ca, ports } = JSON.parse(ready) as {
      host: string;
      domain: string;
      ca: string;
      ports: Record<string, number>;
    };
    const tls = join(this.#state, "tls");
    const pair = (name: string): [string, Certificate] => [
      name,
      { cert: join(tls, `client-${name}.pem`), key: join(tls, `client-${name}.key`) },
    ];
    const certificates = new Map(["alice", "user", "alice-vhost"].map(pair));
    const tokens = new Map<string, string>();
    if (kind === "dovecot") await this.#mint(tokens);
    const http = ports.http;
    if (kind === "prosody13" && http !== undefined) {
      const token = await prosodyToken(host, http).catch(() => undefined);
      if (token !== undefined) tokens.set("oauth2", token);
    }
    return { kind, host, domain, ca, ports: new Map(Object.entries(ports)), certificates, tokens };
  }

  /** Tokens for alice that Dovecot takes, one that expired and one signed with a key it does not know. */
  async #mint(tokens: Map<string, string>): Promise<void> {
    const foreignKey = join(this.#state, "foreign.secret");
    writeFileSync(foreignKey, crypto.getRandomValues(new Uint8Array(32)));
    const kinds: [name: string, options: string[]][] = [
      ["HS256", ["-a", "HS256"]],
      ["RS256", ["-a", "RS256"]],
      ["ES256", ["-a", "ES256"]],
      ["expired", ["-e", "-60"]],
      ["foreign", ["-k", foreignKey]],
    ];
    for (const [name, options] of kinds) {
      const minted = await this.#children.run(join(this.#scripts, "mint-token.sh"), [
        this.#state,
        "-u",
        "alice",
        ...options,
      ]);
      if (minted.exit === 0) tokens.set(name, minted.stdout.trim());
    }
  }
}

/** Ask Prosody's own OAuth 2.0 server for a token of `user`. */
function prosodyToken(host: string, port: number): Promise<string | undefined> {
  const form = new URLSearchParams({
    grant_type: "password",
    username: "user@hashed.localhost",
    password: "pencil",
    scope: "xmpp",
  });
  return new Promise((resolve, reject) => {
    const headers = { host: "hashed.localhost", "content-type": "application/x-www-form-urlencoded" };
    const asking = request({ host, port, path: "/oauth2/token", method: "POST", headers, timeout: 5_000 }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      answer.on("end", () => resolve(/"access_token":"([^"]+)"/.exec(body)?.[1]));
    });
    asking.on("error", reject);
    asking.end(form.toString());
  });
}
