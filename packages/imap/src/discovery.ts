/**
 * What an IMAP server says about authentication, both ways. Source: RFC 9051 §6.1.1, §7.2.2; RFC 4959; RFC 3501.
 *
 * @module
 */
import { isMechanismName } from "sasl-core/plugin";

/** What matters for logging in, out of a capability list. */
export interface Announcement {
  /** Mechanism names, each once, in the server's order. */
  readonly mechanisms: readonly string[];
  /** Whether AUTHENTICATE takes an initial response: SASL-IR (RFC 4959) or IMAP4rev2 (RFC 9051 §6.2.2). */
  readonly initialResponse: boolean;
  /** LOGINDISABLED: the LOGIN command must not be used (RFC 9051 §6.2.3). */
  readonly loginDisabled: boolean;
  readonly startTls: boolean;
  /** Everything that was announced, in upper case, each once. */
  readonly capabilities: ReadonlySet<string>;
}

/** A capability list as clients have it at hand. */
export type CapabilitySource = string | Iterable<string> | ReadonlyMap<string, unknown>;

/**
 * Reads a capability list.
 *
 * @param source the atoms, as an array, a set or the keys of a map; or a line that holds them: `* CAPABILITY …`, or any
 *   response with a `[CAPABILITY …]` code. A line without them gives an empty announcement, as do atoms nobody knows.
 *   Names that cannot be mechanism names are left out.
 */
export function discover(source: CapabilitySource): Announcement {
  const atoms = typeof source === "string" ? capabilityAtoms(source) : source instanceof Map ? source.keys() : source;
  const capabilities = new Set<string>();
  const mechanisms = new Set<string>();
  for (const atom of atoms as Iterable<unknown>) {
    if (typeof atom !== "string" || atom === "") continue;
    const name = atom.toUpperCase();
    capabilities.add(name);
    if (name.startsWith("AUTH=") && isMechanismName(name.slice(5))) mechanisms.add(name.slice(5));
  }
  return {
    mechanisms: [...mechanisms],
    initialResponse: capabilities.has("SASL-IR") || capabilities.has("IMAP4REV2"),
    loginDisabled: capabilities.has("LOGINDISABLED"),
    startTls: capabilities.has("STARTTLS"),
    capabilities,
  };
}

/** Whether a response holds a capability list: as data, or as the code of a status response. */
export function hasCapabilities(line: string): boolean {
  return /^\* CAPABILITY(?: |$)/i.test(line) || /^[^ ]+ (?:OK|NO|BAD|PREAUTH|BYE) \[CAPABILITY [^\]]*\]/i.test(line);
}

function capabilityAtoms(line: string): string[] {
  const upper = line.toUpperCase();
  const code = upper.indexOf("[CAPABILITY ");
  const end = code < 0 ? -1 : upper.indexOf("]", code);
  if (end >= 0) return upper.slice(code + "[CAPABILITY ".length, end).split(" ");
  const data = upper.startsWith("* ") ? upper.slice(2) : upper;
  return (data.startsWith("CAPABILITY ") ? data.slice("CAPABILITY ".length) : data).split(" ");
}

/** What a server announces. */
export interface AnnounceOptions {
  /** Whether STARTTLS can be used now. Default false. */
  readonly startTls?: boolean | undefined;
  /** Whether the LOGIN command is refused now. Default: it is unless PLAIN is announced (R-LOGIN-04). */
  readonly loginDisabled?: boolean | undefined;
  /** Further atoms, in front. Default `IMAP4rev1`. */
  readonly capabilities?: readonly string[] | undefined;
}

/**
 * The capability atoms for a list of mechanisms, as `discover` reads them; join them with spaces.
 *
 * @param mechanisms what `SASLServer.mechanisms()` gives for the connection as it is now.
 * @throws {TypeError} for an atom or a name that cannot stand in a capability list.
 */
export function announce(mechanisms: Iterable<string>, options: AnnounceOptions = {}): string[] {
  const names = [...mechanisms];
  const { startTls = false, loginDisabled = !names.includes("PLAIN"), capabilities = ["IMAP4rev1"] } = options;
  const atoms = [...capabilities, "SASL-IR"];
  if (startTls) atoms.push("STARTTLS");
  if (loginDisabled) atoms.push("LOGINDISABLED");
  for (const name of names) {
    if (!isMechanismName(name)) throw new TypeError(`not a mechanism name: ${JSON.stringify(name)}`);
    atoms.push(`AUTH=${name}`);
  }
  for (const atom of atoms) {
    if (!/^[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|~]+$/.test(atom))
      throw new TypeError(`not a capability: ${JSON.stringify(atom)}`);
  }
  return [...new Set(atoms)];
}
