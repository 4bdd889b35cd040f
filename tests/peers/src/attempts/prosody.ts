/**
 * Logins to Prosody 0.12 and 13: SCRAM with and without channel binding, hashed accounts, ANONYMOUS, EXTERNAL and,
 * with 13, a token of its own OAuth 2.0 server. Both prepare stored and received passwords.
 *
 * @module
 */
import { passwordOf } from "../accounts.js";
import { endpointOf, type Server } from "../servers.js";
import type { Channel, Endpoint, Expectation, Login } from "../types.js";
import { at, type Row } from "./attempt.js";
import { passwordRows } from "./password-rows.js";

const accepted: Expectation = { outcome: "accepted" };
const refused: Expectation = { outcome: "refused" };
const impossible: Expectation = { outcome: "impossible" };
const alice = { user: "alice", password: passwordOf("alice") };

/** What the two versions do differently. */
interface Version {
  /** Binding type on TLS 1.3; `null` where 0.12 offers no -PLUS. */
  readonly modern: string | null;
}

const versions = { prosody: { modern: null }, prosody13: { modern: "tls-exporter" } } satisfies Record<string, Version>;

/** The table. */
export function prosodyRows(server: Server): Row[] {
  const version: Version = server.kind === "prosody13" ? versions.prosody13 : versions.prosody;
  const to = (domain: string, channel: Channel = "starttls"): Endpoint | undefined =>
    endpointOf(server, channel === "implicit" ? "c2s_direct_tls" : "c2s", "xmpp", channel, domain);
  const main = to("localhost");
  const direct = to("localhost", "implicit");
  const full = { prepares: true, extent: "full" } as const;
  const short = { prepares: true, extent: "short" } as const;
  return [
    ...["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"].flatMap((mechanism) => [
      ...passwordRows(main, mechanism, { ...full, login: unbound(mechanism) }),
      ...passwordRows(direct, mechanism, { ...short, login: unbound(mechanism) }),
    ]),
    ...["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"].flatMap((mechanism) => [
      ...bound(main, mechanism, mechanism === "SCRAM-SHA-256-PLUS" ? "full" : "short", version),
      ...bound(direct, mechanism, "short", version),
    ]),
    ...choice(main, version),
    ...hashed(to("hashed.localhost"), "SCRAM-SHA-1"),
    ...hashed(to("hashed256.localhost"), "SCRAM-SHA-256"),
    ...passwordRows(to("plain.localhost"), "SCRAM-SHA-256", { ...short, login: unbound("SCRAM-SHA-256") }),
    ...passwordRows(to("plain.localhost", "none"), "SCRAM-SHA-256", short),
    ...at(to("plain.localhost", "none"), { ...alice, mechanism: "PLAIN" }, impossible, { ids: ["R-PLAIN-06"] }),
    ...at(to("plain.localhost", "none"), { ...alice, mechanism: "PLAIN", allowPlaintext: true }, accepted, {
      note: "allowed",
    }),
    ...at(to("localhost", "none"), { ...alice, mechanism: "SCRAM-SHA-256" }, impossible, { note: "TLS is required" }),
    ...at(to("anon.localhost"), { mechanism: "ANONYMOUS" }, accepted),
    ...external(to("cert.localhost"), server),
    ...tokens(to("hashed.localhost"), server),
  ];
}

/** SCRAM without -PLUS is taken only by a client that says that it cannot bind. */
function unbound(mechanism: string): Login {
  return mechanism.startsWith("SCRAM-") ? { channelBinding: "disable" } : {};
}

/** The -PLUS variants: bound on TLS 1.2 everywhere, on TLS 1.3 where the version can. */
function bound(
  endpoint: Endpoint | undefined,
  mechanism: string,
  extent: "full" | "short",
  { modern }: Version,
): Row[] {
  const old = { prepares: true, extent, login: { tlsMax: "1.2" }, expected: { channelBinding: "tls-unique" } } as const;
  const rows = passwordRows(endpoint, mechanism, old);
  if (modern === null)
    return [...rows, ...at(endpoint, { ...alice, mechanism }, impossible, { note: "not offered on TLS 1.3" })];
  return [
    ...rows,
    ...passwordRows(endpoint, mechanism, { prepares: true, extent, expected: { channelBinding: modern } }),
  ];
}

function choice(endpoint: Endpoint | undefined, { modern }: Version): Row[] {
  const plain = { ...alice, mechanism: "SCRAM-SHA-256" };
  const best = modern === null ? "SCRAM-SHA-256" : "SCRAM-SHA-256-PLUS";
  const legacy: Expectation = { outcome: "accepted", mechanism: "SCRAM-SHA-256-PLUS", channelBinding: "tls-unique" };
  return [
    ...at(
      endpoint,
      alice,
      { outcome: "accepted", mechanism: best, channelBinding: modern },
      { ids: ["R-GEN-27", "R-CB-01"] },
    ),
    ...at(endpoint, { ...alice, tlsMax: "1.2" }, legacy, { ids: ["R-CB-01", "R-CB-06"] }),
    ...at(endpoint, { ...plain, tlsMax: "1.2", channelBinding: "disable" }, accepted, { note: "binding disabled" }),
    ...at(endpoint, { ...plain, tlsMax: "1.2" }, accepted, { note: "-PLUS not allowed", ids: ["R-CB-01"] }),
    ...at(
      endpoint,
      { ...alice, channelBinding: "require" },
      modern === null ? impossible : { outcome: "accepted", mechanism: best, channelBinding: modern },
      { note: "binding required", ids: ["R-GEN-26"] },
    ),
  ];
}

function hashed(endpoint: Endpoint | undefined, mechanism: string): Row[] {
  const old = { login: { tlsMax: "1.2" }, expected: { channelBinding: "tls-unique" } } as const;
  return [
    ...passwordRows(endpoint, mechanism, { prepares: true, extent: "full", login: unbound(mechanism) }),
    ...passwordRows(endpoint, `${mechanism}-PLUS`, { prepares: true, extent: "short", ...old }),
    ...passwordRows(endpoint, "PLAIN", { prepares: true, extent: "short" }),
  ];
}

function external(endpoint: Endpoint | undefined, server: Server): Row[] {
  const own = server.certificates.get("alice-vhost");
  const other = server.certificates.get("user");
  if (own === undefined || other === undefined) return [];
  const login = { mechanism: "EXTERNAL", user: "alice" };
  return [
    ...at(endpoint, { ...login, certificate: own }, accepted, { ids: ["R-EXT-02"] }),
    ...at(endpoint, { ...login, certificate: other }, refused, { note: "certificate for another host" }),
    ...at(endpoint, login, refused, { note: "no certificate" }),
  ];
}

function tokens(endpoint: Endpoint | undefined, server: Server): Row[] {
  const token = server.tokens.get("oauth2");
  if (token === undefined) return [];
  const login = { mechanism: "OAUTHBEARER", user: "user" };
  return [
    ...at(endpoint, { ...login, token }, accepted, { note: "its own token" }),
    ...at(endpoint, { ...login, token: "mF_9.B5f-4.1JqM" }, refused, {
      note: "no token of its own",
      ids: ["R-OAUTH-08"],
    }),
  ];
}
