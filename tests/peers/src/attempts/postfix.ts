/**
 * Logins to Postfix: with Cyrus SASL behind it, which has every SHA-2, and with Dovecot's authentication behind it.
 *
 * @module
 */
import { passwordOf, wrongPassword } from "../accounts.js";
import { endpointOf, type Server } from "../servers.js";
import type { Expectation } from "../types.js";
import { at, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";

const cyrusMechanisms = [
  "PLAIN",
  "LOGIN",
  "CRAM-MD5",
  "DIGEST-MD5",
  "SCRAM-SHA-1",
  "SCRAM-SHA-224",
  "SCRAM-SHA-256",
  "SCRAM-SHA-384",
  "SCRAM-SHA-512",
];
const dovecotMechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];

/** The mechanisms that get every row; the others get the right and the wrong password. */
const thorough = new Set(["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-512"]);

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused", code: "refused" };
const impossible: Expectation = { outcome: "impossible" };
const alice = { user: "alice", password: passwordOf("alice") };

/** The table. */
export function postfixRows(server: Server): Row[] {
  const cyrus = endpointOf(server, "submission", "smtp", "starttls");
  const clear = endpointOf(server, "submission", "smtp", "none");
  const cyrusTls = endpointOf(server, "submissions", "smtp", "implicit");
  const late = endpointOf(server, "submission_tlsonly", "smtp", "starttls");
  const never = endpointOf(server, "submission_tlsonly", "smtp", "none");
  const dovecot = endpointOf(server, "dovecot_submission", "smtp", "starttls");
  const dovecotTls = endpointOf(server, "dovecot_submissions", "smtp", "implicit");
  const full = { prepares: false, extent: "full" } as const;
  const short = { prepares: false, extent: "short" } as const;
  return [
    ...cyrusMechanisms.flatMap((mechanism) => [
      ...passwordRows(cyrus, mechanism, thorough.has(mechanism) ? full : short),
      ...passwordRows(cyrusTls, mechanism, short),
    ]),
    ...["PLAIN", "SCRAM-SHA-512"].flatMap((mechanism) => passwordRows(late, mechanism, short)),
    // Cyrus SASL sends no timestamp and no attributes. It takes NTLMv2 answers, to which it needs no integrity code.
    ...at(cyrus, { ...alice, mechanism: "NTLM" }, accepted, { oursAlone: true, ids: ["R-NTLM-03"] }),
    ...at(cyrus, { ...alice, mechanism: "NTLM", password: wrongPassword }, refused, {
      oursAlone: true,
      note: "wrong password",
    }),
    ...dovecotMechanisms.flatMap((mechanism) => [
      ...passwordRows(dovecot, mechanism, mechanism === "SCRAM-SHA-256" ? full : short),
      ...passwordRows(dovecotTls, mechanism, short),
    ]),
    ...at(cyrus, alice, { outcome: "accepted", mechanism: "SCRAM-SHA-512" }, { ids: ["R-GEN-27"] }),
    ...at(cyrus, { ...alice, mechanism: "SCRAM-SHA-512", authzid: "alice" }, accepted, { note: "authzid alice" }),
    ...at(cyrus, { ...alice, mechanism: "SCRAM-SHA-512", channelBinding: "require" }, impossible, {
      note: "binding required",
    }),
    // RFC 4954 §4: "=" is the empty initial response. Postfix 3.7 hands it to Cyrus SASL as none, which wants another step.
    ...at(
      cyrus,
      { mechanism: "ANONYMOUS" },
      { outcome: "refused" },
      { note: "no trace", oursAlone: true, ids: ["R-SMTP-07"] },
    ),
    ...at(dovecot, { mechanism: "ANONYMOUS" }, accepted),
    ...at(late, { mechanism: "ANONYMOUS" }, impossible, { note: "not offered" }),
    ...at(clear, { ...alice, mechanism: "SCRAM-SHA-512" }, accepted),
    ...at(clear, { ...alice, mechanism: "PLAIN" }, impossible, { ids: ["R-PLAIN-06"] }),
    ...at(clear, { ...alice, mechanism: "PLAIN", allowPlaintext: true }, accepted, { note: "allowed" }),
    ...at(never, { ...alice, mechanism: "SCRAM-SHA-512" }, impossible, { note: "no AUTH before TLS" }),
  ];
}
