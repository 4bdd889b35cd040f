/**
 * `sasl probe` at real servers: what it says is offered must be what the server is known to offer.
 *
 * @module
 */
import type { Children } from "../children.js";
import { lastWords } from "../clients/verdict.js";
import { endpointOf, type Server } from "../servers.js";
import type { Attempt, Channel, Endpoint, Protocol } from "../types.js";
import { rowName } from "./attempt.js";

interface Known {
  readonly kind: Server["kind"];
  readonly port: string;
  readonly protocol: Protocol;
  readonly channel: Channel;
  readonly offered: readonly string[];
}

const dovecot = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"];
const cyrus = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-224", "SCRAM-SHA-512", "NTLM", "OTP"];
const prosody = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"];
const bound = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "tls-exporter", "tls-server-end-point"];

const known: readonly Known[] = [
  {
    kind: "dovecot",
    port: "imap",
    protocol: "imap",
    channel: "starttls",
    offered: [...dovecot, "EXTERNAL", "ANONYMOUS"],
  },
  { kind: "dovecot", port: "imaps", protocol: "imap", channel: "implicit", offered: dovecot },
  { kind: "dovecot", port: "submission", protocol: "smtp", channel: "starttls", offered: dovecot },
  { kind: "postfix", port: "submission", protocol: "smtp", channel: "starttls", offered: cyrus },
  { kind: "postfix", port: "submission_tlsonly", protocol: "smtp", channel: "starttls", offered: cyrus },
  { kind: "postfix", port: "submissions", protocol: "smtp", channel: "implicit", offered: cyrus },
  { kind: "prosody", port: "c2s", protocol: "xmpp", channel: "starttls", offered: prosody },
  { kind: "prosody", port: "c2s_direct_tls", protocol: "xmpp", channel: "implicit", offered: prosody },
  { kind: "prosody13", port: "c2s", protocol: "xmpp", channel: "starttls", offered: [...prosody, ...bound] },
  { kind: "prosody13", port: "c2s_direct_tls", protocol: "xmpp", channel: "implicit", offered: [...prosody, ...bound] },
];

/** A probe of each port of a server. @param command file of the `sasl` command */
export function probeAttempts(server: Server, children: Children, command: string): Attempt[] {
  return known.flatMap(({ kind, port, protocol, channel, offered }) => {
    const endpoint = kind === server.kind ? endpointOf(server, port, protocol, channel) : undefined;
    return endpoint === undefined ? [] : [probe(endpoint, offered, children, command)];
  });
}

function probe(endpoint: Endpoint, offered: readonly string[], children: Children, command: string): Attempt {
  const { protocol, channel, host, port, ca, domain } = endpoint;
  const scheme = channel === "implicit" ? `${protocol}s` : protocol;
  const args = [command, "probe", `${scheme}://${host}:${port}`, "--json", "--ca", ca];
  if (protocol === "xmpp") args.push("--domain", domain);
  return {
    name: `probe ${rowName({ endpoint, login: {}, expected: { outcome: "accepted" } })}`.replace(" (best) -", ""),
    async run() {
      const finished = await children.run(process.execPath, args);
      const why = (text: string) => ({ passed: false, why: `${text}\n${lastWords(finished)}` }) as const;
      if (finished.exit !== 0) return why("must end with exit 0");
      try {
        JSON.parse(finished.stdout);
      } catch {
        return why("must print one JSON object");
      }
      const absent = offered.filter((name) => !finished.stdout.includes(`"${name}"`));
      return absent.length === 0 ? { passed: true } : why(`does not name ${absent.join(", ")}`);
    },
  };
}
