/**
 * Stream management at the server, with a login and after it. Sessions are the application's: it is asked, and answers.
 * Source: XEP-0198 §3, §5, §9.
 *
 * @module
 */
import { isSASLError, type ServerResult } from "sasl-core";
import type { XMLAdapter } from "../element.js";
import { parseJid } from "../jid.js";
import { NS_SM, NS_STANZAS } from "../namespaces.js";
import type { BoundSession, ServerBindFeature } from "./bind2-server.js";
import { onlyChild, type StanzaCondition } from "./children.js";
import type { MaybePromise, ServerInline, UserAgent } from "./contract.js";
import { booleanIn, numberIn } from "./stream-management-values.js";

/** Why something was not done. */
export interface NotManaged {
  readonly failed: StanzaCondition;
  /** Stanzas handled of a session that is over, modulo 2^32, where that is still known (XEP-0198 §5). */
  readonly h?: number | undefined;
}

/** A session that goes on. */
export interface ResumedSession {
  /** Its full JID. */
  readonly jid: string;
  /** Stanzas handled here, modulo 2^32. */
  readonly h: number;
}

/** What {@link resumeServer} is told. */
export interface ResumeServerOptions {
  /**
   * Takes a session up again: looks for it **among those of this account**, puts this stream in the place of the former, which
   * is closed with `conflict`, and takes what the client handled off the queue (XEP-0198 §5). What it throws ends the login.
   *
   * @param jid bare JID of the account that is authenticated.
   * @param previd untrusted, 1 to 4000 octets; a key for a `Map`, never for a plain object.
   * @param h stanzas the client handled, modulo 2^32; untrusted: it may be more than were sent.
   * @param userAgent of this login.
   * @returns `undefined` for a session nobody knows: `item-not-found`.
   */
  resume(
    jid: string,
    previd: string,
    h: number,
    userAgent: UserAgent,
  ): MaybePromise<ResumedSession | NotManaged | undefined>;
}

const MAX_ID_OCTETS = 4000; // XEP-0198 §5

/**
 * Resumes sessions with the login. Give it before `bind2Server(…)`, which binds when there was nothing to resume. After a
 * session was resumed, no stream features are due (XEP-0198 §9.2).
 */
export function resumeServer(options: ResumeServerOptions): ServerInline {
  return {
    announce: ({ adapter }) => [adapter.create("sm", NS_SM)],
    check({ adapter, request }) {
      if (request !== undefined) onlyChild(adapter, request, "resume", NS_SM);
    },
    async success(about) {
      const { adapter, request, jid, userAgent } = about;
      const wanted = onlyChild(adapter, request, "resume", NS_SM);
      if (wanted === undefined) return [];
      // XEP-0386 §3.2: it comes first, or else there would be two sessions.
      if (about.resource !== undefined) throw new TypeError("resumeServer comes before bind2Server");
      const { answer, resource } = await answerResume(adapter, wanted, { jid, userAgent }, options);
      if (resource !== undefined) about.bind(resource, { resumed: true });
      return [answer];
    },
  };
}

/** What a client would like. */
export interface EnableRequest {
  /** Whether it wants to be able to resume. */
  readonly resume: boolean;
  /** For how long, in seconds, at least 1. */
  readonly max: number | undefined;
}

/** What it gets. */
export interface EnabledSession {
  /** Up to 4000 octets, never used before, and not to be guessed; needed with `resume`. */
  readonly id?: string | undefined;
  readonly resume?: boolean | undefined;
  /** In whole seconds, at least 1. */
  readonly max?: number | undefined;
  /** Host and port to come back to. */
  readonly location?: string | undefined;
}

/** What {@link streamManagementServer} is told. */
export interface StreamManagementServerOptions {
  /** A session to count in. A reason not to is told to the client; what is thrown ends the login. */
  enable(session: BoundSession, request: EnableRequest): MaybePromise<EnabledSession | NotManaged>;
}

/** Stream management for `bind2Server`. */
export function streamManagementServer(options: StreamManagementServerOptions): ServerBindFeature {
  return {
    feature: NS_SM,
    check(bind, adapter) {
      onlyChild(adapter, bind, "enable", NS_SM); // §3: never twice
    },
    async bound(bind, session, adapter) {
      const wanted = onlyChild(adapter, bind, "enable", NS_SM);
      return wanted === undefined ? [] : [await answerEnable(adapter, wanted, session, options)];
    },
  };
}

/** An authenticated stream, for {@link serveStreamManagement}. */
export interface ManageableStream {
  /** Bare JID of the account that is authenticated. */
  readonly jid: string;
  /** `undefined` before a resource is bound. */
  readonly resource: string | undefined;
  /** Whether a session under stream management goes on here. */
  readonly managed: boolean;
  readonly userAgent: UserAgent;
  readonly result: ServerResult;
}

