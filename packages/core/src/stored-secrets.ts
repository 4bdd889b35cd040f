/**
 * What accounts keep for mechanisms that hear the password itself, and for those that need it stored.
 *
 * @module
 */
import type { AccountProperties } from "./accounts.js";
import type { Mechanism } from "./mechanism.js";

type Stored = Required<Pick<Mechanism, "properties" | "available" | "setPassword">>;

/**
 * PLAIN and LOGIN: whatever a password can be compared with. Where there is something of that kind already, a hash beside
 * it would bring nothing: whoever steals the record attacks the weakest of its secrets.
 */
export const clearPasswords: Stored = {
  properties: ["userPassword", "authPassword", "passwordHash"],
  available: (properties, checksPasswords) => checksPasswords || hasSecret(properties),
  async setPassword(ctx, password, stored) {
    if (hasSecret(stored)) return undefined;
    const hash = await ctx.hashPassword(password);
    return hash === undefined ? undefined : { passwordHash: [hash] };
  },
};

/** CRAM-MD5: the password as it is, and only where somebody wanted that. */
export const thePasswordItself: Stored = {
  properties: ["userPassword"],
  available: ({ userPassword }) => userPassword !== undefined,
  setPassword: ({ plaintext }, password, { userPassword }) =>
    plaintext && userPassword === undefined ? { userPassword: password } : undefined,
};

/** Whether an account has anything a password can be compared with. */
export function hasSecret({ userPassword, authPassword, passwordHash }: AccountProperties): boolean {
  return userPassword !== undefined || (authPassword?.length ?? 0) > 0 || (passwordHash?.length ?? 0) > 0;
}
