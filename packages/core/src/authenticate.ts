/**
 * The loop every application would otherwise write: which mechanism to take, and what to do when one fails.
 * Source: RFC 4422 §3.2, §6.1.2; R-GEN-26, -27, -32.
 *
 * @module
 */
import type { ChannelBinding } from "./channel-binding.js";
import type { ClientOutcome, ClientSettings, SASLMechanism } from "./client.js";
import { isSASLError, type SASLErrorCode, SASLFailure } from "./errors.js";
import type { SASLInterface } from "./interface.js";
import { commonTypes } from "./internal/common-types.js";
import { limitsFrom } from "./limits.js";
import { isMechanismName, type MechanismInfo } from "./mechanism.js";
import { SASLStateMachine, type StateMachineOptions } from "./state-machine.js";
import {
  checkPolicy,
  compareStrength,
  isWeaker,
  layerBounds,
  type MechanismPolicy,
  type Protected,
  type Strength,
  shortcoming,
  strengthOf,
  usualSsf,
} from "./strength.js";

/** What a client accepts. Everything left out takes the safe side. */
export interface ClientPolicy extends MechanismPolicy {
  /** Keep mechanisms that an eavesdropper could use (PLAIN, LOGIN, tokens, CRAM-MD5) off an unprotected channel. Default true; false sends passwords in the clear. */
  readonly requireEncryption?: boolean | undefined;
  /** Nothing weaker than this. Default `anonymous`: everything the application gave credentials for. */
  readonly minStrength?: Strength | undefined;
  /** `prefer` (default): bind where both sides can. `require`: nothing unbound. `disable`: never bind, for a TLS proxy in between. */
  readonly channelBinding?: "disable" | "prefer" | "require" | undefined;
}

/** Options of {@link authenticate}. */
export interface AuthenticateOptions
  extends Omit<ClientSettings, "offered" | "requireEncryption" | "protection">,
    StateMachineOptions {
  readonly policy?: ClientPolicy | undefined;
  /** Strength of the channel's own encryption in bits, where more is known of it. Default 128 for a secure one, else 0. */
  readonly externalSsf?: number | undefined;
  /** `strength` (default) takes the strongest first; `given` takes the caller's own order. */
  readonly order?: "strength" | "given" | undefined;
}

/** A mechanism that was passed over, and why. */
export interface Skipped {
  readonly mechanism: string;
  readonly reason: string;
}

/** What {@link authenticate} established. */
export interface AuthenticationResult extends ClientOutcome {
  readonly skipped: readonly Skipped[];
}

/** One name to try, with the mechanism that can do it. */
export interface Candidate {
  readonly info: MechanismInfo;
  readonly mechanism: SASLMechanism;
}

/** The choice: what would be tried, in order, and why the rest would not. */
export interface Evaluation {
  readonly candidates: readonly Candidate[];
  readonly skipped: readonly Skipped[];
  /** True when both sides bind and the announced types have none in common with this side's. */
  readonly unbindable: boolean;
}

/** Failures that say nothing bad about the peer and after which another mechanism may be tried. */
const harmless: readonly SASLErrorCode[] = ["mechanism-unsupported", "mechanism-too-weak", "no-credentials"];

/**
 * Authenticates with the strongest mechanism both sides accept.
 *
 * Stops on an `AuthenticationFailure` (another mechanism would only repeat wrong credentials) and on every sign of
 * tampering. Goes on after a failure only when the peer did not know the mechanism, found it too weak, or the
 * application had no credentials for it, and then never to a weaker class than the one the peer turned down.
 *
 * @param intf a binding's client, or a server session.
 * @param offered what the server announced, in any order; names that cannot be names are passed over.
 * @param mechanisms with their credentials; the order counts only with `order: "given"`.
 * @throws {AuthenticationFailure} the credentials were turned down.
 * @throws {SASLFailure} everything else. After `peer-not-verified` close the connection without another command.
 * @throws {RangeError} for a policy with a point that is none.
 */
