/**
 * What sessions of the test server begin with when they are bound together with the login, and sessions that can be taken up
 * again, with it or later. As little as a client needs in order to try it. Sources: XEP-0386, XEP-0198 §4, §5, XEP-0280.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Element } from "ltx";
import type { ServerResult } from "sasl-core";
import {
  type BoundSession,
  bind2Server,
  carbonsServer,
  clientStateServer,
  formatJid,
  type ManageableStream,
  parseJid,
  type ResumeServerOptions,
  resumeServer,
  type ServerInline,
  type StreamManagementServerOptions,
  serveStreamManagement,
  streamManagementServer,
  type UserAgent,
  type XMLAdapter,
} from "sasl-xmpp";

/** How long a session that ended can be taken up again. */
const RESUME_MS = 60_000;
/** Sessions that can be resumed: of all accounts, and of one. */
const MAX_SESSIONS = 1000;
const MAX_SESSIONS_OF_ACCOUNT = 20;
/** Stanzas in each that nobody confirmed, and their length altogether, in characters. */
const MAX_UNCONFIRMED = 100;
const MAX_UNCONFIRMED_LENGTH = 1_048_576;
/** After so many of them the client is asked. */
const ASK_AFTER = 10;

/** Both counts are modulo 2^32 (XEP-0198 §4). */
const wrap = (count: number): number => count >>> 0;

/** What a client wants to hear; a stream that goes on where another ended keeps it. */
export interface Presence {
  available: boolean;
  carbons: boolean;
}

/** A session under stream management. */
export class ManagedSession {
  readonly id: string = randomBytes(18).toString("base64url");
  /** Full JID. */
  readonly jid: string;
  readonly account: string;
  readonly presence: Presence;
  /** Stanzas of the client that were handled. */
  #handled = 0;
  /** Stanzas that the client confirmed. */
  #confirmed = 0;
  #unconfirmed: Element[] = [];
  #length = 0;
  #waitsSince: number | undefined = Date.now();
  /** Ends the stream it has. */
  #endStream: (() => void) | undefined;

  constructor(jid: string, account: string, presence: Presence = { available: false, carbons: false }) {
    this.jid = jid;
    this.account = account;
    this.presence = presence;
  }

  /** Since when it has no stream, in milliseconds of `Date.now()`; `undefined` while it has one. */
  get waitsSince(): number | undefined {
    return this.#waitsSince;
  }

  /** Whether it has waited too long. */
  get expired(): boolean {
    return this.#waitsSince !== undefined && this.#waitsSince < Date.now() - RESUME_MS;
  }

  /** Its stream begins. */
  attach(endStream: () => void): void {
    this.#endStream = endStream;
    this.#waitsSince = undefined;
  }

