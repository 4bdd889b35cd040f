/**
 * Sessions that can be taken up again, at both ends. Source: draft-burdis-cat-srp-sasl-08 §6.4.
 *
 * A session is here once: it is taken out to be used, so that what was overheard cannot be played again. Only those with
 * integrity are kept, since the first buffer that verifies is all the proof there is when one is taken up.
 *
 * @module
 */
import type { AccountProperties } from "../../accounts.js";
import { sha256 } from "../../digests.js";
import { encodeBase64 } from "../../internal/base64.js";
import { wipe } from "../../internal/bytes.js";
import type { ClientContext } from "../../mechanism.js";
import type { Vectors } from "./layer.js";
import type { Protection } from "./options.js";

/** What both ends keep of a session. */
export interface Session extends Vectors {
  readonly sid: string;
  readonly protection: Protection;
  /** K. Secret. */
  readonly key: Uint8Array;
  readonly peerMaxBuffer: number;
}

/** What a server keeps. */
export interface ServerSession extends Session {
  /** Canonical name of its owner. */
  readonly owner: string;
  /** As the owner asked for it: nothing protects it when a session is taken up, so it stays as it was. */
  readonly authzid: string;
  /** What the account had then. */
  readonly properties: AccountProperties;
}

interface Kept<T> {
  readonly session: T;
  /** On the clock of whoever keeps it. */
  readonly until: number;
}

/** Takes place of the oldest when it is full; forgets what is too old when it is asked for it. */
class Shelf<T extends Session> {
  readonly #max: number;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept<T>>();

  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  keep(id: string, session: T, seconds: number): void {
    this.#drop(id);
    this.#kept.set(id, { session, until: this.#now() + seconds * 1000 });
    if (this.#kept.size > this.#max) this.#drop(this.#kept.keys().next().value as string);
  }

  /** Gives a session away, if it is there, still good, and its taker is the right one. */
  take(id: string, isOwner: (session: T) => boolean): T | undefined {
    const held = this.#kept.get(id);
    if (held === undefined) return undefined;
    if (!(this.#now() < held.until)) {
      this.#drop(id);
      return undefined;
    }
    if (!isOwner(held.session)) return undefined;
    this.#kept.delete(id);
    return held.session;
  }

  clear(): void {
    for (const id of [...this.#kept.keys()]) this.#drop(id);
  }

  #drop(id: string): void {
    const held = this.#kept.get(id);
    if (held) wipe(held.session.key);
    this.#kept.delete(id);
  }
}

/** What a server keeps, for all its exchanges. */
export class ServerSessions {
  readonly seconds: number;
  readonly #shelf: Shelf<ServerSession>;

  constructor(seconds: number, max: number, now: () => number) {
    this.seconds = seconds;
    this.#shelf = new Shelf(max, now);
  }

  keep(session: ServerSession): void {
    this.#shelf.keep(session.sid, session, this.seconds);
  }

  take(sid: string, isOwner: (session: ServerSession) => boolean): ServerSession | undefined {
    return this.#shelf.take(sid, isOwner);
  }

  clear(): void {
    this.#shelf.clear();
  }

  toJSON(): { readonly size: number } {
    return { size: this.#shelf.size };
  }
}

/** Options of {@link SrpSessions}. */
export interface SrpSessionsOptions {
  /** At least 1, default 16. */
  readonly maxEntries?: number | undefined;
  /** The time in milliseconds, for tests. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * Lets a client take up sessions, where servers do: make one, pass it to `SRP`, drop it or `clear()` it when the user
 * leaves. A session is used once, for the same server, user, password and authzid. The oldest leave first.
 */
export class SrpSessions {
  readonly #shelf: Shelf<Session>;
  /** Key of this object alone: a fingerprint made with it says nothing about a password elsewhere. */
  #pepper: Uint8Array | undefined;

  constructor(options: SrpSessionsOptions = {}) {
    const { maxEntries = 16, now = Date.now } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1) throw new RangeError("maxEntries must be an integer from 1");
    this.#shelf = new Shelf(maxEntries, now);
  }

  get size(): number {
    return this.#shelf.size;
  }

  clear(): void {
    this.#shelf.clear();
  }

  /** Shows how many entries there are, and none of them. */
  toJSON(): { readonly size: number } {
    return { size: this.size };
  }

  /** What sessions of this client are found by. @internal */
  async idFor(ctx: ClientContext, username: string, authzid: string, password: Uint8Array): Promise<string> {
    this.#pepper ??= ctx.random(32);
    const fingerprint = encodeBase64(await ctx.hmac(sha256, this.#pepper, password));
    return JSON.stringify([ctx.service ?? null, ctx.host ?? null, ctx.port ?? null, username, authzid, fingerprint]);
  }

  /** @internal */
  keep(id: string, session: Session, seconds: number): void {
    this.#shelf.keep(id, session, seconds);
  }

  /** @internal */
  take(id: string): Session | undefined {
    return this.#shelf.take(id, () => true);
  }
}
