/**
 * strophe.js and stanza by the programs of the READMEs of `sasl-strophe` and `sasl-stanza`, at Prosody and at our own server,
 * over WebSocket with TLS and without.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { startServer } from "sasl-cli/server";
import { memoryAccounts } from "sasl-core";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { webPath } from "../sasl2/prosody-web.js";
import { endpointOf } from "../servers.js";
import type { Attempt, Outcome } from "../types.js";
import type { AdapterAttempts } from "./index.js";
import { readmeProgram } from "./readme.js";

/** Folders below `packages`; their READMEs have the same words. */
type Library = "strophe" | "stanza";

/** A WebSocket that a program can be sent to. */
interface Web {
  readonly url: string;
  readonly domain: string;
  readonly ca: string;
}

/** What one of the programs has to print. */
interface Case {
  readonly what: string;
  readonly password: string;
  readonly says: (mechanism: string) => RegExp;
}

const cases: readonly Case[] = [
  {
    what: "alice",
    password: passwordOf("alice"),
    says: (mechanism) => new RegExp(`^alice@.+/.+ is here, by ${mechanism}$`, "m"),
  },
  { what: "alice (wrong password)", password: wrongPassword, says: () => /^no login: refused$/m },
];

/** All of them, as far as the servers have the ports. */
export const xmppWeb: AdapterAttempts = async (run, _command, servers) => {
  const libraries: readonly Library[] = ["strophe", "stanza"];
  const attempts = libraries.flatMap((library) => [
    ...servers.flatMap((server) =>
      (["https", "http"] as const).flatMap((name) => {
        const endpoint = endpointOf(server, name, "xmpp", name === "https" ? "implicit" : "none");
        if (endpoint === undefined || !server.kind.startsWith("prosody")) return [];
        const scheme = name === "https" ? "wss" : "ws";
        const web: Web = { ...endpoint, url: `${scheme}://${endpoint.host}:${endpoint.port}${webPath}` };
        return programs(run.children, library, `${endpoint.server} ${scheme}`, "SCRAM-SHA-256", (work) => work(web));
      }),
    ),
    ...programs(run.children, library, "sasl serve wss", "SCRAM-SHA-512", atOurs),
  ]);
  await run.attempts(attempts);
};

function programs(
  children: Children,
  library: Library,
  where: string,
  mechanism: string,
  at: (work: (web: Web) => Promise<Outcome>) => Promise<Outcome>,
): Attempt[] {
  return cases.map(({ what, password, says }) => ({
    name: `${where} the program of the README, ${what}, by sasl-${library}`,
    run: () => at((web) => runProgram(children, library, web, password, says(mechanism))),
  }));
}

async function runProgram(
  children: Children,
  library: Library,
  { url, domain, ca }: Web,
  password: string,
  says: RegExp,
): Promise<Outcome> {
  const { file, folder } = readmeProgram(library, 0, {
    "wss://chat.example.org/xmpp-websocket": url,
    "chat.example.org": domain,
    "open sesame": password,
  });
  const finished = await children.run(process.execPath, [file], { env: { NODE_EXTRA_CA_CERTS: ca } });
  rmSync(folder, { recursive: true });
  if (finished.exit === 0 && says.test(finished.stdout)) return { passed: true };
  return { passed: false, why: lastWords(finished) };
}

/** At a server of ours that has nothing but this account. */
async function atOurs(work: (web: Web) => Promise<Outcome>): Promise<Outcome> {
  const accounts = memoryAccounts({ alice: passwordOf("alice") });
  const server = await startServer({ ports: { wss: 0 }, accounts });
  try {
    return await work({ url: `wss://localhost:${server.ports.wss}/`, domain: server.domain, ca: server.ca });
  } finally {
    await server.close();
  }
}