/**
 * Answers a client that asks for stream management after its login, as with SASL1. Announce `sm` among the features of an
 * authenticated stream for it, where nothing is managed yet (XEP-0198 §2). A request out of order fails with
 * `unexpected-request`: to enable before a resource is bound, to resume after that, and either twice (§3, §5).
 *
 * @param element of the namespace of stream management, as the client sent it.
 * @returns `undefined` for an element that is neither `enable` nor `resume`. Otherwise what to send: both ends count from
 *   this element on, so that nothing is sent between it and the change of state. After `resumed` comes what the client did
 *   not handle.
 * @throws what the options throw; RangeError for an answer of theirs that is none. The stream ends then.
 */
export async function serveStreamManagement<E>(
  adapter: XMLAdapter<E>,
  element: E,
  stream: ManageableStream,
  options: StreamManagementServerOptions & ResumeServerOptions,
): Promise<StreamManagementAnswer<E> | undefined> {
  const { jid: account, resource, managed, userAgent, result } = stream;
  const name = adapter.namespace(element) === NS_SM ? adapter.name(element) : undefined;
  if (name !== "enable" && name !== "resume") return undefined;
  if (managed || (name === "enable") !== (resource !== undefined)) {
    return { answer: failure(adapter, { failed: "unexpected-request" }), resource: undefined };
  }
  if (resource === undefined) return answerResume(adapter, element, stream, options);
  const session = { jid: `${account}/${resource}`, account, resource, tag: undefined, userAgent, result };
  return { answer: await answerEnable(adapter, element, session, options), resource: undefined };
}

/** What a client hears. */
export interface StreamManagementAnswer<E> {
  /** `enabled`, `resumed` or `failed`. */
  readonly answer: E;
  /** That of the session which was resumed: it is bound from here on. */
  readonly resource: string | undefined;
}

async function answerResume<E>(
  adapter: XMLAdapter<E>,
  wanted: E,
  { jid: account, userAgent }: Pick<ManageableStream, "jid" | "userAgent">,
  { resume }: ResumeServerOptions,
): Promise<StreamManagementAnswer<E>> {
  const previd = adapter.attribute(wanted, "previd") ?? "";
  const h = orUndefined(() => numberIn(adapter, wanted, "h"));
  const notResumed = (why: NotManaged) => ({ answer: failure(adapter, why), resource: undefined });
  // §6: what is wrong with the request is answered, and the client can still bind.
  if (h === undefined || previd === "" || new TextEncoder().encode(previd).length > MAX_ID_OCTETS) {
    return notResumed({ failed: "bad-request" });
  }
  const answer = (await resume(account, previd, h, userAgent)) ?? { failed: "item-not-found" };
  if ("failed" in answer) return notResumed(answer);
  const session = parseJid(answer.jid);
  const owner = parseJid(account);
  // An id alone proves nothing: whoever is logged in here gets sessions of this account and no others.
  if (session?.resource === undefined || session.local !== owner?.local || session.domain !== owner?.domain) {
    throw new RangeError("the session that was resumed is not of this account");
  }
  const resumed = adapter.create("resumed", NS_SM, { previd, h: count(answer.h) });
  return { answer: resumed, resource: session.resource };
}

async function answerEnable<E>(
  adapter: XMLAdapter<E>,
  wanted: E,
  session: BoundSession,
  { enable }: StreamManagementServerOptions,
): Promise<E> {
  const request = orUndefined(() => readEnable(adapter, wanted));
  const answer = request === undefined ? { failed: "bad-request" as const } : await enable(session, request);
  if ("failed" in answer) return failure(adapter, answer);
  const { id, resume = false, max, location } = answer;
  if (resume && !id) throw new RangeError("a session that can be resumed has an id");
  return adapter.create("enabled", NS_SM, {
    ...(id && { id }),
    ...(resume && { resume: "true" }),
    ...(max !== undefined && { max: count(max, 1) }),
    ...(location && { location }),
  });
}

/** @returns `undefined` for a time of nothing. */
function readEnable<E>(adapter: XMLAdapter<E>, enable: E): EnableRequest | undefined {
  const max = numberIn(adapter, enable, "max");
  return max === 0 ? undefined : { resume: booleanIn(adapter, enable, "resume"), max };
}

function failure<E>(adapter: XMLAdapter<E>, { failed, h }: NotManaged): E {
  const condition = adapter.create(failed, NS_STANZAS);
  return adapter.create("failed", NS_SM, h === undefined ? {} : { h: count(h) }, [condition]);
}

/** A number of the application's, as text. */
function count(value: number, least = 0): string {
  if (!(Number.isInteger(value) && value >= least && value <= 0xffffffff)) {
    throw new RangeError("a count is an integer of 32 bits");
  }
  return String(value);
}

/** What cannot be read is not there. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isSASLError(error)) return undefined;
    throw error;
  }
}
