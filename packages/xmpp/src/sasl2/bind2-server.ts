/**
 * Bind 2 at the server. Source: XEP-0386.
 *
 * @module
 */
import { SASLFailure, type ServerResult } from "sasl-core";
import { textOf, type XMLAdapter } from "../element.js";
import { NS_BIND2 } from "../namespaces.js";
import { onlyChild } from "./children.js";
import type { MaybePromise, ServerAbout, ServerInline, ServerSuccess, UserAgent } from "./contract.js";
import { checkResource, prepareTag, type ResourceRule, randomResources } from "./resource.js";

/** A session that begins. */
export interface BoundSession {
  /** Full JID. */
  readonly jid: string;
  /** Bare JID of the account. */
  readonly account: string;
  readonly resource: string;
  /** What the client calls its software, prepared; untrusted. */
  readonly tag: string | undefined;
  /** Not for others to see (R-SA2-07). */
  readonly userAgent: UserAgent;
  readonly result: ServerResult;
}

/** Something a session can begin with, at the server. */
export interface ServerBindFeature {
  /** The `var` to list it under, its namespace as a rule (XEP-0386 §3.1). Left out: it is not listed. */
  readonly feature?: string | undefined;
  /** Whether a request is one it can serve; throws a SASLError before any mechanism begins. */
  readonly check?: <E>(bind: E, adapter: XMLAdapter<E>) => void;
  /** Children for `bound`, once the resource is bound, in the order in which features were given. */
  readonly bound: <E>(bind: E, session: BoundSession, adapter: XMLAdapter<E>) => MaybePromise<readonly E[]>;
}

/** What {@link bind2Server} may be told. */
export interface Bind2ServerOptions {
  /** Default `randomResources`. For a resource that stays: `stableResources(key)`. */
  readonly resource?: ResourceRule | undefined;
  /**
   * Takes the session over before its features begin: ends earlier ones with the same resource or of the same user agent id
   * of the account, and forgets offline messages, which the client fetches from the archive (XEP-0386 §3.2). What it throws
   * ends the login.
   */
  readonly onBound?: ((session: BoundSession) => MaybePromise<void>) | undefined;
  /** Such as `streamManagementServer(…)` and `carbonsServer(…)`. Default none. What a client asks for beside them is ignored. */
  readonly features?: readonly ServerBindFeature[] | undefined;
}

/**
 * Binds a resource with the login. Give it after `resumeServer(…)`: where that resumed a session, nothing is bound.
 *
 * @throws {TypeError} for two features of the same name.
 */
export function bind2Server(options: Bind2ServerOptions = {}): ServerInline {
  const { resource: rule = randomResources, onBound, features = [] } = options;
  const names = features.flatMap(({ feature }) => feature ?? []);
  if (new Set(names).size < names.length) throw new TypeError("two features for bind have the same name");
  return {
    announce({ adapter }) {
      const list = names.map((name) => adapter.create("feature", NS_BIND2, { var: name }));
      // XEP-0386 §6: `inline` is never empty.
      const inline = list.length > 0 ? [adapter.create("inline", NS_BIND2, {}, list)] : [];
      return [adapter.create("bind", NS_BIND2, {}, inline)];
    },
    async check(about) {
      const { adapter } = about;
      const bind = requestIn(about);
      if (bind === undefined) return;
      await tagIn(adapter, bind);
      for (const each of features) each.check?.(bind, adapter);
    },
    async success<E>(about: ServerSuccess<E>): Promise<readonly E[]> {
      const { adapter, jid: account, userAgent, result } = about;
      const bind = requestIn(about);
      // XEP-0386 §3.2: where a session was resumed, the request is ignored entirely.
      if (bind === undefined || about.resource !== undefined) return [];
      const tag = await tagIn(adapter, bind);
      const resource = await rule(tag, userAgent.id, account);
      await checkResource(resource);
      about.bind(resource);
      const session: BoundSession = { jid: `${account}/${resource}`, account, resource, tag, userAgent, result };
      await onBound?.(session);
      const answers: E[] = [];
      for (const each of features) answers.push(...(await each.bound(bind, session, adapter)));
      return [adapter.create("bound", NS_BIND2, {}, answers)];
    },
  };
}

function requestIn<E>({ adapter, request }: ServerAbout<E>): E | undefined {
  return request && onlyChild(adapter, request, "bind", NS_BIND2);
}

/** What a client calls its software; `undefined` when it does not say. */
async function tagIn<E>(adapter: XMLAdapter<E>, bind: E): Promise<string | undefined> {
  const tag = onlyChild(adapter, bind, "tag", NS_BIND2);
  if (tag === undefined) return undefined;
  const text = textOf(adapter, tag);
  if (text === undefined) throw new SASLFailure("malformed-message", "the tag holds more than text");
  return prepareTag(text);
}
