/**
 * Logins of other people's clients, and of our own, to `sasl serve`.
 *
 * @module
 */
import { passwordOf, wrongPassword } from "../accounts.js";
import { verifierAccounts, verifierPassword } from "../passwd-file.js";
import type { Serve } from "../serve.js";
import type { Attempt, Certificate, Channel, Client, Endpoint, Expectation, Login, Protocol } from "../types.js";
import { at, attemptOf, offersByAccount, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused" };

const hashes = ["SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512", "SCRAM-SHA3-512"];

/** What `sasl serve` is told to offer when it binds channels. */
export const boundMechanisms: readonly string[] = [
  ...hashes.flatMap((name) => [`${name}-PLUS`, name]),
  ...["EXTERNAL", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN", "ANONYMOUS"],
];

/** What it is told to offer when it does not. */
export const unboundMechanisms: readonly string[] = [...hashes, "XOAUTH2", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"];

/** The hashes that get every row; the others get the right and the wrong password. */
const thorough = new Set(["SCRAM-SHA-1", "SCRAM-SHA-256"]);

const protocols: readonly Protocol[] = ["imap", "smtp", "xmpp"];

/** What the rows need to know about the server. */
export interface ServeFacts {
  readonly serve: Serve;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly verifiers: ReadonlySet<string>;
  /** Bearer tokens of alice: `good`, `expired`, `foreign`. */
  readonly tokens: ReadonlyMap<string, string>;
}

/** Attempts at a server that offers -PLUS, by every client that can make them. */
export function boundAttempts(facts: ServeFacts, clients: readonly Client[]): Attempt[] {
  return clients.flatMap((client) => {
    const rows = protocols.flatMap((protocol) => [
      ...rowsAt(facts, client, protocol, "starttls"),
      ...rowsAt(facts, client, protocol, "implicit"),
    ]);
    return servedAttempts(rows, client, facts.serve);
  });
}

/** Attempts at a server that offers no -PLUS and no OAUTHBEARER, and permits plaintext mechanisms without TLS. */
export function unboundAttempts({ serve, tokens }: ServeFacts, clients: readonly Client[]): Attempt[] {
  const mechanisms = { none: [...hashes, "CRAM-MD5", "PLAIN", "LOGIN"], starttls: [...thorough] };
  return clients.flatMap((client) => {
    const rows = protocols.flatMap((protocol) =>
      (["none", "starttls"] as const).flatMap((channel) => {
        const endpoint = { ...serve.endpoint(protocol, channel), lacks: ["OAUTHBEARER"] };
        const login = channel === "none" ? { allowPlaintext: true } : {};
        const bearer = channel === "none" ? [] : tokenRows(endpoint, "XOAUTH2", tokens);
        return [
          ...mechanisms[channel].flatMap((mechanism) => passwords(endpoint, client, mechanism, "short", login)),
          ...bearer,
        ];
      }),
    );
    return servedAttempts(rows, client, serve);
  });
}

/** The rows this client can try; what the server itself said of each login has to agree. */
export function servedAttempts(rows: readonly Row[], client: Client, serve: Serve): Attempt[] {
  return rows
    .filter(({ endpoint, login }) => client.cannot(endpoint, login) === undefined)
    .map((row) => attemptOf(row, client, () => checkReport(row, serve, reportedMechanism(row, client))));
}

/** imtest takes `-m LOGIN` for IMAP's LOGIN command, in which the server sees what PLAIN would have brought. */
function reportedMechanism({ endpoint, login, expected }: Row, client: Client): string | undefined {
  if (client.name === "cyrus" && endpoint.protocol === "imap" && login.mechanism === "LOGIN") return "PLAIN";
  return expected.mechanism ?? login.mechanism;
}

/** The server's own line about the login agrees with what the client saw. */
async function checkReport(
  { endpoint, login, expected }: Row,
  serve: Serve,
  mechanism: string | undefined,
): Promise<string | undefined> {
  if (expected.outcome !== "accepted" && expected.outcome !== "refused") return undefined;
  const ok = expected.outcome === "accepted";
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

/** STARTTLS gets every row; TLS from the first byte, the same code from there on, gets the right and the wrong password. */
function rowsAt(facts: ServeFacts, client: Client, protocol: Protocol, channel: Channel): Row[] {
  const endpoint = facts.serve.endpoint(protocol, channel);
  const extent = channel === "starttls" ? "full" : "short";
  const words = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"].flatMap((mechanism) =>
    passwords(endpoint, client, mechanism, extent),
  );
  const anonymous = at(endpoint, { mechanism: "ANONYMOUS" }, accepted, { ids: ["R-ANON-04"] });
  const scram = (channel === "starttls" ? hashes : [...thorough]).flatMap((mechanism) => {
    const depth = thorough.has(mechanism) ? extent : "short";
    return [...plainScram(endpoint, client, mechanism, depth), ...plus(endpoint, client, `${mechanism}-PLUS`, depth)];
  });
  const rows = [...scram, ...words, ...anonymous, ...external(endpoint, facts.certificates)];
  if (channel === "implicit") return rows;
  return [
    ...rows,
    ...initialResponse(endpoint, client),
    ...verifiers(endpoint, client, facts.verifiers),
    ...tokenRows(endpoint, "OAUTHBEARER", facts.tokens),
    ...tokenRows(endpoint, "XOAUTH2", facts.tokens),
  ];
}

/** Where IMAP announces SASL-IR, curl begins LOGIN with an initial response, which that mechanism does not have. */
function passwords(
  endpoint: Endpoint,
  client: Client,
  mechanism: string,
  extent: "full" | "short",
  login: Login = {},
): Row[] {
  if (client.name === "curl" && endpoint.protocol === "imap" && mechanism === "LOGIN") {
    const right = { mechanism, user: "alice", password: passwordOf("alice") };
    return at(endpoint, right, refused, { note: "initial response", ids: ["R-IMAP-05", "R-GEN-07"] });
  }
  return passwordRows(endpoint, mechanism, { prepares: true, extent, login });
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

/** curl sends an initial response over SMTP only when told to: the other way is what its other rows show. */
function initialResponse(endpoint: Endpoint, client: Client): Row[] {
  if (client.name !== "curl" || endpoint.protocol !== "smtp") return [];
  const login = { user: "alice", initialResponse: true };
  const right = { ...login, password: passwordOf("alice") };
  return [
    ...at(endpoint, { ...right, mechanism: "PLAIN" }, accepted, { note: "initial response" }),
    ...at(endpoint, { ...login, mechanism: "PLAIN", password: wrongPassword }, refused, {
      note: "initial response, wrong password",
    }),
    ...at(endpoint, { ...right, mechanism: "LOGIN" }, refused, {
      note: "initial response",
      ids: ["R-SMTP-08", "R-GEN-07"],
    }),
  ];
}

/** Accounts with stored keys alone serve their own mechanism and passwords sent as such, and nothing else. */
function verifiers(endpoint: Endpoint, client: Client, made: ReadonlySet<string>): Row[] {
  const ids = ["R-SCRAM-26"];
  const bound = client.name === "slixmpp"; // which cannot do without, see above
  return verifierAccounts
    .filter(({ name }) => made.has(name))
    .flatMap(({ name, scheme }) => {
      const login = { user: name, password: verifierPassword };
      const impossible = { outcome: "refused", maybeNotOffered: offersByAccount(endpoint) } as const;
      return [
        ...at(endpoint, { ...login, mechanism: "PLAIN" }, accepted, { note: "stored keys", ids }),
        ...at(endpoint, { ...login, mechanism: "PLAIN", password: wrongPassword }, refused, {
          note: "stored keys, wrong password",
          ids,
        }),
        ...at(endpoint, { ...login, mechanism: "CRAM-MD5" }, impossible, { note: "stored keys", ids }),
        ...(bound ? [] : at(endpoint, { ...login, mechanism: scheme }, accepted, { note: "stored keys", ids })),
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

function tokenRows(endpoint: Endpoint, mechanism: "OAUTHBEARER" | "XOAUTH2", made: ReadonlyMap<string, string>): Row[] {
  const xoauth2 = mechanism === "XOAUTH2";
  const each = (name: string, user: string, expected: Expectation, id: string): Row[] => {
    const token = made.get(name);
    const note = user === "alice" ? `token ${name}` : "token of alice";
    return token === undefined ? [] : at(endpoint, { mechanism, user, token }, expected, { note, ids: [id] });
  };
  return [
    ...each("good", "alice", accepted, xoauth2 ? "R-XOA-01" : "R-OAUTH-01"),
    ...each("expired", "alice", refused, xoauth2 ? "R-XOA-02" : "R-OAUTH-06"),
    ...each("foreign", "alice", refused, xoauth2 ? "R-XOA-02" : "R-OAUTH-06"),
    ...each("good", "user", refused, xoauth2 ? "R-XOA-03" : "R-OAUTH-05"),
  ];
}
