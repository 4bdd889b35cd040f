/**
 * What every canonicaliser has to do. Source: `Canonicalizer`; R-CAN-03.
 *
 * @module
 */
import { type CanonicalizeRequest, type CanonicalizeRole, type Canonicalizer, canonicalName } from "../canonicalize.js";
import { isSASLError, SASLFailure } from "../errors.js";
import { encodeUtf8 } from "../internal/text.js";
import { objectionToPlugin } from "../plugin-shape.js";
import type { MaybePromise } from "../runtime/contract.js";
import { type Check, type ComplianceReport, expect, messageOf, runChecks, within } from "./checks.js";
import { hostileNames, unusableNames } from "./names.js";
import { type Chance, chance, freshSeed } from "./random.js";

/** What the suite has to know about a canonicaliser. */
export interface CanonicalizerCheckOptions {
  /** Names and what each of them comes to: at least one. */
  readonly names: Readonly<Record<string, string>>;
  /** Names it has to refuse. */
  readonly refused?: readonly string[] | undefined;
  /** Where names turn up. Default: `imap` at `example.com`, mechanism PLAIN; role and side are tried in turn. */
  readonly request?: Partial<CanonicalizeRequest> | undefined;
  /** What the random names begin with. Default: another one each time. */
  readonly seed?: number | undefined;
  /** How many random names. Default 300. */
  readonly rounds?: number | undefined;
  /** Longest time for one check, in milliseconds. Default 30000. */
  readonly timeoutMs?: number | undefined;
}

const maxOctets = 1024;

/**
 * Checks a canonicaliser against everything `Canonicalizer` promises.
 *
 * @throws {ComplianceFailure} with all that does not hold.
 */
export function checkCanonicalizer(
  canonicalizer: Canonicalizer,
  options: CanonicalizerCheckOptions,
): Promise<ComplianceReport> {
  const seed = options.seed ?? freshSeed();
  const checks = canonicalizerChecks(canonicalizer, { ...options, seed });
  return runChecks(`canonicaliser ${canonicalizer.name}`, checks, seed);
}

/** The same checks one by one, for test runners that show each. */
export function canonicalizerChecks(
  canonicalizer: Canonicalizer,
  options: CanonicalizerCheckOptions,
): readonly Check[] {
  const { names, refused = [], seed = freshSeed(), rounds = 300, timeoutMs = 30_000 } = options;
  const requests = requestsFor(canonicalizer, options.request);
  const check = (name: string, work: (request: CanonicalizeRequest) => Promise<void>): Check => ({
    name,
    run: () =>
      within(
        timeoutMs,
        (async () => {
          for (const request of requests) await work(request);
        })(),
      ),
  });
  const given = [...Object.entries(names).flat(), ...refused];
  const inputs = [...new Set([...given, ...hostileNames, ...randomNames(chance(seed), given, rounds)])];

  return [
    check("it has the shape of a canonicaliser", async () => {
      const objection = objectionToPlugin({ apiVersion: 1, canonicalizers: [canonicalizer] });
      expect(objection === undefined, `${objection?.path} ${objection?.what}`);
      expect(Object.keys(names).length > 0, "there are no `names` to try");
    }),
    check("the names of the table become what they should", async (request) => {
      for (const [name, canonical] of Object.entries(names)) {
        const result = await outcome(canonicalizer, name, request);
        expect(result === canonical, `${quote(name)} becomes ${said(result)} and not ${quote(canonical)}`);
      }
    }),
    check("the names that have to be refused are", async (request) => {
      for (const name of refused) {
        const result = await outcome(canonicalizer, name, request);
        expect(typeof result !== "string", `${quote(name)} becomes ${said(result)} and should be refused`);
      }
    }),
    check("R-CAN-03 every name is refused with a SASL error, or becomes one that stays as it is", async (request) => {
      for (const name of inputs) {
        const result = await outcome(canonicalizer, name, request);
        if (typeof result !== "string") continue;
        expect(usable(result), `${quote(name)} becomes ${said(result)}, which is no name (seed ${seed})`);
        const again = await outcome(canonicalizer, result, request);
        expect(
          again === result,
          `${quote(name)} becomes ${said(result)}, and that becomes ${said(again)} (seed ${seed})`,
        );
      }
    }),
    check("the same name becomes the same each time, also at the same time", async (request) => {
      const once = await Promise.all(inputs.map((name) => outcome(canonicalizer, name, request)));
      for (const [i, name] of inputs.entries()) {
        const again = await outcome(canonicalizer, name, request);
        expect(said(again) === said(once[i]), `${quote(name)} becomes ${said(once[i])}, and then ${said(again)}`);
      }
    }),
    check("R-GEN-20 what is no name does not become one", async (request) => {
      for (const name of unusableNames) {
        // Past the checks of the engine, which come before and after: those are not the canonicaliser's.
        const result = await raw(canonicalizer, name, request);
        const harmless = typeof result !== "string" || result === name || !usable(result);
        expect(harmless, `${quote(name)} becomes ${said(result)}`);
      }
    }),
    check("a name of the greatest length ends in a result or a refusal", async (request) => {
      for (const text of ["a", "\u0301", "\ufdfa", "@", " ", "\u00ad", "\u{1f600}", "A\u030a"]) {
        const name = text.repeat(Math.floor(maxOctets / encodeUtf8(text).length));
        await outcome(canonicalizer, name, request);
      }
    }),
  ];
}

