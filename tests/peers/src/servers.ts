/**
 * The real servers: a record of what runs where, started here by the scripts of a folder of peers or read from a file.
 *
 * @module
 */
import type { Certificate, Channel, Endpoint, Protocol } from "./types.js";

/** A kind of server there is a table of attempts for. */
export type ServerKind = "dovecot" | "postfix" | "prosody" | "prosody13";

/** Every kind, in the order in which they are started and tried. */
export const serverKinds: readonly ServerKind[] = ["dovecot", "postfix", "prosody", "prosody13"];

/** One running server and what is needed to log in to it. */
export interface Server {
  readonly kind: ServerKind;
  /** Name or address, as the certificate has it. */
  readonly host: string;
  /** XMPP domain, or realm. */
  readonly domain: string;
  /** PEM file of the certificate authority. */
  readonly ca: string;
  /** Port names as the peers' scripts use them: `imap`, `submissions`, `c2s` and so on. */
  readonly ports: ReadonlyMap<string, number>;
  /** Client certificates by name: `alice`, `user`, `alice-vhost`. */
  readonly certificates: ReadonlyMap<string, Certificate>;
  /** Bearer tokens by what they are: `HS256`, `RS256`, `ES256`, `expired`, `foreign`, all for alice; `oauth2` for user. */
  readonly tokens: ReadonlyMap<string, string>;
}

/** Where a login goes; `undefined` when the server has no such port. */
export function endpointOf(
  server: Server,
  port: string,
  protocol: Protocol,
  channel: Channel,
  domain: string = server.domain,
): Endpoint | undefined {
  const number = server.ports.get(port);
  if (number === undefined) return undefined;
  const name = port.startsWith("dovecot_") && server.kind === "postfix" ? "postfix+dovecot" : server.kind;
  const plus = ({ dovecot: "none", postfix: "none", prosody: "1.2", prosody13: "every" } as const)[server.kind];
  return { server: name, protocol, channel, host: server.host, port: number, ca: server.ca, domain, plus };
}
