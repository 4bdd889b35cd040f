/**
 * All schemes, one row each.
 *
 * @module
 */
import type { PasswordScheme } from "sasl-core";
import { argon2i, argon2id } from "./argon2.js";
import { bcrypt } from "./bcrypt.js";
import { ldapDigest } from "./ldap-digest.js";
import { pbkdf2 } from "./pbkdf2.js";
import { sha256Crypt, sha512Crypt } from "./sha-crypt.js";

/** Every scheme of this package, the one for new passwords first. */
export const passwordSchemes: readonly PasswordScheme[] = [
  argon2id,
  bcrypt,
  argon2i,
  sha512Crypt,
  sha256Crypt,
  pbkdf2,
  ldapDigest,
];
