/**
 * For tests of plug-ins, ours and plug-in authors': what every mechanism, canonicaliser and account store has to do, as
 * suites; and an exchange as data, with a runner that plays it to the client, to the server, or to both together. Follows
 * semver. Needs no test framework; what does not fit is thrown.
 *
 * @module
 */
export { type CanonicalizerCheckOptions, canonicalizerChecks, checkCanonicalizer } from "./testing/canonicalizer.js";
export { type Check, ComplianceFailure, type ComplianceReport } from "./testing/checks.js";
export { type Corruption, type CorruptionKind, corruptions } from "./testing/corruption.js";
export { layeredMechanism, type TestLayerOptions, testLayer } from "./testing/layered-mechanism.js";
export { checkMechanism, mechanismChecks } from "./testing/mechanism.js";
export type { MechanismCheckOptions } from "./testing/mechanism-subject.js";
export {
  type PlayedOutcome,
  playToServer,
  type ScriptMessage,
  ScriptMismatch,
  type ScriptOptions,
  scriptedServer,
} from "./testing/script.js";
export { checkStore, storeChecks } from "./testing/store.js";
export type { OpenStore, StoreCheckOptions } from "./testing/store-subject.js";
