/**
 * Where a server may be: the host of the URL, or, for an XMPP domain, the hosts that DNS names for it.
 * Sources: RFC 6120 §3.2, XEP-0368 §3, RFC 2782.
 *
 * @module
 */
import type { SrvRecord } from "node:dns";
import { resolveSrv } from "node:dns/promises";
import { isIP } from "node:net";
import type { Target } from "../url.js";

/** A host and a port to try. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Looks SRV records up; that of Node unless a test says otherwise. */
export type SrvLookup = (name: string) => Promise<readonly SrvRecord[]>;

const MAX_PLACES = 8;

/**
 * The places to try, in order. A URL that names a port or an address means just that; so does one whose certificate is to
 * be for another name, for then its host was chosen on purpose.
 *
 * @param domain what the certificate must be for.
 */
export async function placesOf(target: Target, domain: string, lookup: SrvLookup = resolveSrv): Promise<Place[]> {
  const { protocol, host, port, portGiven, directTls } = target;
  const asIs = [{ host, port }];
  if (protocol !== "xmpp" || portGiven || host !== domain || isIP(host) !== 0 || !host.includes(".")) return asIs;
  let records: readonly SrvRecord[];
  try {
    records = await lookup(`_${directTls ? "xmpps" : "xmpp"}-client._tcp.${host}`);
  } catch {
    return asIs; // RFC 6120 §3.2.2: without records, the domain itself
  }
  const places = inOrder(records.filter(({ name }) => name !== "" && name !== "."));
  return places.length === 0 ? asIs : places.slice(0, MAX_PLACES).map(({ name, port }) => ({ host: name, port }));
}

/** RFC 2782: lower priorities first; among equals by chance, the heavier ones more often first. */
function inOrder(records: readonly SrvRecord[]): SrvRecord[] {
  const chances = new Map(records.map((record) => [record, Math.random() ** (1 / (record.weight + 0.01))]));
  const chance = (record: SrvRecord): number => chances.get(record) ?? 0;
  return [...records].sort((a, b) => a.priority - b.priority || chance(b) - chance(a));
}
