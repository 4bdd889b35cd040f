/**
 * Names of accounts, checked before they reach another program's file.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { FormatError } from "./parts.js";

const MAX_NAME_OCTETS = 1024;

/** The name itself, if it is 1 to 1024 octets of UTF-8 without a NUL. @throws {FormatError} */
export function checkedName(name: string): string {
  const octets = Buffer.from(name);
  if (octets.length === 0 || octets.length > MAX_NAME_OCTETS) {
    throw new FormatError(`a name that is not 1 to ${MAX_NAME_OCTETS} octets`);
  }
  if (name.includes("\0") || octets.toString() !== name) throw new FormatError("a name with a NUL or half a character");
  return name;
}

/**
 * The name itself, if XMPP allows it in front of the `@` of an address (RFC 7622 §3.3.1).
 *
 * @throws {FormatError}
 */
export function checkedLocalpart(name: string): string {
  if (/["&'/:<>@\s\p{Cc}]/u.test(checkedName(name))) {
    throw new FormatError(
      "a name XMPP does not allow: export the part before the @ alone, without spaces and \"&'/:<>",
    );
  }
  return name;
}
