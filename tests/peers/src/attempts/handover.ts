/**
 * Logins with accounts that went from one program to another.
 *
 * @module
 */
import { wrongPassword } from "../accounts.js";
import type { Serve } from "../serve.js";
import type { Postgres } from "../stores/postgresql.js";
import type { Attempt, Client, Endpoint, Login } from "../types.js";
import { at, attemptOf, type Row } from "./attempt.js";
import { servedAttempts } from "./serve.js";

/** Whose login, and how. */
export interface Holder {
  readonly user: string;
  readonly password: string;
  readonly mechanisms: readonly string[];
  /** Where the account comes from, for the report. */
  readonly origin: string;
}

/** The right password with each mechanism, and for our own client a wrong one. */
function rowsOf(endpoint: Endpoint, { user, password, mechanisms, origin }: Holder, client: Client): Row[] {
  return mechanisms.flatMap((mechanism) => {
    // Bound below TLS 1.3 alone, the type of which every server here knows.
    const bound = mechanism.endsWith("-PLUS");
    const login: Login = { mechanism, user, ...(bound ? { tlsMax: "1.2" } : {}) };
    const binding = bound ? { channelBinding: "tls-unique" } : {};
    const ids = mechanism.startsWith("SCRAM-") ? { ids: ["R-SCRAM-26"] } : {};
    const right = at(endpoint, { ...login, password }, { outcome: "accepted", ...binding }, { note: origin, ...ids });
    if (client.name !== "sasl login") return right;
    const note = `${origin}, wrong password`;
    return [...right, ...at(endpoint, { ...login, password: wrongPassword }, { outcome: "refused" }, { note })];
  });
}

/** At somebody else's server, by every client that can. */
export function atPeer(endpoint: Endpoint, holder: Holder, clients: readonly Client[]): Attempt[] {
  return clients.flatMap((client) =>
    rowsOf(endpoint, holder, client)
      .filter((row) => client.cannot(row.endpoint, row.login) === undefined)
      .map((row) => attemptOf(row, client)),
  );
}

/** At `sasl serve`, by every client that can, with the first protocol it speaks. */
export function atServe(serve: Serve, holder: Holder, clients: readonly Client[]): Attempt[] {
  return clients.flatMap((client) => {
    const tries = (["imap", "smtp", "xmpp"] as const).map((protocol) => {
      const endpoint: Endpoint = { ...serve.endpoint(protocol, "starttls"), plus: "none" };
      return servedAttempts(rowsOf(endpoint, holder, client), client, serve);
    });
    return tries.find((attempts) => attempts.length > 0) ?? [];
  });
}

/** At PostgreSQL itself, by psql. */
export function atPostgres(postgres: Postgres, { user, password, origin }: Holder): Attempt[] {
  const attempt = (given: string, note: string, good: RegExp): Attempt => ({
    name: `postgresql SCRAM-SHA-256 ${user} (${note}), by psql`,
    async run() {
      const { exit, stdout, stderr } = await postgres.psql("SELECT 'in as ' || current_user", {
        user,
        password: given,
      });
      const said = `${stdout}${stderr}`.trim();
      return good.test(said) ? { passed: true } : { passed: false, why: `exit ${exit}: ${said}` };
    },
  });
  return [
    attempt(password, origin, new RegExp(`^ *in as ${user}$`, "m")),
    attempt(wrongPassword, `${origin}, wrong password`, /password authentication failed/),
  ];
}
