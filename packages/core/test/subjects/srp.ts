/** SRP, with every layer. */
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
    server: { accounts: memoryAccounts({ [user.username]: changes }) },
    rounds: 1,
  },
};
