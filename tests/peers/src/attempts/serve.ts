/**
 * Logins of other people's clients, and of our own, to `sasl serve`.
 *
 * @module
 */
import { passwordOf, wrongPassword } from "../accounts.js";
import { verifierAccounts, verifierPassword } from "../passwd-file.js";
import type { Serve } from "../serve.js";
import type { Attempt, Certificate, Channel, Client, Endpoint, Expectation, Protocol } from "../types.js";
import { at, attemptOf, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused" };

const hashes = ["SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512", "SCRAM-SHA3-512"];

/** What `sasl serve` is told to offer when it binds channels. */
export const boundMechanisms: readonly string[] = [
  ...hashes.flatMap((name) => [`${name}-PLUS`, name]),
  ...["EXTERNAL", "CRAM-MD5", "PLAIN", "LOGIN", "ANONYMOUS"],
];

/** What it is told to offer when it does not. */
export const unboundMechanisms: readonly string[] = [...hashes, "CRAM-MD5", "PLAIN", "LOGIN"];

const protocols: readonly Protocol[] = ["imap", "smtp", "xmpp"];

/** What the rows need to know about the server. */
export interface ServeFacts {
  readonly serve: Serve;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly verifiers: ReadonlySet<string>;
}

/** Attempts at a server that offers -PLUS, by every client that can make them. */
export function boundAttempts(facts: ServeFacts, clients: readonly Client[]): Attempt[] {
  return clients.flatMap((client) => {
    const rows = protocols.flatMap((protocol) => [
      ...rowsAt(facts, client, protocol, "starttls"),
      ...rowsAt(facts, client, protocol, "implicit"),
    ]);
    return attempts(rows, client, facts.serve);
  });
}

/** Attempts at a server that offers no -PLUS and permits plaintext mechanisms without TLS. */
export function unboundAttempts(serve: Serve, clients: readonly Client[]): Attempt[] {
  const rows = protocols.flatMap((protocol) =>
    (["none", "starttls"] as const).flatMap((channel) => {
      const endpoint = serve.endpoint(protocol, channel);
      return unboundMechanisms.flatMap((mechanism) =>
        passwordRows(endpoint, mechanism, {
          prepares: true,
          extent: "short",
          login: channel === "none" ? { allowPlaintext: true } : {},
        }),
      );
    }),
  );
  return clients.flatMap((client) => attempts(rows, client, serve));
}

function attempts(rows: readonly Row[], client: Client, serve: Serve): Attempt[] {
  return rows
    .filter(({ endpoint, login }) => client.cannot(endpoint, login) === undefined)
    .map((row) => attemptOf(row, client, () => checkReport(row, serve)));
}

/** The server's own line about the login agrees with what the client saw. */
async function checkReport({ endpoint, login, expected }: Row, serve: Serve): Promise<string | undefined> {
  if (expected.outcome !== "accepted" && expected.outcome !== "refused") return undefined;
  const ok = expected.outcome === "accepted";
  const mechanism = expected.mechanism ?? login.mechanism;
  const report = await serve.claim(
    (each) =>
      each.ok === ok &&
      each.protocol === endpoint.protocol &&
      each.mechanism === mechanism &&
      (!ok || mechanism === "ANONYMOUS" || each.authcid === login.user),
  );
  if (report === undefined) return `the server reported no such login with ok ${ok}`;
  const binding = expected.channelBinding ?? null;
  if (ok && (report.channelBinding ?? null) !== binding) {
    return `the server reported channel binding ${JSON.stringify(report.channelBinding)}, not ${binding}`;
  }
  return undefined;
}

function rowsAt(facts: ServeFacts, client: Client, protocol: Protocol, channel: Channel): Row[] {
  const endpoint = facts.serve.endpoint(protocol, channel);
  const extent = channel === "starttls" ? "full" : "short";
  return [
    ...hashes.flatMap((mechanism) => [
      ...plainScram(endpoint, client, mechanism, extent),
      ...plus(endpoint, client, `${mechanism}-PLUS`, extent),
    ]),
    ...["PLAIN", "LOGIN", "CRAM-MD5"].flatMap((mechanism) =>
      passwordRows(endpoint, mechanism, { prepares: true, extent }),
    ),
    ...initialResponse(endpoint, client),
    ...at(endpoint, { mechanism: "ANONYMOUS" }, accepted, { ids: ["R-ANON-04"] }),
    ...verifiers(endpoint, facts.verifiers),
    ...external(endpoint, facts.certificates),
  ];
}

/** SCRAM without binding, where binding is offered: slixmpp then claims that it was not (R-CB-02). */
function plainScram(endpoint: Endpoint, client: Client, mechanism: string, extent: "full" | "short"): Row[] {
  if (client.name !== "slixmpp") return passwordRows(endpoint, mechanism, { prepares: true, extent });
  const login = { mechanism, user: "alice", password: passwordOf("alice") };
  return at(endpoint, login, refused, { note: 'flag "y" though -PLUS is offered', ids: ["R-CB-02"] });
}

function plus(endpoint: Endpoint, client: Client, mechanism: string, extent: "full" | "short"): Row[] {
  const old = { prepares: true, extent, login: { tlsMax: "1.2" }, expected: { channelBinding: "tls-unique" } } as const;
  const login = { mechanism, user: "alice", password: passwordOf("alice") };
  if (client.name === "slixmpp") {
    // Python hands out a tls-unique on TLS 1.3 too, where the type is not defined.
    const rule = { note: "tls-unique on TLS 1.3", ids: ["R-CB-03", "R-CB-06"] };
    return [...passwordRows(endpoint, mechanism, old), ...at(endpoint, login, refused, rule)];
  }
  const rows = passwordRows(endpoint, mechanism, {
    prepares: true,
    extent,
    expected: { channelBinding: "tls-exporter" },
  });
  return extent === "full" ? [...rows, ...passwordRows(endpoint, mechanism, { ...old, extent: "short" })] : rows;
}

/** curl sends an initial response only when told to: the other way is what its other rows show. */
function initialResponse(endpoint: Endpoint, client: Client): Row[] {
  if (client.name !== "curl" || endpoint.protocol === "xmpp") return [];
  const user = { user: "alice", initialResponse: true };
  return ["PLAIN", "LOGIN", "CRAM-MD5"].flatMap((mechanism) => [
    ...at(endpoint, { ...user, mechanism, password: passwordOf("alice") }, accepted, { note: "initial response" }),
    ...at(endpoint, { ...user, mechanism, password: wrongPassword }, refused, {
      note: "initial response, wrong password",
    }),
  ]);
}

/** Accounts with stored keys alone serve their own mechanism and passwords sent as such, and nothing else. */
function verifiers(endpoint: Endpoint, made: ReadonlySet<string>): Row[] {
  const ids = ["R-SCRAM-26"];
  return verifierAccounts
    .filter(({ name }) => made.has(name))
    .flatMap(({ name, scheme }) => {
      const login = { user: name, password: verifierPassword };
      return [
        ...at(endpoint, { ...login, mechanism: "PLAIN" }, accepted, { note: "stored keys", ids }),
        ...at(endpoint, { ...login, mechanism: "PLAIN", password: wrongPassword }, refused, {
          note: "stored keys, wrong password",
          ids,
        }),
        ...at(endpoint, { ...login, mechanism: "CRAM-MD5" }, refused, { note: "stored keys", ids }),
        ...at(endpoint, { ...login, mechanism: scheme }, accepted, { note: "stored keys", ids }),
        ...at(endpoint, { ...login, mechanism: scheme, password: wrongPassword }, refused, {
          note: "stored keys, wrong password",
          ids,
        }),
      ];
    });
}

function external(endpoint: Endpoint, certificates: ReadonlyMap<string, Certificate>): Row[] {
  const certificate = certificates.get("alice");
  if (certificate === undefined) return [];
  const login = { mechanism: "EXTERNAL", certificate };
  return [
    ...at(endpoint, { ...login, user: "alice" }, accepted, { ids: ["R-EXT-01", "R-EXT-02"] }),
    ...at(endpoint, { ...login, user: "user", authzid: "user" }, refused, {
      note: "certificate of alice",
      ids: ["R-EXT-03"],
    }),
    ...at(
      endpoint,
      { mechanism: "EXTERNAL", user: "alice" },
      { outcome: "impossible" },
      { note: "no certificate", ids: ["R-EXT-01"] },
    ),
  ];
}
