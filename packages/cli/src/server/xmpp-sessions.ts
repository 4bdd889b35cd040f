/**
 * What sessions of the test server begin with when they are bound together with the login, and sessions that can be taken up
 * again. As little as a client needs in order to try it. Sources: XEP-0386, XEP-0198 §4, §5, XEP-0280.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Element } from "ltx";
import {
  type BoundSession,
  bind2Server,
  carbonsServer,
  clientStateServer,
  formatJid,
  parseJid,
  resumeServer,
  type ServerInline,
  streamManagementServer,
} from "sasl-xmpp";

/** How long a session that ended can be taken up again. */
const RESUME_MS = 60_000;
/** Sessions that wait for that, and stanzas in each that nobody confirmed. */
const MAX_SESSIONS = 1000;
const MAX_UNCONFIRMED = 100;
/** After so many of them the client is asked. */
const ASK_AFTER = 10;

/** Both counts are modulo 2^32 (XEP-0198 §4). */
const wrap = (count: number): number => count >>> 0;

/** A session under stream management. */
export class ManagedSession {
  readonly id: string = randomBytes(18).toString("base64url");
  /** Full JID. */
  readonly jid: string;
  readonly account: string;
  /** Stanzas of the client that were handled. */
  #handled = 0;
  /** Stanzas that the client confirmed. */
  #confirmed = 0;
  #unconfirmed: Element[] = [];
  carbons = false;
  /** When its stream ended, in milliseconds of `Date.now()`; `undefined` while it goes on. */
  endedAt: number | undefined;
  /** Ends the stream it has, for another that takes its place. */
  replace: () => void = () => {};

  constructor(jid: string, account: string) {
    this.jid = jid;
    this.account = account;
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
    return this.#unconfirmed.length >= MAX_UNCONFIRMED;
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
  }

  /** @returns false for a count of more than was sent (XEP-0198 §4). */
  confirm(h: number): boolean {
    const count = wrap(h - this.#confirmed);
    if (count > this.#unconfirmed.length) return false;
    this.#unconfirmed = this.#unconfirmed.slice(count);
    this.#confirmed = wrap(h);
    return true;
  }
}

/** What a session began with. */
export interface Beginning {
  readonly managed: ManagedSession | undefined;
  readonly carbons: boolean;
  readonly resumed: boolean;
}

/** Sessions between the login and their stream, and those that can be resumed. */
export class Sessions {
  readonly #managed = new Map<string, ManagedSession>();
  readonly #beginning = new Map<string, { managed?: ManagedSession; carbons?: boolean; resumed?: boolean }>();

  /** Inline features, in the order in which they have to be. */
  get inline(): readonly ServerInline[] {
    return [
      resumeServer({ resume: (account, previd, h) => this.#resume(account, previd, h) }),
      bind2Server({
        onBound: ({ jid }) => {
          // Those of logins that failed after all are gone with the next one.
          if (this.#beginning.size >= MAX_SESSIONS) this.#beginning.clear();
          this.#beginning.set(jid, {});
        },
        features: [
          streamManagementServer({ enable: (session, { resume }) => this.#enable(session, resume) }),
          carbonsServer(({ jid }) => {
            this.#beginning.set(jid, { ...this.#beginning.get(jid), carbons: true });
          }),
          clientStateServer(() => {}),
        ],
      }),
    ];
  }

  /** What the session of this JID began with; asked once. */
  begin(jid: string): Beginning {
    const { managed, carbons = false, resumed = false } = this.#beginning.get(jid) ?? {};
    this.#beginning.delete(jid);
    return { managed, carbons, resumed };
  }

  /** Its stream is gone. */
  end(session: ManagedSession): void {
    session.endedAt = Date.now();
    for (const [id, { endedAt }] of this.#managed) {
      if (this.#managed.size > MAX_SESSIONS || (endedAt ?? Date.now()) < Date.now() - RESUME_MS)
        this.#managed.delete(id);
    }
  }

  #enable({ jid, account }: BoundSession, resume: boolean) {
    const managed = new ManagedSession(jid, account);
    this.#beginning.set(jid, { ...this.#beginning.get(jid), managed });
    if (!resume) return {};
    this.#managed.set(managed.id, managed);
    return { id: managed.id, resume: true, max: RESUME_MS / 1000 };
  }

  #resume(account: string, previd: string, h: number) {
    const managed = this.#managed.get(previd);
    if (managed === undefined || managed.account !== account) return undefined;
    const { endedAt } = managed;
    if (endedAt !== undefined && endedAt < Date.now() - RESUME_MS) return undefined;
    if (!managed.confirm(h)) return { failed: "unexpected-request" as const };
    managed.replace(); // XEP-0198 §5: the former stream goes
    managed.endedAt = undefined;
    this.#beginning.set(managed.jid, { managed, carbons: managed.carbons, resumed: true });
    return { jid: managed.jid, h: managed.handled };
  }
}

/** The account of a full JID. */
export function bareOf(jid: string): string {
  const { local, domain } = parseJid(jid) ?? { local: undefined, domain: jid };
  return formatJid({ local, domain });
}
