/**
 * SRP with Cyrus SASL at the other end, security layers included. Debian does not build that plug-in: it is built here, from
 * Debian's source package, below the temporary folder.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  authenticate,
  memoryAccounts,
  passwordChange,
  type SASLInterface,
  SASLServer,
  type SecurityLayer,
} from "sasl-core";
import { SRP, srp } from "sasl-core/mechanisms";
import { LineProgram } from "./line-program.js";
import { type Run, repository } from "./run.js";
import type { Attempt, Outcome } from "./types.js";

const user = "alice";
const password = "correct horse battery staple";

/** Bits of protection that both sides want. */
const strengths: readonly (readonly [name: string, ssf: number])[] = [
  ["no layer", 0],
  ["integrity", 1],
  ["confidentiality", 128],
];

/** Several buffers, since a MAC of Cyrus SASL goes on from the one before; the last is divided into many. */
const texts = ["first", "the second buffer, longer than one block", "3", "x".repeat(30_000)];

/** The attempts with SRP, where the plug-in can be had. */
export async function cyrusSrp(run: Run): Promise<void> {
  let place = "";
  const program = (...args: readonly string[]): Peer => new Peer(run, place, args);
  const proven = (ssf: number): string => (ssf > 0 ? "[R-SRP-04 R-SRP-07 R-GEN-22]" : "[R-SRP-04]");
  const attempts: Attempt[] = strengths.flatMap(([name, ssf]) => [
    {
      name: `cyrus SRP server, ${name} ${proven(ssf)}`,
      run: () => toServer(program("server", "SRP", String(ssf), String(ssf)), ssf, password),
    },
    {
      name: `cyrus SRP client, ${name} ${proven(ssf)}`,
      run: () => toUs(program("client", "SRP", String(ssf), String(ssf), user, password), ssf),
    },
  ]);
  attempts.push(
    {
      name: "cyrus SRP server, wrong password [R-SRP-04]",
      run: async () => refused(await toServer(program("server", "SRP", "0", "0"), 0, "something else")),
    },
    {
      name: "cyrus SRP client, wrong password [R-SRP-04]",
      run: async () => refused(await toUs(program("client", "SRP", "0", "0", user, "something else"), 0)),
    },
    {
      name: "cyrus SRP client, unknown user [R-SRP-08]",
      run: async () => refused(await toUs(program("client", "SRP", "0", "0", "nobody", password), 0)),
    },
  );
  if (!attempts.some(({ name }) => run.wants(name))) return;
  if (!run.options.list) {
    place = join(run.scratch, "cyrus-srp");
    const why = await build(run, place);
    if (why !== undefined) {
      run.report.missing("cyrus SRP", why);
      return;
    }
  }
  await run.attempts(attempts);
}

/** Both words mean that the other side said no. */
function refused(outcome: Outcome): Outcome {
  if (outcome.passed) return { passed: false, why: "it was accepted" };
  return /wrong evidence|client evidence/.test(outcome.why) ? { passed: true } : outcome;
}

/** Our client at Cyrus SASL. */
async function toServer(peer: Peer, ssf: number, secret: string): Promise<Outcome> {
  const say = async (payload: Uint8Array | undefined) => {
    const { kind, octets } = await peer.ask("m", payload ?? new Uint8Array(0));
    return { state: kind === "S" ? "success" : "challenge", payload: octets } as const;
  };
  const wire: SASLInterface = {
    secure: true,
    layers: true,
    initiate: (_, payload) => say(payload),
    respond: say,
    abort: async () => ({ state: "failure" }),
  };
  return attempt(peer, ssf, async () => {
    const client = SRP({ username: user, password: secret });
    return (await authenticate(wire, ["SRP"], [client], { externalSsf: 0, policy: { minSsf: ssf, maxSsf: ssf } }))
      .layer;
  });
}

/** Cyrus SASL at our server. */
async function toUs(peer: Peer, ssf: number): Promise<Outcome> {
  const { changes } = await passwordChange(password, { name: user, mechanisms: [srp] });
  const server = new SASLServer({
    mechanisms: [srp],
    accounts: memoryAccounts({ [user]: changes }),
    policy: { minSsf: ssf, maxSsf: ssf },
    limits: { maxLayerBytes: 8192 },
  });
  const session = server.session({ secure: true, layers: true, externalSsf: 0, successData: true });
  return attempt(peer, ssf, async () => {
    let reply = await session.initiate("SRP", (await peer.hear()).octets);
    for (;;) {
      const { octets } = await peer.ask("m", reply.payload ?? new Uint8Array(0));
      if (reply.state !== "challenge") break;
      reply = await session.respond(octets);
    }
    return session.result?.layer;
  });
}

async function attempt(peer: Peer, ssf: number, logIn: () => Promise<SecurityLayer | undefined>): Promise<Outcome> {
  try {
    const layer = await logIn();
    if ((layer?.ssf ?? 0) !== ssf) return { passed: false, why: `a layer of ${layer?.ssf} bits` };
    if (layer) await talk(peer, layer);
    return { passed: true };
  } catch (error) {
    return { passed: false, why: [error, (error as Error).cause].map(String).join("\n") };
  } finally {
    peer.end();
  }
}

