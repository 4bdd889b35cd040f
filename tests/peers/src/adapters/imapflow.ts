/**
 * imapflow with `sasl-imapflow`, both ways in, at Dovecot.
 *
 * @module
 */
import { readFileSync, rmSync } from "node:fs";
import { ImapFlow } from "imapflow";
import { ImapFlow as LatestImapFlow } from "imapflow-latest";
import { isSASLError, type SASLMechanism } from "sasl-core";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-imap/mechanisms";
import { type AuthenticationResult, createImapFlow } from "sasl-imapflow";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import type { Run } from "../run.js";
import { endpointOf, type Server } from "../servers.js";
import type { Attempt, Endpoint, Outcome } from "../types.js";
import { readmeProgram } from "./readme.js";

const channels = { starttls: "STARTTLS", implicit: "TLS", none: "clear" } as const;

/** The mechanism of a login that succeeds, or the code of one that does not. */
type Wanted = { readonly mechanism: RegExp } | { readonly code: string };

/** Run all of them, as far as the servers have the ports. */
export async function imapflow(run: Run, _command: string, servers: readonly Server[]): Promise<void> {
  const endpoints = servers
    .filter(({ kind }) => kind === "dovecot")
    .flatMap((server) => [
      endpointOf(server, "imap", "imap", "starttls"),
      endpointOf(server, "imaps", "imap", "implicit"),
    ]);
  await run.attempts(
    endpoints.flatMap((endpoint) => (endpoint === undefined ? [] : attemptsAt(endpoint, run.children))),
  );
}

function attemptsAt(endpoint: Endpoint, children: Children): Attempt[] {
  const alice = { username: "alice", password: passwordOf("alice") };
  const bob = { username: "bob", password: passwordOf("bob") };
  const wrong = { username: "alice", password: wrongPassword };
  const scram: Wanted = { mechanism: /^SCRAM-SHA-(?:256|512)$/ };
  const rows: readonly [what: string, mechanisms: readonly SASLMechanism[], wanted: Wanted][] = [
    ["the best", [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)], scram],
    ["PLAIN", [PLAIN(alice)], { mechanism: /^PLAIN$/ }],
    ["PLAIN, letters beyond ASCII", [PLAIN(bob)], { mechanism: /^PLAIN$/ }],
    ["SCRAM (wrong password)", [SCRAM(wrong)], { code: "refused" }],
    ["PLAIN (wrong password)", [PLAIN(wrong)], { code: "refused" }],
  ];
  const libraries = [
    ["2.1, inside", ImapFlow],
    ["2.10, transport", LatestImapFlow],
  ] as const;
  const logins = libraries.flatMap(([way, library]) =>
    rows.map(([what, mechanisms, wanted]) =>
      attempt(`${way}: ${what}`, endpoint, () => login(library as typeof ImapFlow, endpoint, mechanisms, wanted)),
    ),
  );
  if (endpoint.channel !== "implicit") return logins;
  return [...logins, attempt("the program of the README", endpoint, () => pasted(endpoint, children))];
}

async function login(
  library: typeof ImapFlow,
  { host, port, ca, channel }: Endpoint,
  mechanisms: readonly SASLMechanism[],
  wanted: Wanted,
): Promise<Outcome> {
  const results: AuthenticationResult[] = [];
  const settings = {
    host,
    port,
    secure: channel === "implicit",
    tls: { ca: readFileSync(ca) },
    logger: false,
  } as const;
  const client = createImapFlow(library, settings, mechanisms, {
    onAuthenticated: (result) => void results.push(result),
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const boxes = (await client.list()).map(({ path }) => path);
    await client.logout();
    const [{ mechanism, serverVerified } = { mechanism: "none", serverVerified: false }] = results;
    const good = "mechanism" in wanted && wanted.mechanism.test(mechanism) && boxes.includes("INBOX");
    if (good && serverVerified === mechanism.startsWith("SCRAM")) return { passed: true };
    return { passed: false, why: `${mechanism}, ${boxes.length} mailboxes` };
  } catch (error) {
    const code = isSASLError(error) ? error.code : String(error);
    return "code" in wanted && wanted.code === code ? { passed: true } : { passed: false, why: code };
  } finally {
    client.close();
  }
}

/** The first program of the README, with this server in it. */
async function pasted({ host, port, ca }: Endpoint, children: Children): Promise<Outcome> {
  const { file, folder } = readmeProgram("imapflow", 0, {
    "mail.example.com": host,
    "993": `${port}`,
    "open sesame": passwordOf("alice"),
  });
  const finished = await children.run(process.execPath, [file], { env: { NODE_EXTRA_CA_CERTS: ca } });
  rmSync(folder, { recursive: true });
  if (finished.exit === 0 && /^SCRAM-SHA-\d+(?:-PLUS)? true\ntrue\n$/.test(finished.stdout)) return { passed: true };
  return { passed: false, why: lastWords(finished) };
}

function attempt(what: string, { server, channel }: Endpoint, run: () => Promise<Outcome>): Attempt {
  return { name: `imapflow at ${server} ${channels[channel]} ${what}`, run };
}