export async function authenticate(
  intf: SASLInterface,
  offered: Iterable<string>,
  mechanisms: readonly SASLMechanism[],
  options: AuthenticateOptions = {},
): Promise<AuthenticationResult> {
  const names = [...offered];
  const { policy = {} } = options;
  const here: EvaluateOptions = { ...options, secure: intf.secure === true, layers: intf.layers === true };
  const evaluation = evaluate(names, mechanisms, here);
  const skipped = [...evaluation.skipped];
  const settings: ClientSettings = {
    ...options,
    requireEncryption: policy.requireEncryption,
    offered: names,
    channelBinding:
      policy.channelBinding !== "disable" && binds(mechanisms) ? bindingOf(mechanisms, options) : undefined,
    protection: layerBounds(policy, channelOf(here), limitsFrom(options.limits).maxLayerBytes),
  };

  /** One exchange; and a last look before success is reported, whether policy got what it wanted (R-GEN-26). */
  let machine: SASLStateMachine;
  const attempt = async (mechanism: SASLMechanism, name: string): Promise<AuthenticationResult> => {
    machine = new SASLStateMachine(intf, options);
    const outcome = await mechanism.authenticate(machine, name, settings);
    if (
      machine.state !== "success" ||
      (policy.require?.includes("mutualAuth") && !outcome.serverVerified) ||
      (policy.channelBinding === "require" && !outcome.channelBinding)
    ) {
      throw new SASLFailure("peer-not-verified", `${name} does not satisfy the policy`);
    }
    return { ...outcome, skipped };
  };

  // A server that binds supports `tls-server-end-point` at least (XEP-0440 §2). One that offers -PLUS and announces nothing
  // this side knows, nor that, is being spoken for: going on unbound is what the attacker wants (R-CBT-03).
  if (
    evaluation.unbindable &&
    policy.channelBinding !== "disable" &&
    !options.serverBindingTypes?.includes("tls-server-end-point") &&
    !options.downgradeProtection?.excuses(settings) // XEP-0474 §7, rule 6
  ) {
    throw new SASLFailure("peer-not-verified", "the binding types are not the server's own");
  }
  let floor: Strength | undefined;
  let failure: SASLFailure | undefined;
  let result: AuthenticationResult | undefined;
  for (const { info, mechanism } of evaluation.candidates) {
    const { name } = info;
    const strength = strengthOf(info);
    if (result || (floor && isWeaker(strength, floor))) {
      skipped.push({
        mechanism: name,
        reason: result ? `${result.mechanism} was taken` : "weaker than one that failed",
      });
      continue;
    }
    try {
      result = await attempt(mechanism, name).catch((error) => {
        // Some have something new to say after a refusal, once.
        const again = isSASLError(error) && mechanism.again?.(error);
        if (again) return attempt(again, name);
        throw error;
      });
    } catch (error) {
      if (!isSASLError(error) || !harmless.includes(error.code)) throw error;
      failure = error as SASLFailure;
      skipped.push({ mechanism: name, reason: error.message });
      // biome-ignore lint/style/noNonNullAssertion: set by the attempt that failed
      if (error.code !== "no-credentials" || machine!.begun) floor = strength; // the server must not be able to push down
    }
  }
  if (result) return result;
  throw Object.assign(failure ?? noneAcceptable(skipped), { skipped });
}

/** Facts about the connection the choice depends on. */
export interface EvaluateOptions extends AuthenticateOptions {
  /** True when the channel has confidentiality from TLS or an equal layer. */
  readonly secure: boolean;
  /** True when a security layer can be put on the channel. Default false. */
  readonly layers?: boolean | undefined;
}

/**
 * The choice alone, without an exchange: for tools that show what would happen.
 *
 * @throws {RangeError} for a policy with a point that is none.
 */
