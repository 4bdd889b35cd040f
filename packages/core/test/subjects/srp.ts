/** SRP with integrity: the initial vectors of encryption are part of no evidence, and what is spoilt there goes unnoticed. */
import { srp } from "../../src/mechanisms/index.js";
import { memoryAccounts } from "../../src/memory-accounts.js";
import { passwordChange } from "../../src/set-password.js";
import { user } from "../support.js";
import { type Subjects, wrongPassword } from "./shared.js";

const { changes } = await passwordChange(user.password, { name: user.username, mechanisms: [srp] });

export const subjects: Subjects = {
  SRP: {
    credentials: user,
    wrong: wrongPassword,
    server: { accounts: memoryAccounts({ [user.username]: changes }), policy: { minSsf: 1, maxSsf: 1 } },
    connection: { layers: true, externalSsf: 0 },
    rounds: 1,
  },
};
