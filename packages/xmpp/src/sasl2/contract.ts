/**
 * What SASL2 carries beside an exchange: inline features, which travel with `authenticate` and `success`, and tasks, which
 * stand between the mechanism's end and `success`. Source: XEP-0388 §2.3, §2.6.
 *
 * None of them decides who somebody is, and none runs before the mechanism has (R-SA2-13, R-SA2-14).
 *
 * @module
 */
import type { SASLError, SASLMechanism, ServerResult } from "sasl-core";
import type { XMLAdapter } from "../element.js";

/** A value now or later. */
export type MaybePromise<T> = T | Promise<T>;

/** The software at the client's end, for people, and an id that stays (XEP-0388 §2.3). */
export interface UserAgent {
  /** A UUID v4, in lower case; the same for each login of this installation and account (R-SA2-07). */
  readonly id?: string | undefined;
  readonly software?: string | undefined;
  readonly device?: string | undefined;
}

/** What the parts of a client's login can know of it. */
export interface ClientAbout<E> {
  readonly adapter: XMLAdapter<E>;
  /** The `authentication` element of the features, as the server announced it. */
  readonly authentication: E;
  /** Its `inline` child; `undefined` when it has none. */
  readonly inline: E | undefined;
  /** Bare JID that the stream header named. */
  readonly from: string;
  readonly userAgent: UserAgent;
  /** Types that this login may be bound to, strongest first; none where the policy disables it. */
  readonly bindingTypes: readonly string[];
  /** Whether the policy takes no login that is not bound. */
  readonly bindingRequired: boolean;
}

/** An inline feature at the client: holds no state of a login. `T` is what it finds in a success. */
export interface ClientInline<T = unknown> {
  /**
   * A login to try before the usual ones, such as with a token: mechanisms with their credentials, and the names that the
   * server offers for them beside its list. What the server refuses is told to {@link refused}, and the usual ones follow on
   * the same stream.
   */
  readonly before?: <E>(about: ClientAbout<E>) => MaybePromise<ClientBefore | undefined>;
  readonly refused?: (error: SASLError, from: string) => MaybePromise<void>;
  /** Children for `authenticate`, made anew for each attempt; none where the server does not offer it. */
  readonly request: <E>(about: ClientAbout<E>, mechanism: string) => MaybePromise<readonly E[]>;
  /** Reads `success`, once mechanism and tasks are done. What it throws ends the login. */
  readonly success: <E>(success: E, about: ClientAbout<E>, mechanism: string) => MaybePromise<T>;
}

/** See `before` of {@link ClientInline}. */
export interface ClientBefore {
  readonly mechanisms: readonly SASLMechanism[];
  readonly offered: readonly string[];
}

/** What the parts of a server's login can know of it. */
export interface ServerAbout<E> {
  readonly adapter: XMLAdapter<E>;
  /** Domain of the stream. */
  readonly host: string;
  /** The `authenticate` element; `undefined` while features are announced. */
  readonly request: E | undefined;
  /** Its mechanism. */
  readonly mechanism: string | undefined;
  readonly userAgent: UserAgent;
  /** Bare JID in the stream header, not proved; `undefined` when there was none (R-SA2-06). */
  readonly from: string | undefined;
  readonly bindingTypes: readonly string[];
}

/** The same once somebody is authenticated. */
export interface ServerSuccess<E> extends ServerAbout<E> {
  readonly request: E;
  readonly mechanism: string;
  readonly result: ServerResult;
  /** Bare JID of the account. */
  readonly jid: string;
  /** The resource bound so far; {@link bind} sets it, once. */
  readonly resource: string | undefined;
  /**
   * From here on the identity of this stream is a full JID.
   *
   * @param how with `resumed` the stream goes on where another ended, and no features follow (XEP-0198 §9.2).
   */
  bind(resource: string, how?: { readonly resumed: boolean }): void;
}

/** An inline feature at the server. */
export interface ServerInline {
  /** Children of `inline` to announce; none where it cannot be used on this connection. */
  readonly announce: <E>(about: ServerAbout<E>) => MaybePromise<readonly E[]>;
  /** Names of mechanisms that this feature alone offers, beside the list (XEP-0484 §3.1), whose `check` sees that its request is there. No task is due after them (R-FAST-11). */
  readonly mechanisms?: <E>(about: ServerAbout<E>) => MaybePromise<readonly string[]>;
  /** Whether a request is one it can serve; throws a SASLError before any mechanism begins. */
  readonly check?: <E>(about: ServerAbout<E>) => MaybePromise<void>;
  /** The last word before tasks and success, once the mechanism is done: throws a SASLError for who may not come in so. */
  readonly admit?: <E>(about: Omit<ServerSuccess<E>, "bind" | "resource">) => MaybePromise<void>;
  /**
   * Children for `success`, after everything else succeeded, in the order in which features were given. What it throws ends
   * the stream in place of `success`; what features before it did stays done.
   */
  readonly success: <E>(about: ServerSuccess<E>) => MaybePromise<readonly E[]>;
}

/**
 * A task as a conversation. The client's first turn is what `next` holds, every other what a `task-data` holds; each side
 * resumes with the children of what it heard. It ends with the server's return; the client's return says that it has no more
 * to say.
 */
export type TaskConversation<E> = AsyncGenerator<readonly E[], void, readonly E[]>;

/** Time for all tasks of a login where nobody says otherwise, at both ends. @internal */
export const DEFAULT_TASK_TIMEOUT_MS = 300_000;

/** A task a client can perform. */
export interface ClientTask {
  /** Whether it is this one: `UPGR-SCRAM-SHA-256`. */
  readonly handles: (name: string) => boolean;
  /** Children for `authenticate` that ask for it, where one has to ask (XEP-0480 §2.2). */
  readonly request?: <E>(about: ClientAbout<E>, mechanism: string) => MaybePromise<readonly E[]>;
  readonly perform: <E>(name: string, about: ClientAbout<E>) => TaskConversation<E>;
}

/** What a task at the server can know of the login it belongs to. */
export interface TaskAbout<E> extends Omit<ServerSuccess<E>, "bind" | "resource"> {
  /**
   * Aborted when the exchange ends without success: time is up, the client aborts or is gone. Nobody waits for the task
   * then, and it stores nothing any more.
   */
  readonly signal: AbortSignal;
}

/** A task a server may ask for before it says success. */
export interface ServerTask {
  /** As in `tasks`. */
  readonly name: string;
  /** Children of `authentication` that announce it (XEP-0480 §2.1). */
  readonly announce?: <E>(about: ServerAbout<E>) => readonly E[];
  /** Throws a SASLError for a request it cannot serve, before any mechanism begins. Upgrades are held to what is announced anyway. */
  readonly check?: <E>(about: ServerAbout<E>) => MaybePromise<void>;
  /**
   * Whether this login has to perform it. Of those due at the same time with the same `step` the client chooses one; steps
   * follow each other in ascending order. Upgrades (`UPGR-…`) are no choice: each of them has its turn (XEP-0480 §2.2).
   * Asked again after each task, unless this one was performed or not chosen: people take their time.
   */
  readonly due: <E>(about: Omit<ServerSuccess<E>, "bind" | "resource">) => MaybePromise<boolean>;
  /** Default 0; upgrades come last (XEP-0480 §2.2). */
  readonly step?: number | undefined;
  /** For people: why it has to be done. */
  readonly text?: string | undefined;
  /** Hears the children of `next` first. Returns when it is done; throws a SASLError when it failed. */
  readonly perform: <E>(about: TaskAbout<E>, next: readonly E[]) => TaskConversation<E>;
}
