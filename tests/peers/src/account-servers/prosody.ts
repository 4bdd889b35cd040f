/**
 * A Prosody of the run's own, with a host that keeps SHA-1 and one that keeps SHA-256.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { Daemon, freePort, listens } from "../daemon.js";
import type { Endpoint } from "../types.js";

/** The hash of an account's keys, which is one for each host. */
export type ProsodyHash = "SHA-1" | "SHA-256";

/** One that runs until the end of the run. */
export interface OwnProsody {
  /** Where a host's clients connect. */
  endpoint(hash: ProsodyHash): Endpoint;
  /** Makes an account with `prosodyctl`. @returns the file it is in. */
  register(hash: ProsodyHash, name: string, password: string): Promise<string>;
  /** Puts a file among the accounts of a host. @param fileName with `.dat` */
  place(hash: ProsodyHash, fileName: string, text: string): Promise<void>;
}

const hosts = { "SHA-1": "hashed.localhost", "SHA-256": "hashed256.localhost" } as const;
const asNobody = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/**
 * Start it.
 *
 * @param folder of the run, which other users can enter; everything is below `prosody-own` in it
 * @param tls folder of `server.pem`, `server.key` and `ca.pem`, for the hosts
 * @throws {Error} when it does not start
 */
export async function startProsody(children: Children, folder: string, tls: string): Promise<OwnProsody> {
  const home = join(folder, "prosody-own");
  const accountsOf = (hash: ProsodyHash): string => join(home, "data", encoded(hosts[hash]), "accounts");
  for (const hash of ["SHA-1", "SHA-256"] as const) mkdirSync(accountsOf(hash), { recursive: true });
  const port = await freePort();
  const config = join(home, "prosody.cfg.lua");
  writeFileSync(config, configuration(home, port, tls));
  const own = (): Promise<unknown> => children.run("chown", ["-R", "nobody:nogroup", home]);
  await own();
  const daemon = new Daemon(children, {
    command: "setpriv",
    args: [...asNobody, "--pdeathsig=TERM", "--", "prosody", "--config", config, "-F"],
    ready: () => listens(port),
  });
  await daemon.start();
  return {
    endpoint: (hash) => ({
      ...{ server: "prosody+accounts", protocol: "xmpp", channel: "starttls", host: "localhost", port },
      ...{ ca: join(tls, "ca.pem"), domain: hosts[hash], plus: "1.2" },
    }),
    async register(hash, name, password) {
      const command = ["prosodyctl", "--config", config, "register", name, hosts[hash], password];
      const finished = await children.run("setpriv", [...asNobody, "--", ...command]);
      if (finished.exit !== 0) throw new Error(`prosodyctl register: ${lastWords(finished)}`);
      return join(accountsOf(hash), `${encoded(name)}.dat`);
    },
    async place(hash, fileName, text) {
      writeFileSync(join(accountsOf(hash), fileName), text);
      await own();
    },
  };
}

/** As Prosody names files. */
function encoded(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function configuration(home: string, port: number, tls: string): string {
  return `pidfile = "${home}/pid"
daemonize = false
prosody_user = "nobody"; prosody_group = "nogroup"
data_path = "${home}/data"
log = { { levels = { min = "info" }, to = "file", filename = "${home}/log" } }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "ping" }
modules_disabled = { "s2s"; "s2s_auth_certs"; "posix"; "offline" }
interfaces = { "127.0.0.1" }
c2s_ports = { ${port} }
s2s_ports = {}
component_ports = {}
http_ports = {}
https_ports = {}
c2s_require_encryption = true
storage = "internal"
authentication = "internal_hashed"
ssl = { key = "${tls}/server.key"; certificate = "${tls}/server.pem"; protocol = "tlsv1_2+"; }
VirtualHost "${hosts["SHA-1"]}"
VirtualHost "${hosts["SHA-256"]}"
  password_hash = "SHA-256"
`;
}
