/**
 * Bind 2 at the client: the resource and what a session begins with, asked for together with the login. Source: XEP-0386.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { elementsIn, findChild, isElement, type XMLAdapter } from "../element.js";
import { formatJid, parseJid } from "../jid.js";
import { NS_BIND2, NS_SM } from "../namespaces.js";
import { identifierIn, onlyChild } from "./children.js";
import type { ClientAbout, ClientInline, MaybePromise } from "./contract.js";

/** Something a session can begin with: a feature inside `bind`. `T` is what it finds in `bound`. Holds no state of a login. */
export interface BindFeature<T = unknown> {
  /** The `var` under which a server lists it (XEP-0386 §3.1). Left out: nothing is asked for, it only reads. */
  readonly feature?: string | undefined;
  /** Children for `bind`; asked for where the server lists the feature. */
  readonly request?: <E>(about: ClientAbout<E>) => MaybePromise<readonly E[]>;
  /** Reads `bound`. What it throws ends the login. */
  readonly bound: <E>(bound: E, about: ClientAbout<E>) => MaybePromise<T>;
}

/** What each of them answered, in their order; `undefined` where the server does not list it. */
export type BindAnswers<F extends readonly BindFeature[]> = {
  readonly [K in keyof F]: F[K] extends BindFeature<infer T> ? T | undefined : never;
};

/** A session that is bound. */
export interface Bound<F extends readonly BindFeature[] = readonly BindFeature[]> {
  /** Full JID, normalised. */
  readonly jid: string;
  readonly resource: string;
  readonly answers: BindAnswers<F>;
}

/** What {@link bind2} asks for. */
export interface Bind2Options<F extends readonly BindFeature[]> {
  /**
   * Name of the software, for people. It becomes a part of the resource, which others see: never a host name or anything
   * else about the user (XEP-0386 §4).
   */
  readonly tag?: string | undefined;
  /** Such as `enableStreamManagement()` and `enableCarbons()`. Default none. */
  readonly features?: F | undefined;
}

/**
 * Binds a resource with the login, where the server offers it. Together with `resume()` it is what happens when there is
 * nothing to resume.
 *
 * @returns an inline feature that finds the session; `undefined` when the server does not offer it, resumed a session
 *   instead, or left it undone: then bind the usual way (RFC 6120 §7), unless a session was resumed.
 * @throws {RangeError} for a tag that cannot be a part of a resource.
 */
export function bind2<const F extends readonly BindFeature[] = readonly []>(
  options: Bind2Options<F> = {},
): ClientInline<Bound<F> | undefined> {
  const { tag, features = [] as unknown as F } = options;
  if (tag !== undefined && parseJid(`x/${tag}`) === undefined) throw new RangeError("the tag fits into no resource");
  return {
    async request(about) {
      const { adapter } = about;
      const listed = listedBy(about);
      if (listed === undefined) return [];
      const children = tag === undefined ? [] : [adapter.create("tag", NS_BIND2, {}, [tag])];
      for (const { feature, request } of features) {
        if (request !== undefined && isListed(listed, feature)) children.push(...(await request(about)));
      }
      return [adapter.create("bind", NS_BIND2, {}, children)];
    },
    async success(success, about) {
      const { adapter } = about;
      const bound = onlyChild(adapter, success, "bound", NS_BIND2);
      const listed = listedBy(about);
      if (bound === undefined) return undefined;
      if (listed === undefined)
        throw new SASLFailure("unexpected-message", "the server bound what it was not asked to");
      // XEP-0386 §3.2: a resumed session has its resource already.
      if (findChild(adapter, success, "resumed", NS_SM) !== undefined) {
        throw new SASLFailure("malformed-message", "the server both resumed and bound");
      }
      const jid = identifierIn(adapter, success);
      if (jid?.resource === undefined) throw new SASLFailure("malformed-message", "what is bound is no full JID");
      const answers: unknown[] = [];
      for (const each of features) {
        answers.push(isListed(listed, each.feature) ? await each.bound(bound, about) : undefined);
      }
      return { jid: formatJid(jid), resource: jid.resource, answers: answers as unknown as BindAnswers<F> };
    },
  };
}

/** The features a server lists for `bind`; `undefined` when it does not offer to bind. */
function listedBy<E>({ adapter, inline }: ClientAbout<E>): ReadonlySet<string | undefined> | undefined {
  const bind = inline && findChild(adapter, inline, "bind", NS_BIND2);
  return bind && new Set(featuresIn(adapter, findChild(adapter, bind, "inline", NS_BIND2)));
}

function featuresIn<E>(adapter: XMLAdapter<E>, list: E | undefined): (string | undefined)[] {
  if (list === undefined) return [];
  const features = elementsIn(adapter, list).filter((each) => isElement(adapter, each, "feature", NS_BIND2));
  return features.map((each) => adapter.attribute(each, "var"));
}

/** A feature without a name needs no permission. */
function isListed(listed: ReadonlySet<string | undefined>, feature: string | undefined): boolean {
  return feature === undefined || listed.has(feature);
}
