/**
 * From a row of a table to an attempt.
 *
 * @module
 */
import type { Attempt, Client, Endpoint, Expectation, Login, Outcome } from "../types.js";

/** A login at an endpoint and what must come of it. */
export interface Row {
  readonly endpoint: Endpoint;
  readonly login: Login;
  readonly expected: Expectation;
  /** What is special about this row. */
  readonly note?: string;
  /** Whether other clients would do something else here. */
  readonly oursAlone?: boolean;
  /** Requirement ids this row shows at work. */
  readonly ids?: readonly string[];
}

/** One row, or none where the server has no such port. */
export function at(
  endpoint: Endpoint | undefined,
  login: Login,
  expected: Expectation,
  more: Partial<Row> = {},
): Row[] {
  return endpoint === undefined ? [] : [{ ...more, endpoint, login, expected }];
}

const channels = { starttls: "STARTTLS", implicit: "TLS", none: "clear" } as const;

/** The name of a row in the report: `dovecot imap STARTTLS SCRAM-SHA-256 alice`. */
export function rowName({ endpoint, login, note, ids }: Row): string {
  const { server, protocol, channel, domain } = endpoint;
  const words = [server, protocol, channels[channel], login.mechanism ?? "(best)", login.user ?? "-"];
  if (protocol === "xmpp" && domain !== "localhost") words.push(`at ${domain}`);
  if (login.tlsMax !== undefined) words.push(`TLS ${login.tlsMax}`);
  if (login.prep !== undefined) words.push(`prep=${login.prep}`);
  if (note !== undefined) words.push(`(${note})`);
  if (ids !== undefined) words.push(`[${ids.join(" ")}]`);
  return words.join(" ");
}

/** Whether a server has a list of mechanisms for each account: ours has, in XMPP, where the name comes before the list. */
export function offersByAccount({ server, protocol }: Endpoint): boolean {
  return protocol === "xmpp" && server.startsWith("serve");
}

/** An attempt at a row by one client; `after` may look at what the server made of it. */
export function attemptOf(row: Row, client: Client, after?: () => Promise<string | undefined>): Attempt {
  const by = client.name === "sasl login" ? "" : `, by ${client.name}`;
  return {
    name: `${rowName(row)}${by}`,
    async run(): Promise<Outcome> {
      const verdict = await client.attempt(row.endpoint, row.login, row.expected);
      const complaints = [...(verdict.complaints ?? [])];
      if (row.expected.maybeNotOffered && verdict.outcome === "impossible") return { passed: true };
      if (!agrees(verdict.outcome, row.expected.outcome, client)) {
        complaints.unshift(`must be ${row.expected.outcome}, was ${verdict.outcome}`);
      } else {
        const more = await after?.();
        if (more !== undefined) complaints.push(more);
      }
      if (complaints.length === 0) return { passed: true };
      return { passed: false, why: [...complaints, verdict.detail].join("\n") };
    },
  };
}

/** Other clients have no word for `impossible`: with them any refusal will do. */
function agrees(outcome: string, expected: string, client: Client): boolean {
  if (outcome === expected) return true;
  return expected === "impossible" && outcome === "refused" && client.name !== "sasl login";
}