async function talk(peer: Peer, layer: SecurityLayer): Promise<void> {
  for (const text of texts) {
    const plain = Buffer.from(text);
    const parts: Buffer[] = [];
    // sasl_encode takes no more than its peer's buffers hold.
    for (let at = 0; at < plain.length; at += 4096) {
      const { octets } = await peer.ask("e", plain.subarray(at, at + 4096));
      parts.push(...(await layer.decode(octets)).map((each) => Buffer.from(each)));
    }
    if (!Buffer.concat(parts).equals(plain)) throw new Error("what came through the layer is something else");
    const { octets } = await peer.ask("d", await layer.encode(plain));
    if (!plain.equals(octets)) throw new Error("the peer read something else");
  }
}

/** What a line said. */
interface Line {
  readonly kind: string;
  readonly octets: Uint8Array;
}

/** The program beside this folder's sources, at work. */
class Peer {
  readonly #lines: LineProgram;

  constructor(run: Run, place: string, args: readonly string[]) {
    const env = { SASL_PATH: join(place, "plugins"), SASL_CONF_PATH: join(place, "conf") };
    this.#lines = new LineProgram(run.children, join(place, "sasl-exchange"), args, { env });
  }

  async hear(): Promise<Line> {
    const line = await this.#lines.hear();
    if (line === undefined) throw new Error("the peer ended");
    if (line.startsWith("X")) throw new Error(`the peer: ${line.slice(2)}`);
    return { kind: line.slice(0, 1), octets: new Uint8Array(Buffer.from(line.slice(2), "base64")) };
  }

  ask(kind: string, octets: Uint8Array): Promise<Line> {
    this.#lines.tell(`${kind} ${Buffer.from(octets).toString("base64")}`);
    return this.hear();
  }

  end(): void {
    this.#lines.end();
  }
}

/** What Debian's source package would find out about the system by its configure script, as far as the plug-in asks. */
const configuration = `
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <netdb.h>
#define HAVE_STRING_H 1
#define HAVE_UNISTD_H 1
#define HAVE_STDARG_H 1
#define STDC_HEADERS 1
`;

const packages = ["gcc", "libc6-dev", "libsasl2-dev", "libssl-dev", "libsasl2-modules-db", "sasl2-bin", "xz-utils"];

/** @returns why there is no plug-in, or nothing. */
async function build(run: Run, place: string): Promise<string | undefined> {
  const folders = ["source", "plugins", "conf", "apt/lists/partial", "apt/cache/archives/partial"];
  for (const folder of folders) mkdirSync(join(place, folder), { recursive: true });
  const step = async (command: string, args: readonly string[], input = ""): Promise<string | undefined> => {
    const { exit, stderr } = await run.children.run(command, args, { cwd: place, timeoutMs: 300_000, input });
    return exit === 0 ? undefined : `${command} failed: ${stderr.trim().split("\n").at(-1)}`;
  };
  if (!existsSync("/usr/bin/apt-get")) return "there is no apt here";
  // Lists of its own, from where the system has its release: the system's need not name any sources.
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
  const known = ["indextargets", "--format", "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"];
  const { stdout } = await run.children.run("apt-get", known);
  const places = new Set(stdout.split("\n").filter((line) => line.includes(` ${release} `)));
  if (places.size === 0) return "apt knows no place to get sources from";
  writeFileSync(join(place, "apt/sources.list"), `${[...places].join("\n")}\n`);
  const own = [
    `Dir::Etc::sourcelist=${place}/apt/sources.list`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${place}/apt/lists`,
    `Dir::Cache=${place}/apt/cache`,
    "APT::Sandbox::User=root",
  ].flatMap((setting) => ["-o", setting]);
  const installed = await run.children.run("dpkg", ["-s", ...packages]);
  const why =
    (installed.exit === 0
      ? undefined
      : await step("apt-get", [
          "-q",
          "-o",
          "DPkg::Lock::Timeout=300",
          "install",
          "-y",
          "--no-install-recommends",
          ...packages,
        ])) ??
    (await step("apt-get", [...own, "-q", "update"])) ??
    (await step("apt-get", [...own, "-q", "source", "--download-only", "cyrus-sasl2"]));
  if (why !== undefined) return why;
  const archive = readdirSync(place).find((name) => name.includes(".orig.tar"));
  if (archive === undefined) return "the source package has no source";
  writeFileSync(join(place, "config.h"), configuration);
  writeFileSync(join(place, "conf/sample.conf"), `auxprop_plugin: sasldb\nsasldb_path: ${place}/sasldb2\n`);
  const sources = ["plugins/srp.c", "plugins/srp_init.c", "common/plugin_common.c", "common/crypto-compat.c"];
  const includes = [".", "source/plugins", "source/include", "source/common"].map((folder) => `-I${folder}`);
  const plugin = ["-shared", "-fPIC", "-O1", "-w", ...includes, ...sources.map((name) => `source/${name}`)];
  const exchange = join(repository, "tests/peers/c/sasl-exchange.c");
  return (
    (await step("tar", ["-xf", archive, "-C", "source", "--strip-components=1"])) ??
    (await step("gcc", [...plugin, "-o", "plugins/libsrp.so", "-lcrypto"])) ??
    (await step("gcc", ["-O1", exchange, "-o", "sasl-exchange", "-lsasl2"])) ??
    (await step("sh", ["-c", 'cp -a /usr/lib/"$(gcc -print-multiarch)"/sasl2/libsasldb.so* plugins/'])) ??
    (await step("saslpasswd2", ["-p", "-c", "-u", "localhost", "-f", `${place}/sasldb2`, user], password))
  );
}
