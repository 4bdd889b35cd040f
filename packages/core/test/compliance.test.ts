/** Everything of ours that is a plug-in, under the suites for plug-ins. */
import { describe, test } from "vitest";
import { memoryAccounts } from "../src/memory-accounts.js";
import { storeChecks } from "../src/testing.js";

describe("memoryAccounts", () => {
  for (const { name, run } of storeChecks(() => memoryAccounts())) test(name, run);
});