  /** The stream that this ends is gone. @returns false where another has its place. */
  detach(endStream: () => void): boolean {
    if (this.#endStream !== endStream) return false;
    this.#endStream = undefined;
    this.#waitsSince = Date.now();
    return true;
  }

  /** Ends its stream, for another that takes its place. */
  release(): void {
    const endStream = this.#endStream;
    if (endStream === undefined) return;
    this.detach(endStream);
    endStream();
  }

  get handled(): number {
    return this.#handled;
  }

  /** What the client did not confirm, oldest first. */
  get unconfirmed(): readonly Element[] {
    return this.#unconfirmed;
  }

  /** Whether the client says nothing about what it got any more. */
  get overdue(): boolean {
    return this.#unconfirmed.length >= MAX_UNCONFIRMED || this.#length >= MAX_UNCONFIRMED_LENGTH;
  }

  /** Whether to ask it now. */
  get due(): boolean {
    return this.#unconfirmed.length > 0 && this.#unconfirmed.length % ASK_AFTER === 0;
  }

  handle(): void {
    this.#handled = wrap(this.#handled + 1);
  }

  keep(stanza: Element): void {
    this.#unconfirmed.push(stanza);
    this.#length += String(stanza).length;
  }

  /** @returns false for a count of more than was sent (XEP-0198 §4). */
  confirm(h: number): boolean {
    const count = wrap(h - this.#confirmed);
    if (count > this.#unconfirmed.length) return false;
    for (const stanza of this.#unconfirmed.splice(0, count)) this.#length -= String(stanza).length;
    this.#confirmed = wrap(h);
    return true;
  }
}

/** What a session began with. */
export interface Beginning {
  readonly managed?: ManagedSession;
  readonly carbons?: boolean;
}

/** What came of a request for stream management after a login. */
export interface Negotiated {
  /** To send first. */
  readonly answer: Element;
  /** `undefined` where nothing is managed from here on. */
  readonly managed: ManagedSession | undefined;
}

/** Sessions between the login and their stream, and those that can be resumed. */
export class Sessions {
  readonly #managed = new Map<string, ManagedSession>();
  /** What logins asked for, by what each said of its client: an object of its own. */
  readonly #beginning = new WeakMap<UserAgent, Beginning>();
  /** Logins that brought stream management along. */
  readonly #withLogin = new WeakSet<ServerResult>();

  /** Inline features, in the order in which they have to be. */
  get inline(): readonly ServerInline[] {
    const note = (userAgent: UserAgent, more: Beginning) =>
      void this.#beginning.set(userAgent, { ...this.#beginning.get(userAgent), ...more });
    return [
      resumeServer(this.#resuming((managed, userAgent) => note(userAgent, { managed }))),
      bind2Server({
        features: [
          streamManagementServer(
            this.#enabling((managed, { userAgent, result }) => {
              note(userAgent, { managed });
              this.#withLogin.add(result);
            }),
          ),
          carbonsServer(({ userAgent }) => note(userAgent, { carbons: true })),
          clientStateServer(() => {}),
        ],
      }),
    ];
  }

  /** Whether stream management came with this login. */
  managed(result: ServerResult): boolean {
    return this.#withLogin.has(result);
  }

  /** What a login asked for. */
  begin(userAgent: UserAgent): Beginning {
    return this.#beginning.get(userAgent) ?? {};
  }

  /** Answers a client that asks for stream management after its login; `undefined` for anything else. */
  async negotiate(
    adapter: XMLAdapter<Element>,
    element: Element,
    stream: ManageableStream,
    presence: Presence,
  ): Promise<Negotiated | undefined> {
    let managed: ManagedSession | undefined;
    const take = (session: ManagedSession) => {
      managed = session;
    };
    const answers = { ...this.#resuming(take), ...this.#enabling(take, presence) };
    const done = await serveStreamManagement(adapter, element, stream, answers);
    return done && { answer: done.answer, managed };
  }

  /** It is over, and cannot be resumed (XEP-0198 §7). */
  forget(session: ManagedSession): void {
    this.#managed.delete(session.id);
  }

  #enabling(
    take: (managed: ManagedSession, session: BoundSession) => void,
    presence?: Presence,
  ): StreamManagementServerOptions {
    return {
      enable: (session, { resume }) => {
        const managed = new ManagedSession(session.jid, session.account, presence);
        take(managed, session);
        if (!resume || !this.#makeRoom(session.account)) return {};
        this.#managed.set(managed.id, managed);
        return { id: managed.id, resume: true, max: RESUME_MS / 1000 };
      },
    };
  }

  /** For one more: those go that waited longest, of the same account where it has too many. */
  #makeRoom(account: string): boolean {
    for (const each of this.#managed.values()) if (each.expired) this.forget(each);
    const all = [...this.#managed.values()];
    const own = all.filter((each) => each.account === account);
    const crowd = own.length >= MAX_SESSIONS_OF_ACCOUNT ? own : all.length >= MAX_SESSIONS ? all : undefined;
    if (crowd === undefined) return true;
    const since = ({ waitsSince = Number.POSITIVE_INFINITY }: ManagedSession) => waitsSince;
    const oldest = crowd.reduce((a, b) => (since(b) < since(a) ? b : a));
    if (oldest.waitsSince === undefined) return false;
    this.forget(oldest);
    return true;
  }

  #resuming(take: (managed: ManagedSession, userAgent: UserAgent) => void): ResumeServerOptions {
    return {
      resume: (account, previd, h, userAgent) => {
        const managed = this.#managed.get(previd);
        if (managed === undefined || managed.account !== account) return undefined;
        if (managed.expired) return { failed: "item-not-found", h: managed.handled };
        if (!managed.confirm(h)) return { failed: "unexpected-request" };
        managed.release(); // XEP-0198 §5: the former stream goes
        take(managed, userAgent);
        return { jid: managed.jid, h: managed.handled };
      },
    };
  }
}

/** The account of a full JID. */
export function bareOf(jid: string): string {
  const { local, domain } = parseJid(jid) ?? { local: undefined, domain: jid };
  return formatJid({ local, domain });
}
