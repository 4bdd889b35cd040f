/**
 * The rows that every password mechanism shares: the right and the wrong password, an unknown user, and a password
 * that SASLprep changes, prepared and not prepared by the client, against both ways of storing it.
 *
 * @module
 */
import { accounts, passwordOf, wrongPassword } from "../accounts.js";
import type { Endpoint, Expectation, Login } from "../types.js";
import { offersByAccount, type Row } from "./attempt.js";

/** What a family of rows has in common. */
export interface PasswordRowOptions {
  /** Whether the server prepares passwords, stored and received (Prosody does, Dovecot and Cyrus SASL do not). */
  readonly prepares: boolean;
  /** `short` is the right and the wrong password alone. */
  readonly extent: "full" | "short";
  readonly login?: Login;
  readonly expected?: Partial<Expectation>;
}

/** In these the server sees the password itself, as typed (RFC 4616 §2 leaves the preparation to it). */
const sentAsTyped = new Set(["PLAIN", "LOGIN"]);

/** Rows for one mechanism at one endpoint. */
export function passwordRows(endpoint: Endpoint | undefined, mechanism: string, options: PasswordRowOptions): Row[] {
  if (endpoint === undefined) return [];
  const { prepares, extent } = options;
  const row = (
    user: string,
    password: string,
    outcome: Expectation["outcome"],
    more: Omit<Partial<Row>, "login" | "expected"> & { login?: Login; expected?: Partial<Expectation> } = {},
  ): Row => ({
    endpoint,
    ...more,
    login: { mechanism, user, password, ...options.login, ...more.login },
    expected: { ...options.expected, ...more.expected, outcome },
  });
  const rows = [
    row("alice", passwordOf("alice"), "accepted", mechanism.startsWith("SCRAM-") ? { ids: ["R-SCRAM-20"] } : {}),
    row("alice", wrongPassword, "refused", { note: "wrong password" }),
  ];
  if (extent === "short") return rows;
  rows.push(row("user", passwordOf("user"), "accepted"));
  const expected = { maybeNotOffered: offersByAccount(endpoint) };
  rows.push(row("nobody", wrongPassword, "refused", { note: "unknown user", ids: ["R-GEN-31"], expected }));
  for (const { name, stored, typed } of accounts.filter((account) => account.name.startsWith("bob"))) {
    for (const prep of ["saslprep", "none"] as const) {
      const known = sentAsTyped.has(mechanism)
        ? prepares || stored === typed
        : (prep === "saslprep") === (prepares || stored !== typed);
      rows.push(
        row(name, typed, known ? "accepted" : "refused", { login: { prep }, ids: ["R-SCRAM-24", "R-PREP-01"] }),
      );
    }
  }
  return rows;
}
