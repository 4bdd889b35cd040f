/**
 * Ways to keep passwords that cannot be turned round, for mechanisms that get the password itself: PLAIN and LOGIN.
 *
 * @module
 */
export { type Argon2Options, argon2i, argon2id, argon2idWith } from "./argon2.js";
export { type BcryptOptions, bcrypt, bcryptWith } from "./bcrypt.js";
export { ldapDigest } from "./ldap-digest.js";
export { pbkdf2 } from "./pbkdf2.js";
export { passwordSchemes } from "./schemes.js";
export { sha256Crypt, sha512Crypt } from "./sha-crypt.js";
export { StoredHashError } from "./stored.js";
