/**
 * A Prosody of our own, with WebSocket. That of Debian 12 knows no SASL2 and so no tokens: keys of SCRAM are what is kept
 * there. One that is only unpacked, such as Debian's backport of Prosody 13 with its modules, has them.
 *
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { root } from "./site.js";
import { install } from "./tools.js";
import { type ChatServer, users } from "./web-chat.js";

/**
 * Where a Prosody 13 with its modules is unpacked: `PROSODY_13`, or what the scripts of the peers, beside the checkout,
 * unpack for the harness of real servers, too.
 */
export function prosody13(): string | undefined {
  const scripts = join(root, "../shared/peers");
  if (process.env.PROSODY_13 !== undefined || !existsSync(scripts)) return process.env.PROSODY_13;
  const unpack =
    'NAME=peers; . "$0/lib.sh" && unpack_pkgs prosody13 backports prosody prosody-modules && printf %s "$TREE"';
  return execFileSync("bash", ["-c", unpack, scripts], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/**
 * @param tree where one with SASL2 is unpacked; left out: the one that is installed.
 * @returns `undefined` where there is none and none can be installed.
 */
export async function prosody(tree?: string): Promise<(ChatServer & { readonly remove: () => void }) | undefined> {
  if (tree === undefined && !existsSync("/usr/bin/prosody") && !install("prosody")) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "sasl-prosody-"));
  mkdirSync(join(folder, "data"));
  const port = await freePort();
  const config = join(folder, "prosody.cfg.lua");
  writeFileSync(config, configuration(folder, port, tree));
  const program = (name: string) => (tree === undefined ? `/usr/bin/${name}` : unpacked(tree, name, folder));
  const [server, control] = [program("prosody"), program("prosodyctl")];
  const register = async (name: string, password: string) => {
    await promisify(execFile)(control, ["--config", config, "register", name, "localhost", password]);
  };
  for (const [name, password] of Object.entries(users)) await register(name, password);
  let child: ChildProcess | undefined;
  return {
    name: tree === undefined ? "Prosody" : "Prosody with SASL2",
    url: `ws://localhost:${port}/xmpp-websocket`,
    tokens: tree !== undefined,
    async start() {
      if (child === undefined) {
        const started = spawn(server, ["--config", config, "-F"], { stdio: "ignore" });
        process.once("exit", () => started.kill("SIGKILL")); // whoever interrupts the tests
        child = started;
      }
      for (let left = 100; !(await listens(port)); left--) {
        if (left === 0 || child?.exitCode !== null) throw new Error("Prosody does not start");
        await wait(100);
      }
    },
    async stop() {
      const stopping = child;
      child = undefined;
      if (stopping === undefined || stopping.exitCode !== null) return;
      stopping.kill("SIGKILL"); // as when the machine goes away
      await once(stopping, "exit");
    },
    // Tokens do not hear of what prosodyctl does beside the server.
    changePassword: tree === undefined ? register : undefined,
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Its programs look for their parts where they would be installed. */
function unpacked(tree: string, name: string, folder: string): string {
  const path = join(folder, name);
  const text = readFileSync(join(tree, "usr/bin", name), "utf8");
  writeFileSync(path, text.replaceAll("/usr/lib/prosody", join(tree, "usr/lib/prosody")), { mode: 0o755 });
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function configuration(folder: string, port: number, tree: string | undefined): string {
  const sasl2 = tree === undefined ? "" : '; "sasl2"; "sasl2_bind2"; "sasl2_fast"';
  return `run_as_root = true
pidfile = "${folder}/pid"
daemonize = false
data_path = "${folder}/data"
log = { { levels = { min = "info" }, to = "file", filename = "${folder}/log" } }
modules_enabled = { "disco"; "roster"; "saslauth"; "ping"; "carbons"; "websocket"${sasl2} }
modules_disabled = { "s2s"; "s2s_auth_certs"; "posix"; "offline"; "tls" }
interfaces = { "127.0.0.1" }
c2s_ports = {}
s2s_ports = {}
component_ports = {}
http_ports = { ${port} }
http_interfaces = { "127.0.0.1" }
https_ports = {}
consider_websocket_secure = true
http_host = "localhost"
storage = "internal"
authentication = "internal_hashed"
VirtualHost "localhost"
  password_hash = "SHA-256"
`;
}
