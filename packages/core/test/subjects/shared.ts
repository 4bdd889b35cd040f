/** Credentials and accounts most subjects share. */
import { memoryAccounts } from "../../src/memory-accounts.js";
import type { MechanismCheckOptions } from "../../src/testing.js";
import { user } from "../support.js";

/** What the suite has to know about mechanisms, by their names. */
export type Subjects = Readonly<Record<string, MechanismCheckOptions>>;

export const accounts = memoryAccounts({ [user.username]: user.password });
export const wrongPassword = { username: user.username, password: "something else" };

export const password: MechanismCheckOptions = { credentials: user, wrong: wrongPassword, server: { accounts } };
