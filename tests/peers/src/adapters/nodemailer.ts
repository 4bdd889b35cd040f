/**
 * nodemailer with `sasl-nodemailer`, at Postfix (Cyrus SASL, Dovecot) and Dovecot's submission: whole mails.
 *
 * @module
 */
import { readFileSync, rmSync } from "node:fs";
import { createTransport } from "nodemailer";
import { isSASLError, type SASLMechanism } from "sasl-core";
import { type AuthenticationResult, withSASL } from "sasl-nodemailer";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-smtp/mechanisms";
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import type { Run } from "../run.js";
import { endpointOf, type Server } from "../servers.js";
import type { Attempt, Endpoint, Outcome } from "../types.js";
import { readmeProgram } from "./readme.js";

const channels = { starttls: "STARTTLS", implicit: "TLS", none: "clear" } as const;
const letter = { from: "alice@localhost", to: "alice@localhost", subject: "Hello", text: "Hello, Alice." };

/** What a login has to come to. */
interface Wanted {
  readonly mechanism?: RegExp;
  readonly binding?: string;
  /** Code of nodemailer and of ours, for one that is refused. */
  readonly error?: string;
  readonly logins?: number;
}

/** Run all of them, as far as the servers have the ports. */
export async function nodemailer(run: Run, _command: string, servers: readonly Server[]): Promise<void> {
  const endpoints = servers.flatMap((server) => {
    const names = server.kind === "postfix" ? ["", "dovecot_"] : server.kind === "dovecot" ? [""] : [];
    return names.flatMap((name) => [
      endpointOf(server, `${name}submission`, "smtp", "starttls"),
      endpointOf(server, `${name}submissions`, "smtp", "implicit"),
    ]);
  });
  await run.attempts(
    endpoints.flatMap((endpoint) => (endpoint === undefined ? [] : attemptsAt(endpoint, run.children))),
  );
}

function attemptsAt(endpoint: Endpoint, children: Children): Attempt[] {
  const alice = { username: "alice", password: passwordOf("alice") };
  const wrong = { username: "alice", password: wrongPassword };
  const scram: Wanted = { mechanism: /^SCRAM-SHA-(?:256|512)$/ };
  const program =
    endpoint.channel === "starttls"
      ? [attempt("the program of the README", endpoint, () => pasted(endpoint, children))]
      : [];
  return [
    mailAttempt(endpoint, "the best", [SCRAMPLUS(alice), SCRAM(alice), PLAIN(alice)], scram),
    mailAttempt(endpoint, "PLAIN", [PLAIN(alice)], { mechanism: /^PLAIN$/ }),
    mailAttempt(endpoint, "SCRAM (wrong password)", [SCRAM(wrong)], { error: "EAUTH refused" }),
    mailAttempt(endpoint, "PLAIN (wrong password)", [PLAIN(wrong)], { error: "EAUTH refused" }),
    mailAttempt(endpoint, "SCRAM (a pool)", [SCRAM(alice)], { ...scram, logins: 2 }),
    ...program,
  ];
}

/** Sends mail, through a pool when several logins are wanted. */
export function mailAttempt(endpoint: Endpoint, what: string, mechanisms: SASLMechanism[], wanted: Wanted): Attempt {
  return attempt(what, endpoint, async () => {
    const { host, port, ca, channel } = endpoint;
    const { logins = 1 } = wanted;
    const results: AuthenticationResult[] = [];
    const options = withSASL(
      { host, port, secure: channel === "implicit", tls: { ca: readFileSync(ca) } },
      mechanisms,
      {
        onAuthenticated: (result) => void results.push(result),
      },
    );
    const transport =
      logins > 1 ? createTransport({ ...options, pool: true, maxConnections: logins }) : createTransport(options);
    try {
      await Promise.all(Array.from({ length: 2 * logins - 1 }, () => transport.sendMail(letter)));
    } catch (error) {
      const { code, cause, message } = error as Error & { code?: string };
      const seen = isSASLError(cause) ? `${code} ${cause.code}` : code;
      return seen === wanted.error ? { passed: true } : { passed: false, why: `${seen}: ${message}` };
    } finally {
      transport.close();
    }
    if (wanted.error !== undefined) return { passed: false, why: "the mail was taken" };
    const good = results.filter(
      ({ mechanism, channelBinding, serverVerified }) =>
        wanted.mechanism?.test(mechanism) !== false &&
        channelBinding === wanted.binding &&
        serverVerified === mechanism.startsWith("SCRAM"),
    );
    if (results.length === logins && good.length === logins) return { passed: true };
    return { passed: false, why: JSON.stringify(results) };
  });
}

/** The first program of the README, with this server in it. */
async function pasted({ host, port, ca }: Endpoint, children: Children): Promise<Outcome> {
  const { file, folder } = readmeProgram("nodemailer", 0, {
    "mail.example.com": host,
    "587": `${port}`,
    "open sesame": passwordOf("alice"),
    "@example.com": "@localhost",
  });
  const finished = await children.run(process.execPath, [file], { env: { NODE_EXTRA_CA_CERTS: ca } });
  rmSync(folder, { recursive: true });
  if (finished.exit === 0 && /^SCRAM-SHA-\d+(?:-PLUS)? true\n1\n$/.test(finished.stdout)) return { passed: true };
  return { passed: false, why: lastWords(finished) };
}

function attempt(what: string, { server, channel }: Endpoint, run: () => Promise<Outcome>): Attempt {
  return { name: `nodemailer at ${server} ${channels[channel]} ${what}`, run };
}
