/**
 * An ejabberd of the run's own, with its accounts in the run's PostgreSQL.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { Daemon, freePort, listens } from "../daemon.js";
import type { Postgres } from "../stores/postgresql.js";
import type { Endpoint } from "../types.js";

/** One that runs until the end of the run. */
export interface Ejabberd {
  readonly endpoint: Endpoint;
  /** Makes an account with `ejabberdctl`. */
  register(name: string, password: string): Promise<void>;
}

const node = "ejabberd@localhost";
const schema = "/usr/share/ejabberd/sql/pg.sql";

/**
 * Start it. Its tables go into the database of `postgres`.
 *
 * @param folder of the run, which other users can enter; everything is below `ejabberd` in it
 * @param tls folder of `server-both.pem` and `ca.pem`
 * @throws {Error} when it does not start
 */
export async function startEjabberd(
  children: Children,
  folder: string,
  tls: string,
  postgres: Postgres,
): Promise<Ejabberd> {
  const home = join(folder, "ejabberd");
  mkdirSync(join(home, "spool"), { recursive: true });
  const [port, nodePort] = [await freePort(), await freePort()];
  const config = join(home, "ejabberd.yml");
  writeFileSync(config, configuration(port, tls, postgres));
  writeFileSync(join(home, "inetrc"), '{lookup,["file","native"]}.\n');
  await children.run("chown", ["-R", "ejabberd:ejabberd", home]);
  const made = await postgres.psql(readFileSync(schema, "utf8"));
  if (made.exit !== 0) throw new Error(`the tables of ejabberd: ${lastWords(made)}`);
  const env = {
    ...{
      HOME: home,
      EJABBERD_CONFIG_PATH: config,
      EJABBERD_LOG_PATH: join(home, "log"),
      ERL_LIBS: "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu",
    },
    // A port of its own in place of epmd, which would stay when everything else ends.
    ...{ ERL_DIST_PORT: String(nodePort), ERLANG_NODE: node, INET_DIST_INTERFACE: "127.0.0.1" },
    ...{ ERL_INETRC: join(home, "inetrc"), ERL_CRASH_DUMP: join(home, "crash.dump") },
  };
  const control = (...command: readonly string[]): ReturnType<Children["run"]> => {
    const user = ["--reuid=ejabberd", "--regid=ejabberd", "--clear-groups", "--"];
    const folders = ["--config-dir", home, "--spool", join(home, "spool"), "--logs", home];
    return children.run("setpriv", [...user, "ejabberdctl", ...folders, ...command], { env, timeoutMs: 60_000 });
  };
  const network = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"];
  const daemon = new Daemon(children, {
    command: "erl",
    args: [
      ...["-sname", node, "-erl_epmd_port", String(nodePort), "-start_epmd", "false", ...network],
      ...["-noinput", "-mnesia", "dir", `"${join(home, "spool")}"`, "-s", "ejabberd"],
    ],
    env,
    user: "ejabberd",
    // It listens before it knows its own commands.
    ready: async () => (await listens(port)) && (await control("status")).exit === 0,
    patienceMs: 60_000,
  });
  await daemon.start();
  const ca = join(tls, "ca.pem");
  return {
    endpoint: {
      ...{ server: "ejabberd", protocol: "xmpp", channel: "starttls", host: "localhost", port, ca },
      domain: "localhost",
    },
    async register(name, password) {
      const finished = await control("register", name, "localhost", password);
      if (finished.exit !== 0) throw new Error(`ejabberdctl register: ${lastWords(finished)}`);
    },
  };
}

function configuration(port: number, tls: string, postgres: Postgres): string {
  const { username, password, pathname } = new URL(postgres.url);
  return `hosts:
  - localhost
loglevel: info
certfiles:
  - ${tls}/server-both.pem
listen:
  -
    port: ${port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
auth_method: sql
auth_password_format: scram
auth_scram_hash: sha256
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: ${postgres.port}
sql_database: "${pathname.slice(1)}"
sql_username: "${username}"
sql_password: "${password}"
acme:
  auto: false
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}
`;
}
