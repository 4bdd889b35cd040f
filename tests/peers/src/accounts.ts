/**
 * The accounts every peer has. `bob` and `bobprep` differ in what is stored: `bob` the password as it is typed,
 * `bobprep` the form SASLprep makes of it (U+2011 becomes U+2010, RFC 4013 §2.2). Both are typed the same way.
 *
 * @module
 */

const typed = "p\u00e4ssw\u00f6rd\u2011\u2603";
const prepared = "p\u00e4ssw\u00f6rd\u2010\u2603";

/** An account: what is stored, and what its owner types. */
export interface Account {
  readonly name: string;
  readonly stored: string;
  readonly typed: string;
}

/** The four accounts, in the order in which they are made. */
export const accounts: readonly Account[] = [
  { name: "alice", stored: "correct horse battery staple", typed: "correct horse battery staple" },
  { name: "bob", stored: typed, typed },
  { name: "bobprep", stored: prepared, typed },
  { name: "user", stored: "pencil", typed: "pencil" },
];

/** A password no account has. */
export const wrongPassword = "not the password of anybody";

/** What the owner of an account types. @throws {RangeError} for a name that is not in `accounts`. */
export function passwordOf(name: string): string {
  const account = accounts.find((each) => each.name === name);
  if (account === undefined) throw new RangeError(`no account ${name}`);
  return account.typed;
}
