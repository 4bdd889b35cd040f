/**
 * The shape a plug-in has to have, one rule for each field: what a program without types may get wrong is told by name,
 * before anything of it is used.
 *
 * @module
 */
import type { Canonicalizer } from "./canonicalize.js";
import type { CredentialKind } from "./credentials.js";
import { type Flow, isMechanismName, type Mechanism, type SecurityFlag } from "./mechanism.js";
import type { AccountStorePlugin, Plugin } from "./plugin-set.js";

/** What is wrong with a value. */
export interface Objection {
  /** Where: `mechanisms[0].flow`; empty for the value itself. */
  readonly path: string;
  /** What is there and what was expected: `is "clientfirst"; expected "client-first", "server-first" or "either"`. */
  readonly what: string;
}

/** What a field must be. */
interface Rule {
  readonly expected: string;
  readonly optional?: boolean;
  fits(value: unknown): boolean;
}

/** Every field there is: one that is forgotten here does not compile. */
type Shape<T> = { readonly [K in keyof Required<T>]: Rule };

const rule = (expected: string, fits: Rule["fits"]): Rule => ({ expected, fits });
const maybe = (given: Rule): Rule => ({ ...given, optional: true });
const oneOf = (values: object): Rule => {
  const names = Object.keys(values);
  return rule(inWords(names), (value) => names.includes(value as string));
};
const listOf = (expected: string, each: Rule, least = 0): Rule =>
  rule(expected, (value) => Array.isArray(value) && value.length >= least && Array.from(value).every(each.fits));

const aFunction: Rule = /* @__PURE__ */ rule("a function", (value) => typeof value === "function");
const aBoolean: Rule = /* @__PURE__ */ rule("true or false", (value) => typeof value === "boolean");
const aText: Rule = /* @__PURE__ */ rule(
  "a text of at least 1 character",
  (value) => typeof value === "string" && value !== "",
);
const anObject: Rule = /* @__PURE__ */ rule("an object", isObject);
const aList: Rule = /* @__PURE__ */ rule("a list", (value) => Array.isArray(value));
const aPattern: Rule = /* @__PURE__ */ rule(
  "a regular expression",
  (value) => Object.prototype.toString.call(value) === "[object RegExp]",
);

const flows: { readonly [K in Flow]: true } = { "client-first": true, "server-first": true, either: true };
const flags: { readonly [K in SecurityFlag]: true } = {
  noPlaintext: true,
  noAnonymous: true,
  noActive: true,
  noDictionary: true,
  forwardSecrecy: true,
  mutualAuth: true,
  passCredentials: true,
};
const kinds: { readonly [K in CredentialKind]: true } = {
  password: true,
  scram: true,
  token: true,
  trace: true,
  identity: true,
};
const sides = { client: true, server: true };

/** Functions, and no constants: bundlers drop them with the loader. */
const mechanismShape = (): Shape<Mechanism> => ({
  name: rule("1 to 20 characters of A-Z, 0-9, - and _", (value) => typeof value === "string" && isMechanismName(value)),
  flow: oneOf(flows),
  security: listOf(`a list of ${inWords(Object.keys(flags))}`, oneOf(flags)),
  source: aText,
  client: maybe(aFunction),
  server: maybe(aFunction),
  possible: maybe(aFunction),
  properties: maybe(listOf("a list of names of properties", aText)),
  ownSecrets: maybe(listOf("a list of names of properties", aText)),
  available: maybe(aFunction),
  setPassword: maybe(aFunction),
  dispose: maybe(aFunction),
  secrets: maybe(aPattern),
  channelBinding: maybe(
    rule("true, false or a type of channel binding", (value) => aBoolean.fits(value) || aText.fits(value)),
  ),
  authzid: maybe(aBoolean),
  needsHost: maybe(aBoolean),
  bindable: maybe(aBoolean),
  needsProtection: maybe(aBoolean),
  obsolete: maybe(aBoolean),
  maxSsf: maybe(rule("a whole number from 0", (value) => Number.isInteger(value) && (value as number) >= 0)),
  rank: maybe(rule("a finite number", Number.isFinite)),
  needs: maybe(
    rule(
      `${oneOf(kinds).expected}, or what credentialNeed() makes`,
      (value) => oneOf(kinds).fits(value) || isNeed(value),
    ),
  ),
});

