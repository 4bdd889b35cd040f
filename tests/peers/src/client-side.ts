/**
 * Our client at real servers, with second opinions.
 *
 * @module
 */
import { attemptOf, type Row } from "./attempts/attempt.js";
import { bindingAttempts } from "./attempts/binding-types.js";
import { dovecotRows } from "./attempts/dovecot.js";
import { postfixRows } from "./attempts/postfix.js";
import { probeAttempts } from "./attempts/probe.js";
import { prosodyRows } from "./attempts/prosody.js";
import type { Children } from "./children.js";
import { endpointOf, type Server, type ServerKind } from "./servers.js";
import type { Attempt, Client } from "./types.js";

const tables: Readonly<Record<ServerKind, (server: Server) => Row[]>> = {
  dovecot: dovecotRows,
  postfix: postfixRows,
  prosody: prosodyRows,
  prosody13: prosodyRows,
};

/**
 * Everything there is to try at one server.
 *
 * @param command file of the `sasl` command
 * @param ours `sasl login`
 * @param others other people's clients, the first choice for a second opinion first
 */
export function clientSide(
  server: Server,
  children: Children,
  command: string,
  ours: Client,
  others: readonly Client[],
): Attempt[] {
  const logins = tables[server.kind](server).flatMap((row) => {
    const able = (client: Client): boolean => client.cannot(row.endpoint, row.login) === undefined;
    const opinion = isForOthers(row) ? others.find(able) : undefined;
    return [attemptOf(row, ours), ...(opinion === undefined ? [] : [attemptOf(row, opinion)])];
  });
  const binding = server.kind === "prosody13" ? endpointOf(server, "c2s", "xmpp", "starttls") : undefined;
  return [
    ...logins,
    ...(binding === undefined ? [] : bindingAttempts(binding)),
    ...probeAttempts(server, children, command),
  ];
}

/** Policy is our own; what a server makes of credentials is not. */
function isForOthers({ login, expected, oursAlone = false }: Row): boolean {
  if (oursAlone || login.channelBinding === "require") return false;
  return expected.outcome === "accepted" || expected.outcome === "refused";
}
