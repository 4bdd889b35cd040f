/**
 * Accounts in an LDAP directory: found by a search, their passwords checked by a bind or read as verifiers.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Entry } from "ldapts";
import type { AccountProperties, AccountStore, PropertyName } from "sasl-core/plugin";
import { openBoundConnection, openConnection } from "./connect.js";
import { fillDn, fillFilter, placeholder } from "./escape.js";
import { bindVerdict, fault, searchVerdict } from "./faults.js";
import { type LdapOptions, type Settings, settingsFrom } from "./options.js";
import { Pool } from "./pool.js";
import { valuesOf, wantedFor } from "./properties.js";

/**
 * Accounts of a directory, read-only. Nothing is connected before the first look-up, and idle connections do not keep a
 * program running.
 *
 * @param options or just the URL.
 * @throws {TypeError} for what cannot work, and for `ldap:` to another machine without StartTLS. {RangeError} for a number
 *   that cannot be.
 */
export function ldapAccounts(options: LdapOptions | string): AccountStore {
  return new LdapStore(settingsFrom(typeof options === "string" ? { url: options } : options));
}

class LdapStore implements AccountStore {
  readonly #settings: Settings;
  readonly #searching: Pool;
  readonly #binding: Pool;

  constructor(settings: Settings) {
    const { maxConnections: max, timeoutMs: waitMs, idleTimeoutMs: idleMs } = settings;
    this.#settings = settings;
    this.#searching = new Pool({ open: () => openBoundConnection(settings), max, waitMs, idleMs });
    this.#binding = new Pool({ open: () => openConnection(settings), max, waitMs, idleMs });
  }

  async lookup(name: string, requests: readonly PropertyName[]): Promise<AccountProperties | undefined> {
    const wanted = wantedFor(this.#settings, requests);
    const entry = await this.#find(name, wanted.attributes);
    return entry && wanted.read(entry);
  }

  async checkPassword(name: string, password: string): Promise<boolean> {
    // RFC 4513 §5.1.2: an empty one proves nothing (R-STO-02). At a NUL some directories stop reading.
    if (password === "" || password.includes("\0") || !password.isWellFormed()) return false;
    const entry = await this.#find(name, []);
    // No entry, or several: the same steps for an entry nobody has, so that names cannot be told apart by them.
    const dn = entry?.dn ?? `cn=${randomUUID()},${fillDn(this.#settings.base, name)}`;
    const verified = await this.#binding.use(async (connection) => bindVerdict(await connection.bind(dn, password)));
    return verified && entry !== undefined;
  }

  async close(): Promise<void> {
    this.#searching.close();
    this.#binding.close();
  }

  /** The one entry of a name; several are as good as none (R-STO-03). */
  #find(name: string, attributes: readonly string[]): Promise<Entry | undefined> {
    const { base, scope, filter, nameAttribute, timeoutMs } = this.#settings;
    const wanted = nameAttribute === false ? attributes : [...attributes, nameAttribute];
    const named = name !== "" && name.isWellFormed();
    const search = {
      scope,
      filter: fillFilter(filter, named ? name : randomUUID()),
      attributes: wanted.length === 0 ? ["1.1"] : [...new Set(wanted)], // RFC 4511 §4.5.1.8: none
      sizeLimit: 2,
      timeLimit: Math.ceil(timeoutMs / 1000),
    };
    return this.#searching.use(async (connection) => {
      const { code, entries } = await connection.search(fillDn(base, named ? name : randomUUID()), search);
      const complete = searchVerdict(code, base.includes(placeholder));
      const [entry, ...more] = entries;
      if (!named || !complete || more.length > 0 || entry === undefined) return undefined;
      // RFC 4513 §5.1.2: a bind without a name proves nothing, either.
      if (!entry.dn.includes("=")) throw fault("an entry without a name");
      if (nameAttribute === false) return entry;
      const names = valuesOf(entry, nameAttribute);
      if (names.length === 0) throw fault(`an entry whose ${nameAttribute} is not there or may not be read`);
      return names.includes(name) ? entry : undefined;
    });
  }
}
