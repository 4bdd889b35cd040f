/**
 * Attributes of an entry as properties of an account. Source: RFC 5803 for `authPassword`, RFC 2307 §5.3 and the notation
 * OpenLDAP made of it for `userPassword`.
 *
 * @module
 */
import type { Entry } from "ldapts";
import type { AccountProperties, PropertyName, PropertyValue, ScramVerifier } from "sasl-core/plugin";
import { parseRfc5803 } from "sasl-formats";
import { fault } from "./faults.js";
import { isAttribute, type Settings } from "./options.js";

type Values = readonly (string | Uint8Array)[];

/** What to ask the directory for, and what becomes of it. */
export interface Wanted {
  /** None of them twice. */
  readonly attributes: readonly string[];
  /** @throws {SASLFailure} `temporary` for a secret that cannot be read (R-STO-04). */
  readonly read: (entry: Entry) => AccountProperties;
}

/** Never handed out under another property's name. */
const secretAttributes = ["userpassword", "authpassword", "2.5.4.35", "1.3.6.1.4.1.4203.1.3.4"];

/** The attributes behind the properties somebody will look at. */
export function wantedFor(settings: Settings, requests: readonly PropertyName[]): Wanted {
  const sources = requests
    .filter((property) => property !== "disabled")
    .map((property) => [property, attributeOf(settings, property)] as const)
    .filter((each): each is readonly [string, string] => each[1] !== undefined);
  const attributes = [...new Set([...sources.map(([, attribute]) => attribute), ...settings.disabledAttributes])];
  return {
    attributes,
    read(entry) {
      const found = sources.map(([property, attribute]) => [
        property,
        propertyOf(property, valuesOf(entry, attribute)),
      ]);
      const disabled = settings.disabledAttributes.some((each) => isSet(valuesOf(entry, each)));
      const known = found.filter(([, value]) => value !== undefined);
      return Object.fromEntries([...known, ...(disabled ? [["disabled", true]] : [])]) as AccountProperties;
    },
  };
}

function attributeOf(settings: Settings, property: PropertyName): string | undefined {
  const { attributes, readUserPassword } = settings;
  const mapped = attributes?.get(property);
  if (property === "authPassword") return mapped ?? "authPassword";
  if (property === "userPassword" || property === "passwordHash") {
    return readUserPassword ? (mapped ?? attributes?.get("userPassword") ?? "userPassword") : undefined;
  }
  const attribute = attributes === undefined ? property : mapped;
  if (attribute === undefined || !isAttribute(attribute) || /^dn$/i.test(attribute)) return undefined;
  const [type = ""] = attribute.toLowerCase().split(";");
  return secretAttributes.includes(type) ? undefined : attribute;
}

/** Values of an attribute, none where it is absent. Its name is the same in any case (RFC 4512 §2.5). */
export function valuesOf(entry: Entry, attribute: string): Values {
  const wanted = attribute.toLowerCase();
  const [, values = []] = Object.entries(entry).find(([each]) => each !== "dn" && each.toLowerCase() === wanted) ?? [];
  return typeof values === "string" || values instanceof Uint8Array ? [values] : values;
}

function propertyOf(property: PropertyName, values: Values): PropertyValue | readonly ScramVerifier[] | undefined {
  if (values.length === 0) return undefined;
  if (property === "authPassword") return verifiersFrom(texts(values));
  if (property === "userPassword") return clearFrom(texts(values));
  if (property === "passwordHash") return hashesFrom(texts(values));
  return values.length === 1 ? values[0] : values;
}

/** Values of other schemes than SCRAM are not ours to judge. */
function verifiersFrom(values: readonly string[]): readonly ScramVerifier[] | undefined {
  const scram = values.filter((each) => /^ *SCRAM-/.test(each));
  try {
    const verifiers = scram.map(parseRfc5803);
    if (new Set(verifiers.map((each) => each.hash)).size < verifiers.length) throw fault("two verifiers for one hash");
    return verifiers.length === 0 ? undefined : verifiers;
  } catch (error) {
    throw fault("an authPassword that cannot be read", error);
  }
}

/** The password in clear: without a scheme, or with one that says so. */
function clearFrom(values: readonly string[]): string | undefined {
  const clear = values.filter((each) => scheme.exec(each) === null || clearScheme.test(each));
  if (clear.length > 1) throw fault("more than one userPassword in clear");
  return clear[0]?.replace(clearScheme, "");
}

function hashesFrom(values: readonly string[]): readonly string[] | undefined {
  const hashes = values.filter((each) => scheme.exec(each) !== null && !clearScheme.test(each));
  return hashes.length === 0 ? undefined : hashes.map((each) => each.replace(/^\{[^}]*\}(?=\$)/, ""));
}

/** `{SSHA}…`; a hash that brings its own notation, `{CRYPT}$6$…`, goes by that. */
const scheme = /^\{[A-Za-z0-9./_-]{1,40}\}/;
const clearScheme = /^\{(?:CLEARTEXT|CLEAR|PLAIN)\}/i;

function texts(values: Values): readonly string[] {
  const text = values.filter((each) => typeof each === "string");
  if (text.length < values.length) throw fault("a password attribute that is not text");
  return text;
}

function isSet(values: Values): boolean {
  return values.some((each) => typeof each !== "string" || !/^(?:false|no|0|)$/i.test(each));
}
