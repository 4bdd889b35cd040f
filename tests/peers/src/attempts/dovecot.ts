/**
 * Logins to Dovecot: IMAP and submission, every mechanism it offers that this project has.
 *
 * @module
 */
import { passwordOf, wrongPassword } from "../accounts.js";
import { endpointOf, type Server } from "../servers.js";
import type { Endpoint, Expectation } from "../types.js";
import { at, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";

const passwordMechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused" };
const impossible: Expectation = { outcome: "impossible" };
const alice = { user: "alice", password: passwordOf("alice") };

/** The table. */
export function dovecotRows(server: Server): Row[] {
  const imap = endpointOf(server, "imap", "imap", "starttls");
  const imaps = endpointOf(server, "imaps", "imap", "implicit");
  const clear = endpointOf(server, "imap", "imap", "none");
  const submission = endpointOf(server, "submission", "smtp", "starttls");
  const submissions = endpointOf(server, "submissions", "smtp", "implicit");
  return [
    ...passwordMechanisms.flatMap((mechanism) => [
      ...passwordRows(imap, mechanism, { prepares: false, extent: "full" }),
      ...passwordRows(imaps, mechanism, { prepares: false, extent: "short" }),
      ...passwordRows(submission, mechanism, {
        prepares: false,
        extent: mechanism === "SCRAM-SHA-256" ? "full" : "short",
      }),
      ...passwordRows(submissions, mechanism, { prepares: false, extent: "short" }),
    ]),
    ...choiceRows(imap),
    ...trustRows(imap, server),
    ...clearRows(clear),
    ...external(imap, server),
    ...external(submission, server),
    ...tokens(imap, server, ["HS256", "RS256", "ES256"]),
    ...tokens(imaps, server, ["HS256"]),
    ...tokens(submission, server, ["HS256"]),
    ...at(imap, { mechanism: "ANONYMOUS" }, accepted, { ids: ["R-ANON-02"] }),
    ...at(imaps, { mechanism: "ANONYMOUS" }, accepted),
    ...at(submission, { mechanism: "ANONYMOUS" }, impossible, { note: "not offered" }),
  ];
}

/** Which mechanism is taken, and what a connection must be to be used at all. */
function choiceRows(imap: Endpoint | undefined): Row[] {
  if (imap === undefined) return [];
  const scram = { ...alice, mechanism: "SCRAM-SHA-256" };
  return [
    { endpoint: imap, login: alice, expected: { outcome: "accepted", mechanism: "SCRAM-SHA-256" }, ids: ["R-GEN-27"] },
    ...at(
      imap,
      { ...alice, mechanism: "LOGIN,PLAIN" },
      { outcome: "accepted", mechanism: "LOGIN" },
      { ids: ["R-GEN-27"] },
    ),
    ...at(imap, { ...alice, mechanism: "SCRAM-SHA-512" }, impossible, { note: "not offered" }),
    ...at(imap, { ...scram, authzid: "alice" }, accepted, { note: "authzid alice" }),
    ...at(imap, { ...scram, authzid: "bob" }, refused, { note: "authzid bob", ids: ["R-GEN-19"] }),
    ...at(imap, { ...alice, mechanism: "PLAIN", authzid: "bob" }, refused, { note: "authzid bob" }),
    ...at(imap, { ...scram, tlsMax: "1.2" }, accepted),
    ...at(imap, { ...scram, channelBinding: "disable" }, accepted, { note: "binding disabled" }),
    ...at(imap, { ...scram, channelBinding: "require" }, impossible, { note: "binding required", ids: ["R-GEN-26"] }),
  ];
}

function trustRows(imap: Endpoint | undefined, server: Server): Row[] {
  if (imap === undefined) return [];
  const login = { ...alice, mechanism: "SCRAM-SHA-256" };
  const stranger = server.certificates.get("user")?.cert;
  const unreachable: Expectation = { outcome: "unreachable" };
  return [
    ...at({ ...imap, port: 1 }, login, unreachable, { note: "closed port" }),
    ...(stranger === undefined ? [] : at({ ...imap, ca: stranger }, login, unreachable, { note: "another authority" })),
  ];
}

function clearRows(clear: Endpoint | undefined): Row[] {
  const ids = ["R-PLAIN-06"];
  return [
    ...at(clear, { ...alice, mechanism: "SCRAM-SHA-256" }, accepted),
    ...at(clear, { ...alice, mechanism: "SCRAM-SHA-256", password: wrongPassword }, refused, {
      note: "wrong password",
    }),
    ...at(clear, { ...alice, mechanism: "PLAIN" }, impossible, { ids }),
    ...at(clear, { ...alice, mechanism: "LOGIN" }, impossible, { ids }),
    ...at(clear, { ...alice, mechanism: "PLAIN", allowPlaintext: true }, accepted, { note: "allowed" }),
    ...at(clear, { user: "alice", token: "mF_9.B5f-4.1JqM", mechanism: "OAUTHBEARER" }, impossible, {
      ids: ["R-OAUTH-12"],
    }),
  ];
}

function external(endpoint: Endpoint | undefined, server: Server): Row[] {
  const certificate = server.certificates.get("alice");
  if (certificate === undefined) return [];
  const login = { mechanism: "EXTERNAL", certificate };
  return [
    ...at(endpoint, { ...login, user: "alice", authzid: "alice" }, accepted, { note: "authzid alice" }),
    ...at(endpoint, { ...login, user: "alice" }, accepted, { ids: ["R-EXT-02"] }),
    ...at(endpoint, { ...login, user: "user", authzid: "user" }, refused, {
      note: "certificate of alice",
      ids: ["R-EXT-03"],
    }),
    ...at(endpoint, { mechanism: "EXTERNAL", user: "alice", authzid: "alice" }, refused, { note: "no certificate" }),
  ];
}

function tokens(endpoint: Endpoint | undefined, server: Server, good: readonly string[]): Row[] {
  return ["OAUTHBEARER", "XOAUTH2"].flatMap((mechanism) => {
    const each = (name: string, user: string, expected: Expectation, ids: string[]): Row[] => {
      const token = server.tokens.get(name);
      const note = user === "alice" ? `token ${name}` : `token of alice, ${name}`;
      return token === undefined ? [] : at(endpoint, { mechanism, user, token }, expected, { note, ids });
    };
    const error = [mechanism === "XOAUTH2" ? "R-XOA-02" : "R-OAUTH-08"];
    return [
      ...good.flatMap((name) => each(name, "alice", accepted, [mechanism === "XOAUTH2" ? "R-XOA-01" : "R-OAUTH-01"])),
      ...each("expired", "alice", refused, error),
      ...each("foreign", "alice", refused, error),
      ...each("HS256", "user", refused, error),
    ];
  });
}
