/**
 * Which mechanisms a run may use, and what secrets they need.
 *
 * @module
 */
import { type Credentials, clientMechanism, type Mechanism, type SASLMechanism } from "sasl-core";
import { secretOf } from "sasl-core/plugin";
import { type CommandError, usageError } from "../errors.js";
import { knownMechanisms, mechanismNamed, onlyNamed } from "../known-mechanisms.js";
import { nearest } from "../nearest.js";

/** What a run has to offer, before any secret was read. */
export interface Means {
  readonly user: string | undefined;
  readonly hasToken: boolean;
  readonly hasCertificate: boolean;
}

/**
 * The mechanisms named on the command line, in that order; without names all that suit, strongest first: EXTERNAL with a
 * certificate alone, ANONYMOUS for nobody in particular alone, never those that have to be named.
 *
 * @param names as written; `undefined` when none were given.
 * @throws {CommandError} for a name nobody knows, and for a mechanism that asks for more than a command line can give.
 */
export function chooseMechanisms(names: readonly string[] | undefined, means: Means): readonly Mechanism[] {
  if (names !== undefined) return [...new Set(names.map(named))];
  const nobody = means.user === undefined && !means.hasToken && !means.hasCertificate;
  return knownMechanisms.filter((each) => {
    if (whyOnlyNamed(each) !== undefined) return false;
    if (each.needs === "identity") return means.hasCertificate;
    return each.needs === "trace" ? nobody : !nobody;
  });
}

/** Why a client uses a mechanism only when it is named; `undefined` when it needs no naming. */
export function whyOnlyNamed(mechanism: Mechanism): string | undefined {
  if (mechanism.client === undefined) return "this client does not have it";
  if (mechanism.obsolete) return "obsolete: used only when named";
  if (onlyNamed(mechanism)) return "experimental: used only when named";
  // The password that was given is none of a token, a passcode, a key.
  const { needs } = mechanism;
  const own = typeof needs === "object" && needs.secret !== "password";
  return own ? `needs credentials of its own (${needs.kind}): used only when named` : undefined;
}

function named(name: string): Mechanism {
  const found = mechanismNamed(name);
  if (found?.client === undefined) throw unknownMechanism(name, knownMechanisms);
  const lacking = beyondReach(found);
  if (lacking.length === 0) return found;
  const needs = `${found.name} needs ${lacking.join(", ")}`;
  throw usageError(`${needs}, which a command line cannot give; a program logs in with it through sasl-core`);
}

/** Fields of the credentials that no option gives. */
function beyondReach(mechanism: Mechanism): string[] {
  const { needs } = mechanism;
  if (typeof needs !== "object") return [];
  const given: readonly (string | undefined)[] = ["username", "authzid", "token", secretOf(mechanism)];
  return needs.fields.filter((names) => !names.some((name) => given.includes(name))).map((names) => names.join(" or "));
}

/** The error for a mechanism nobody knows. */
export function unknownMechanism(name: string, known: readonly Mechanism[]): CommandError {
  const near = nearest(
    name.toUpperCase(),
    known.map((each) => each.name),
  );
  const advice = near === undefined ? "sasl mechanisms lists them" : `did you mean ${near}?`;
  return usageError(`no mechanism ${JSON.stringify(name.slice(0, 40))} is known; ${advice}`);
}

/** Whether a secret of this kind can be of use; what a person types is a password, whatever a mechanism calls it. */
export function needsSecret(mechanisms: readonly Mechanism[], kind: "password" | "token"): boolean {
  return mechanisms.some((each) => {
    const secret = secretOf(each);
    return secret !== undefined && (kind === "token") === (secret === "token");
  });
}

/**
 * Each mechanism with the credentials, in the same order.
 *
 * @param jid in XMPP the user's bare JID: a bearer token is for an identity to act as, and in XMPP that is a JID
 *   (RFC 7628 §3.1, RFC 6120 §6.3.8).
 */
export function withCredentials(
  mechanisms: readonly Mechanism[],
  credentials: Credentials,
  jid: string | undefined,
): SASLMechanism[] {
  const forTokens = jid === undefined ? credentials : { ...credentials, username: jid };
  return mechanisms.map((each) => {
    const { needs } = each;
    if (needs === "token") return clientMechanism([each], forTokens);
    const secret = secretOf(each);
    const typed = secret === undefined || secret in credentials ? {} : { [secret]: credentials.password };
    return clientMechanism([each], { ...credentials, ...typed });
  });
}
