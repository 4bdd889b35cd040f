/**
 * Logins of every client to `sasl serve` with its accounts in a file or a database.
 *
 * @module
 */
import { passwordOf, wrongPassword } from "../accounts.js";
import type { Serve } from "../serve.js";
import type { Attempt, Client, Endpoint, Protocol } from "../types.js";
import { at, offersByAccount, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";
import { servedAttempts } from "./serve.js";

/** A server with its accounts in a store. */
export interface StoredServe {
  readonly serve: Serve;
  /** Mechanisms the accounts have what it takes for; other clients than ours try those that they know. */
  readonly mechanisms: readonly string[];
}

const protocols: readonly Protocol[] = ["imap", "smtp", "xmpp"];

/** For each client, protocol and mechanism: the right password, a wrong one, nobody; ours has TLS of both kinds. */
export function storeAttempts({ serve, mechanisms }: StoredServe, clients: readonly Client[]): Attempt[] {
  return clients.flatMap((client) => {
    const rows = protocols.flatMap((protocol) => {
      const endpoint = { ...serve.endpoint(protocol, "starttls"), plus: "none", lacks: ["OAUTHBEARER"] } as const;
      return mechanisms.flatMap((mechanism) => rowsFor(endpoint, mechanism));
    });
    const direct = serve.endpoint("imap", "implicit");
    const prepared = mechanisms.flatMap((mechanism) => preparedRows(direct, mechanism));
    return servedAttempts(client.name === "sasl login" ? [...rows, ...prepared] : rows, client, serve);
  });
}

function rowsFor(endpoint: Endpoint, mechanism: string): Row[] {
  const nobody = { mechanism, user: "nobody", password: wrongPassword };
  return [
    ...passwordRows(endpoint, mechanism, { prepares: true, extent: "short" }),
    ...at(
      endpoint,
      nobody,
      { outcome: "refused", maybeNotOffered: offersByAccount(endpoint) },
      { note: "unknown user", ids: ["R-GEN-31", "R-STO-04"] },
    ),
  ];
}

/** A password that SASLprep changes. */
function preparedRows(endpoint: Endpoint, mechanism: string): Row[] {
  const login = { mechanism, user: "bob", password: passwordOf("bob") };
  return at(endpoint, login, { outcome: "accepted" }, { ids: ["R-PREP-01"] });
}