function isNeed(value: unknown): boolean {
  if (!isObject(value) || !aText.fits(value.kind) || !Array.isArray(value.fields)) return false;
  return value.fields.every((names) => Array.isArray(names) && names.length > 0 && names.every(aText.fits));
}

const canonicalizerShape = (): Shape<Canonicalizer> => ({
  name: aText,
  side: maybe(oneOf(sides)),
  canonicalize: aFunction,
});

const scheme: Rule = /* @__PURE__ */ rule(
  "",
  (value) => typeof value === "string" && /^[a-z][a-z0-9+.-]*$/.test(value),
);

const storeShape = (): Shape<AccountStorePlugin> => ({
  name: aText,
  schemes: listOf("a list of at least 1 URL scheme, in lower case and without the colon", scheme, 1),
  open: aFunction,
});

const pluginShape = (): Shape<Plugin> => ({
  apiVersion: rule("a version of the plug-in contract, such as 1", Number.isInteger),
  mechanisms: maybe(aList),
  canonicalizers: maybe(aList),
  stores: maybe(aList),
  dispose: maybe(aFunction),
});

/** What keeps a value from being a mechanism; `undefined` when nothing does. */
export function objectionToMechanism(value: unknown): Objection | undefined {
  return guarded((at) => objectionIn(value, mechanismShape(), at) ?? halves(value as Mechanism));
}

/** What keeps a value from being a plug-in, as far as that can be seen without using it; the version is not judged. */
export function objectionToPlugin(value: unknown): Objection | undefined {
  return guarded((at) => {
    const objection = objectionIn(value, pluginShape(), at);
    if (objection) return objection;
    const { mechanisms = [], canonicalizers = [], stores = [] } = value as Plugin;
    const parts: readonly [name: string, list: readonly unknown[], shape: Readonly<Record<string, Rule>>][] = [
      ["mechanisms", mechanisms, mechanismShape()],
      ["canonicalizers", canonicalizers, canonicalizerShape()],
      ["stores", stores, storeShape()],
    ];
    for (const [name, list, shape] of parts) {
      for (let i = 0; i < list.length; i++) {
        const path = `${name}[${i}]`;
        at.path = path;
        const part = list[i];
        const wrong =
          objectionIn(part, shape, at, path) ?? (name === "mechanisms" ? halves(part as Mechanism, path) : undefined);
        if (wrong) return wrong;
      }
    }
    if (mechanisms.length + canonicalizers.length + stores.length === 0) {
      return { path: "", what: "brings nothing; expected mechanisms, canonicalizers or stores" };
    }
    return undefined;
  });
}

/** Where reading has got to, for what is thrown there. */
interface Place {
  path: string;
}

/** A getter or a proxy that throws is an objection like any other. */
function guarded(look: (at: Place) => Objection | undefined): Objection | undefined {
  const at: Place = { path: "" };
  try {
    return look(at);
  } catch {
    return { path: at.path, what: "cannot be read: something threw" };
  }
}

function objectionIn(
  value: unknown,
  shape: Readonly<Record<string, Rule>>,
  at: Place,
  path = "",
): Objection | undefined {
  if (!isObject(value)) return { path, what: differs(value, anObject) };
  for (const [name, rule] of Object.entries(shape)) {
    at.path = path === "" ? name : `${path}.${name}`;
    const field = value[name];
    if (field === undefined && rule.optional) continue;
    if (!rule.fits(field)) return { path: at.path, what: differs(field, rule) };
  }
  return undefined;
}

function halves({ client, server }: Mechanism, path = ""): Objection | undefined {
  if (client !== undefined || server !== undefined) return undefined;
  return { path, what: "has neither a client nor a server half; expected at least one" };
}

function differs(value: unknown, { expected }: Rule): string {
  return `${shown(value)}; expected ${expected}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "is null";
  if (typeof value === "string") return `is ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (Array.isArray(value)) {
    const texts = Array.from(value).every((each) => typeof each === "string");
    const list = texts && value.length > 0 ? JSON.stringify(value) : "";
    return `is ${list.length > 0 && list.length <= 80 ? list : `a list of ${value.length}`}`;
  }
  if (typeof value === "object") return "is an object";
  return typeof value === "function" ? "is a function" : `is ${String(value)}`;
}

/** `"a", "b" or "c"`. */
function inWords(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  return [quoted.slice(0, -1).join(", "), quoted.at(-1)].filter(Boolean).join(" or ");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
