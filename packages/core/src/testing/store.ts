/**
 * What every account store has to do: the suite for auxiliary property plug-ins. Source: `AccountStore`; R-STO-01, -02,
 * -04, -06.
 *
 * @module
 */
import type { AccountStore } from "../accounts.js";
import { type Check, type ComplianceReport, expect, runChecks, within } from "./checks.js";
import { checkAccounts, checkList, checkNames, checkRemove, checkUnknown, checkUnusable } from "./store-names.js";
import {
  checkAllOrNothing,
  checkChanges,
  checkExpected,
  checkInherited,
  checkRequests,
  checkShapes,
} from "./store-properties.js";
import {
  checkAgain,
  checkClosed,
  checkCounter,
  checkCreators,
  checkPasswords,
  checkUnreachable,
} from "./store-sharing.js";
import type { OpenStore, StoreCheckOptions, Writable } from "./store-subject.js";

/**
 * Checks a store against everything `AccountStore` promises. Made for stores with data of their own for each place.
 *
 * @throws {ComplianceFailure} with all that does not hold.
 */
export function checkStore(open: OpenStore, options: StoreCheckOptions = {}): Promise<ComplianceReport> {
  return runChecks("account store", storeChecks(open, options), 0);
}

/** The same checks one by one, for test runners that show each: `for (const { name, run } of storeChecks(…)) test(name, run)`. */
export function storeChecks(open: OpenStore, options: StoreCheckOptions = {}): readonly Check[] {
  const { timeoutMs = 30_000, readOnly, persistent, password, unreachable } = options;
  const checks: Check[] = [];
  let places = 0;
  const check = (name: string, work: (store: AccountStore, place: string) => Promise<void>) => {
    const run = async () => {
      const place = `check${++places}`;
      const store = await open(place);
      try {
        await within(timeoutMs, work(store, place));
      } finally {
        await store.close?.();
      }
    };
    checks.push({ name, run });
  };
  const writing = (name: string, work: (store: Writable, place: string) => Promise<void>) =>
    check(name, (store, place) => {
      expect(store.store !== undefined, "it has no store(): say readOnly if that is meant");
      return work(store as Writable, place);
    });

  check("R-STO-04 a name nobody has is undefined, and no error", (store) => checkUnknown(store, options));
  check("the accounts that are there are found, with what was asked for", (store) => checkAccounts(store, options));
  if (!readOnly) {
    writing("every shape of a property comes back as it was", (store) => checkShapes(store, options));
    writing("what is asked for is there, and disabled always is", checkRequests);
    writing("only what is named changes, and undefined removes it", checkChanges);
    writing("a change that cannot be written changes nothing", checkAllOrNothing);
    writing("R-STO-06 expected: written only when the account is as expected", checkExpected);
    writing("R-STO-06 of several who create an account one succeeds", (store, place) =>
      checkCreators(store, () => another(place), options),
    );
    writing("R-STO-06 no change of competing writers is lost", (store, place) =>
      checkCounter(store, () => another(place), options),
    );
    writing("remove takes an account with all it has, once", checkRemove);
    writing("list gives every name once", (store) => checkList(store, options));
    writing("R-STO-01 hostile names are names like others", (store) => checkNames(store, options));
    writing("R-STO-01 names that cannot be are never taken for others", (store) => checkUnusable(store));
    writing("R-LIM-04 names of properties reach nothing that is inherited", checkInherited);
    if (persistent)
      writing("what was written is there when it is opened again", (store, place) =>
        checkAgain(store, () => another(place)),
      );
  }
  if (password)
    check("R-STO-02 checkPassword takes the password and nothing else", (store) => checkPasswords(store, password));
  if (unreachable) {
    const run = async () => within(timeoutMs, checkUnreachable(await unreachable(), options));
    checks.push({ name: "R-STO-04 a store that cannot answer throws, and never says unknown", run });
  }
  check("a closed store answers nothing", checkClosed);
  return checks;

  /** The same data through another door, where there is one. */
  async function another(place: string): Promise<AccountStore | undefined> {
    return persistent ? open(place) : undefined;
  }
}
