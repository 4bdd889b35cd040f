/**
 * What every mechanism has to do. Source: the rules in `mechanism.ts`; R-GEN, R-LIM.
 *
 * @module
 */
import type { Mechanism } from "../mechanism.js";
import { objectionToMechanism } from "../plugin-shape.js";
import { Bench } from "./bench.js";
import { type Check, type ComplianceReport, expect, runChecks } from "./checks.js";
import { corruptEveryStep, corruptions } from "./corruption.js";
import { checkAborts, checkDisposal, checkEnd, checkEndless, checkTogether } from "./mechanism-end.js";
import {
  checkProperties,
  checkReplay,
  checkSecrets,
  checkSetPassword,
  checkUnknown,
  checkWrong,
  unknownCredentials,
} from "./mechanism-secrets.js";
import type { MechanismCheckOptions, Subject } from "./mechanism-subject.js";
import { checkData, checkEarly, checkFailure, checkFirst, checkFlow, checkSuccess } from "./mechanism-success.js";
import { freshSeed } from "./random.js";

/**
 * Checks a mechanism against everything the engine and applications count on, and against every corruption of every message.
 *
 * @throws {ComplianceFailure} with all that does not hold, and the seed.
 */
export function checkMechanism(mechanism: Mechanism, options: MechanismCheckOptions): Promise<ComplianceReport> {
  const seed = options.seed ?? freshSeed();
  return runChecks(`mechanism ${mechanism.name}`, mechanismChecks(mechanism, { ...options, seed }), seed);
}

/** The same checks one by one, for test runners that show each: `for (const { name, run } of mechanismChecks(…)) test(name, run)`. */
export function mechanismChecks(mechanism: Mechanism, options: MechanismCheckOptions): readonly Check[] {
  const { seed = freshSeed(), rounds = 3, harmless, wrong } = options;
  let made: Bench | undefined; // late, so that a mechanism without shape fails in a check
  const subject = (): Subject => {
    made ??= new Bench(mechanism, options);
    return { bench: made, mechanism: made.mechanism, options, seed };
  };
  const check = (name: string, work: (subject: Subject) => Promise<void>): Check => ({
    name,
    run: async () => work(subject()),
  });
  const shape = async () => {
    const objection = objectionToMechanism(mechanism);
    expect(objection === undefined, `${objection?.path} ${objection?.what}`);
  };
  const checks: Check[] = [
    { name: "it has the shape of a mechanism", run: shape },
    check("R-GEN-08 R-GEN-09 R-GEN-10 both ends agree on a success, with and without data", checkSuccess),
    check("R-GEN-04 R-GEN-06 an initial response as the flow says", checkFlow),
    check("R-GEN-05 R-GEN-07 the first message where it belongs", checkFirst),
    check("R-GEN-11 success that comes too early is a failure", checkEarly),
    check("R-GEN-13 success with data nobody expects is a failure", checkData),
    check("R-GEN-12 a failure of the protocol is a failure at every step", checkFailure),
    check("R-GEN-14 after the end every call fails and changes nothing", checkEnd),
    check("R-GEN-15 R-LIM-07 exchanges at the same time do not know of each other", checkTogether),
    check("R-GEN-16 R-GEN-17 either end gives up at every step, and a new exchange follows", checkAborts),
    check("R-LIM-01 R-LIM-05 a peer that never comes to an end", checkEndless),
    check("R-GEN-30 nothing that is printed, logged or traced shows a secret", checkSecrets),
    check("every half is let go of, and told once that the exchange is over", checkDisposal),
    check("R-GEN-15 an exchange that is played again is refused where the server has a say in it", checkReplay),
    check("R-CAN-04 the server half works with the properties it declares", checkProperties),
  ];
  if (wrong) {
    checks.push(check("R-GEN-14 R-GEN-31 wrong credentials are refused, and right ones follow", checkWrong));
    const unknown = unknownCredentials(options);
    if (unknown)
      checks.push(check("R-GEN-31 a name nobody has looks like a wrong secret", (at) => checkUnknown(at, unknown)));
  }
  if (mechanism.setPassword) checks.push(check("what it stores for a password is what it needs", checkSetPassword));
  for (const kind of corruptions) {
    const name = `R-LIM-05 R-GEN-32 ${kind} of any message`;
    checks.push(check(name, ({ bench }) => corruptEveryStep(bench, kind, { seed, rounds, harmless })));
    if (!wrong) continue;
    const never = `R-LIM-05 R-GEN-10 ${kind} of any message lets nobody in with wrong credentials`;
    checks.push(check(never, ({ bench }) => corruptEveryStep(bench, kind, { seed, rounds, harmless, wrong })));
  }
  return checks;
}