function requestsFor(
  { side }: Canonicalizer,
  given: Partial<CanonicalizeRequest> = {},
): readonly CanonicalizeRequest[] {
  const roles: readonly CanonicalizeRole[] = given.role ? [given.role] : ["authcid", "authzid", "both"];
  const sides = [given.side ?? side ?? (["client", "server"] as const)].flat();
  return roles.flatMap((role) =>
    sides.map((each) =>
      Object.freeze({ mechanism: "PLAIN", service: "imap", host: "example.com", ...given, role, side: each }),
    ),
  );
}

/** What becomes of a name in a server or a client: through the engine, with the checks that are made there. */
function outcome(canonicalizer: Canonicalizer, name: string, request: CanonicalizeRequest) {
  const { role, side, mechanism, service, host } = request;
  const asker = {
    mechanism: { name: mechanism, flow: "either", security: [], source: "" },
    service,
    host,
    checkIdentity,
  } as const;
  return settled(name, () => canonicalName(asker, [canonicalizer], name, role, side));
}

function raw(canonicalizer: Canonicalizer, name: string, request: CanonicalizeRequest) {
  return settled(name, () => canonicalizer.canonicalize(name, request));
}

function checkIdentity(name: string | undefined): void {
  if (name?.includes("\0")) throw new SASLFailure("malformed-message", "an identity holds a NUL");
  if (name?.isWellFormed() && encodeUtf8(name).length > maxOctets) throw new SASLFailure("limit-exceeded", "too long");
}

/** The result, or the code of the refusal. */
async function settled(name: string, work: () => MaybePromise<unknown>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    expect(isSASLError(error), `${quote(name)} leads to ${messageOf(error)}, which is no SASL error`);
    return { refused: error.code };
  }
}

function usable(name: string): boolean {
  return name !== "" && name.isWellFormed() && !name.includes("\0") && encodeUtf8(name).length <= maxOctets;
}

/** Names near the given ones, and names of anything at all; well-formed, not empty, within the bounds. */
function randomNames({ below, pick }: Chance, given: readonly string[], count: number): string[] {
  const alphabet = [
    ..."aZ09@.-_/\\ \t'\"",
    ..."\u00e4\u00df\u0130\u0131\u03a3\u0390\u1e9e\ufb03\ufdfa\u2126\u1100\u1161\u0301\u0327\u0345\u00ad\u200b\u200d\u202e\u3000\u00a0\u05d0\u0627\u06f0\u0660\uff21\u{1f600}\u{1d400}\u{10fffd}",
  ];
  const character = () => (below(3) ? pick(alphabet) : String.fromCodePoint(1 + below(below(2) ? 0x2fff : 0x10ffff)));
  const change = (name: string) => {
    const letters = [...name];
    letters.splice(below(letters.length + 1), below(2), character());
    return letters.join("");
  };
  const made = Array.from({ length: count }, () =>
    below(2) && given.length > 0 ? change(pick(given)) : Array.from({ length: 1 + below(24) }, character).join(""),
  );
  return made.filter(usable);
}

function said(result: unknown): string {
  if (typeof result === "string") return quote(result);
  const { refused } = (result ?? {}) as { refused?: unknown };
  return refused === undefined ? "something that is no text" : `a refusal (${String(refused)})`;
}

function quote(name: string): string {
  const text = JSON.stringify(name).replace(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > 80 ? `${text.slice(0, 80)}… (${name.length} characters)` : text;
}
