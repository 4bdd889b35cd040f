/**
 * The fields behind the secret in a line of a passwd-file, and the properties they are. Source: Dovecot 2.3, passwd-file,
 * and its passdb and userdb extra fields.
 */
import { FormatError } from "./parts.js";

/** The fields between secret and extra fields, in order, under the names properties have. */
export const fieldNames = ["uid", "gid", "gecos", "home", "shell"] as const;
export const secretNames: readonly string[] = ["userPassword", "authPassword", "passwordHash"];
/** Names an extra field of Dovecot's cannot have as a property: they mean something else here. */
export const reservedNames: readonly string[] = [...secretNames, ...fieldNames, "disabled", "nologin"];

/** A line as Dovecot reads it. */
export interface MainLine {
  readonly secret: string;
  /** As many as there are, in the order of {@link fieldNames}. */
  readonly fields: readonly string[];
  /** `name=value`, or a name alone. */
  readonly extra: readonly string[];
}

/** @throws {FormatError} */
export function splitMain(line: string): MainLine {
  const [, secret, ...fields] = line.split(":");
  if (secret === undefined) throw new FormatError("no colon behind the user name");
  const text = fields.slice(fieldNames.length).join(":");
  // An empty eighth field and the mail location in the ninth: the form of Dovecot 0.99, which 2.3 still takes.
  const [, mail] = /^:(.*)$/s.exec(text) ?? [];
  const extra = (mail ? `userdb_mail=${mail}` : mail === undefined ? text : "").split(" ").filter(Boolean);
  if (extra.some((token) => /^[:=]/.test(token))) throw new FormatError("an extra field without a name");
  return { secret, fields: fields.slice(0, fieldNames.length), extra };
}

/** An extra field; `true` for a name alone. */
export function splitToken(token: string): readonly [name: string, value: string | true] {
  const end = token.indexOf("=");
  return end < 0 ? [token, true] : [token.slice(0, end), token.slice(end + 1)];
}

/**
 * The fields behind the secret, as text. What is written there is taken out of the properties.
 *
 * @param before the lines that are replaced.
 */
export function takeFields(properties: Map<string, unknown>, before: readonly MainLine[]): readonly string[] {
  const fields = fieldNames.map((name, i) => {
    const value = properties.get(name);
    if (typeof value !== "string" || value === "" || !fits(value, /:/)) return "";
    const was = before.map(({ fields }) => fields[i]).find(Boolean);
    // Dovecot drops a user with an owner that does not exist; a number always does.
    if ((name === "uid" || name === "gid") && value !== was && !/^[1-9][0-9]{0,8}$/.test(value)) return "";
    properties.delete(name);
    return value;
  });
  const extra = takeExtra(
    properties,
    before.flatMap((line) => line.extra),
  );
  return [...fields, extra.join(" ")];
}

function takeExtra(properties: Map<string, unknown>, before: readonly string[]): string[] {
  const last = new Map(before.map(splitToken));
  const extra = before.filter((token) => {
    const [name] = splitToken(token);
    if (name === "nologin") return properties.get("disabled") === true;
    return reservedNames.includes(name) || (properties.has(name) && last.get(name) === properties.get(name));
  });
  for (const token of extra) {
    const [name] = splitToken(token);
    if (!reservedNames.includes(name)) properties.delete(name);
  }
  if (properties.get("disabled") === true) {
    if (!last.has("nologin")) extra.push("nologin");
    properties.delete("disabled");
  }
  for (const [name, value] of properties) {
    if (reservedNames.includes(name) || !(name.startsWith("userdb_") || last.has(name))) continue;
    if (!/^[!-9;<>-~]+$/.test(name) || !(value === true || (typeof value === "string" && fits(value, /\s/)))) continue;
    extra.push(value === true ? name : `${name}=${value}`);
    properties.delete(name);
  }
  return extra;
}

/** Whether text can stand in a field: no separator, no control character, nothing but whole characters. */
function fits(text: string, separator: RegExp): boolean {
  return !separator.test(text) && !/[\p{Cc}\p{Cs}\ufffd]/u.test(text);
}
