/**
 * Names put into filters and distinguished names, with nothing in them left to mean anything.
 * Source: RFC 4515 §3 for filters, RFC 4514 §2.4 for names of entries.
 *
 * @module
 */
import { Filter, FilterParser } from "ldapts";

/** Stands for the account's name in filters and base names. */
export const placeholder = "{user}";

/**
 * A filter with the account's name in the places of {@link placeholder}.
 *
 * @param template a filter that {@link checkFilter} accepted.
 * @param name untrusted, of any length.
 */
export function fillFilter(template: string, name: string): string {
  return template.replaceAll(placeholder, () => Filter.escape(name));
}

/**
 * The name of an entry with the account's name in the places of {@link placeholder}, each a part of an attribute's value.
 *
 * @param name untrusted, of any length.
 */
export function fillDn(template: string, name: string): string {
  return template.replaceAll(placeholder, () => escapeDnValue(name));
}

/** An attribute's value as it is written in the name of an entry (RFC 4514 §2.4). */
export function escapeDnValue(value: string): string {
  const last = value.length - 1;
  return value.replace(/["+,;<=>\\\0 #]/g, (character, at: number) => {
    if (character === "\0") return "\\00";
    if (character === " " && at !== 0 && at !== last) return character;
    if (character === "#" && at !== 0) return character;
    return `\\${character}`;
  });
}

/**
 * Whether a filter can be used as a template: well-formed, and each placeholder in a value.
 *
 * @throws {TypeError}
 */
export function checkFilter(template: string): void {
  const parts = template.split(placeholder).slice(0, -1);
  const inValues = parts.every((_, index) => /=[^()]*$/.test(parts.slice(0, index + 1).join(placeholder)));
  let wellFormed = template.split("(").length === template.split(")").length; // ldapts takes a filter that is not closed
  try {
    FilterParser.parseString(template);
  } catch {
    wellFormed = false;
  }
  if (!wellFormed) throw new TypeError("the LDAP filter is not one (RFC 4515)");
  if (!inValues)
    throw new TypeError(`${placeholder} stands for a value, and cannot be anything else in an LDAP filter`);
}
