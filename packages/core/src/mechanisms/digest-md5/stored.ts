/**
 * What accounts keep for DIGEST-MD5: the password, or a hash of it for each realm. Source: RFC 2831 §2.1.2.1, §3.9.
 *
 * @module
 */
import { fromOctetText, toOctetText } from "#runtime";
import type { Account, AccountProperties } from "../../accounts.js";
import { md5 } from "../../digests.js";
import { SASLFailure } from "../../errors.js";
import type { Mechanism } from "../../mechanism.js";
import { secretFrom } from "./computation.js";
import { encodeText, hashedForm } from "./octet-text.js";

/**
 * What stands for a password in one realm, as property `digestMd5Secrets` has it. It does not show the password, but logs in
 * to that realm by itself wherever name and password are the same.
 */
export interface DigestMd5Secret {
  readonly realm: string;
  /** H(username:realm:password), 16 octets: what Dovecot calls `{DIGEST-MD5}`. Secret. */
  readonly secret: Uint8Array;
}

/**
 * The secret of a user for one realm, for property `digestMd5Secrets`.
 *
 * @param username canonical, as it will be sent: it is part of the hash. At least 1 character; so is `password`.
 * @param password prepared as the server prepares it.
 */
export function digestMd5Secret(username: string, realm: string, password: string): DigestMd5Secret {
  return { realm, secret: fromOctetText(secretFrom(hashedForm(username), encodeText(realm, true), password)) };
}

/** The property the secrets are in. */
const property = "digestMd5Secrets";

type Stored = Required<Pick<Mechanism, "properties" | "available" | "setPassword" | "ownSecrets">>;

/** @param realms for which secrets are made; without them the password itself is all there can be. */
export function digestSecrets(realms: readonly string[] | undefined): Stored {
  return {
    properties: ["userPassword", property],
    ownSecrets: [property],
    available: (properties) => properties.userPassword !== undefined || hasSecrets(properties, realms),
    setPassword({ plaintext, name }, password, stored) {
      if (stored.userPassword !== undefined || hasSecrets(stored, realms)) return undefined;
      if (realms !== undefined && name !== undefined) {
        const kept = secretsIn(stored) ?? [];
        const lacking = hashedRealms(realms).filter((realm) => !kept.some((each) => each.realm === realm));
        return { [property]: lacking.map((realm) => digestMd5Secret(name, realm, password)) };
      }
      return plaintext ? { userPassword: password } : undefined;
    },
  };
}

/**
 * The secret an account has for a realm, as octet text.
 *
 * @throws {SASLFailure} `temporary` for a record that is malformed (R-STO-04).
 */
export function storedSecret({ properties }: Account, realm: string): string | undefined {
  const secrets = secretsIn(properties);
  if (secrets === undefined) {
    const detail = `${property} that are no list of realms with 16 octets each`;
    throw new SASLFailure("temporary", "accounts cannot be looked up at present", { detail });
  }
  const found = secrets.find((each) => each.realm === realm);
  return found && toOctetText(found.secret);
}

function hasSecrets(properties: AccountProperties, realms: readonly string[] | undefined): boolean {
  const secrets = secretsIn(properties) ?? [];
  return realms === undefined
    ? secrets.length > 0
    : hashedRealms(realms).every((realm) => secrets.some((each) => each.realm === realm));
}

/** §2.1.2: no realm is hashed as an empty one. */
function hashedRealms(realms: readonly string[]): readonly string[] {
  return realms.length > 0 ? realms : [""];
}

/** What is stored, an empty list for nothing; `undefined` for what cannot be. */
function secretsIn({ [property]: stored = [] }: AccountProperties): readonly DigestMd5Secret[] | undefined {
  if (!Array.isArray(stored)) return undefined;
  const sound = (stored as readonly Partial<DigestMd5Secret>[]).every(
    (each) => typeof each?.realm === "string" && each.secret?.length === md5.size,
  );
  return sound ? stored : undefined;
}