export function evaluate(
  offered: Iterable<string>,
  mechanisms: readonly SASLMechanism[],
  options: EvaluateOptions,
): Evaluation {
  checkPolicy(options.policy);
  const names = new Set(offered);
  const known: Candidate[] = mechanisms
    .flatMap((mechanism) => mechanism.variants.map((info) => ({ info, mechanism })))
    .filter(({ info }) => names.delete(info.name)); // each name once; what stays is not known
  const binding = known.filter(({ info }) => info.channelBinding === true);
  const bindable = binding.some((each) => bindsHere(each, options));
  const unbindable = !bindable && binding.some(({ mechanism }) => bindingOf([mechanism], options)?.types.length);
  const skipped: Skipped[] = [];
  const candidates = known.filter((each) => {
    const reason = objection(each, options, bindable);
    if (reason) skipped.push({ mechanism: each.info.name, reason });
    return !reason;
  });
  for (const mechanism of names) skipped.push({ mechanism, reason: "not among the mechanisms given" });
  if (options.order !== "given") candidates.sort((a, b) => compareStrength(a.info, b.info));
  return { candidates, skipped, unbindable };
}

/** Why a mechanism cannot be used under this policy on this connection; `undefined` when it can. */
function objection(candidate: Candidate, options: EvaluateOptions, bindable: boolean): string | undefined {
  const { info, mechanism } = candidate;
  const { policy = {} } = options;
  const { requireEncryption = true, minStrength, channelBinding } = policy;
  const strength = strengthOf(info);
  if (info.needsProtection && requireEncryption && !options.secure) return "needs an encrypted channel";
  if (minStrength && isWeaker(strength, minStrength)) return `weaker than the minimum, ${minStrength}`;
  const short = shortcoming(info, policy, channelOf(options));
  if (short) return short;
  if (info.needsHost && options.host === undefined) return "needs the server's name";
  if (info.channelBinding) {
    if (channelBinding === "disable") return "channel binding is disabled";
    if (!bindsHere(candidate, options)) return "no channel binding that both sides have";
  } else if (channelBinding === "require") {
    return "channel binding is required";
  } else if (info.bindable && bindable && channelBinding !== "disable") {
    return "the channel can be bound"; // RFC 5802 §6: neither "n" nor "y" would be true
  }
  return mechanism.missing?.(info);
}

function bindsHere({ info, mechanism }: Candidate, options: AuthenticateOptions): boolean {
  const { channelBinding } = info;
  const binding = bindingOf([mechanism], options);
  // One that is bound to a certain type says so in its name, which the server offered.
  if (typeof channelBinding === "string") return binding?.types.includes(channelBinding) === true;
  return channelBinding === true && commonTypes(binding, options.serverBindingTypes).length > 0;
}

function channelOf({ externalSsf, secure, layers = false }: EvaluateOptions): Protected {
  return { externalSsf: externalSsf ?? usualSsf(secure), layers };
}

/** Who brings nothing that binds cannot bind, whatever the channel has: SCRAM says `n` then, not `y` (RFC 5802 §6). */
function binds(mechanisms: readonly SASLMechanism[]): boolean {
  return mechanisms.some(({ variants }) => variants.some((each) => each.channelBinding));
}

/** What the connection can be bound to: as the connection says, or as a mechanism was told. */
function bindingOf(mechanisms: readonly SASLMechanism[], options: AuthenticateOptions): ChannelBinding | undefined {
  return options.channelBinding ?? mechanisms.find((each) => each.channelBinding)?.channelBinding;
}

function noneAcceptable(skipped: readonly Skipped[]): SASLFailure {
  // What cannot be a name is the peer's own text, and stays out of messages.
  const named = skipped.filter(({ mechanism }) => isMechanismName(mechanism)).slice(0, 32);
  const reasons = named.map(({ mechanism, reason }) => `${mechanism}: ${reason}`).join("; ");
  return new SASLFailure("no-common-mechanism", `nothing acceptable is offered (${reasons})`);
}
