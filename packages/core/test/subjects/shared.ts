/** Credentials and accounts most subjects share. */
import type { Mechanism } from "../../src/mechanism.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import type { MechanismCheckOptions } from "../../src/testing.js";
import { user } from "../support.js";

/** What the suite has to know about a mechanism. */
export interface Subject extends MechanismCheckOptions {
  /** The mechanism as a server configures it, where the one that is exported cannot serve as it is. */
  readonly configured?: Mechanism;
}

/** What the suite has to know about mechanisms, by their names. */
export type Subjects = Readonly<Record<string, Subject>>;

export const accounts = memoryAccounts({ [user.username]: user.password });
export const wrongPassword = { username: user.username, password: "something else" };

export const password: MechanismCheckOptions = { credentials: user, wrong: wrongPassword, server: { accounts } };
