/**
 * Mail as the test server keeps it: in memory, the newest ones, for as long as the process runs.
 *
 * @module
 */
import type { Buffer } from "node:buffer";

/** One mail. */
export interface Mail {
  /** Unique in its mailbox, ascending (RFC 9051 §2.3.1.1). */
  readonly uid: number;
  readonly received: Date;
  /** Header, empty line and body, with CRLF line ends. */
  readonly octets: Buffer;
}

/** Bounds of everything that is kept. */
export interface MailboxLimits {
  /** Mails in one mailbox; the oldest goes when there are more. Default 100. */
  readonly maxMails: number;
  /** Octets in one mailbox. Default 8388608. */
  readonly maxBytes: number;
  /** Mailboxes; the one unused for longest goes. Default 1000. */
  readonly maxMailboxes: number;
}

const defaultMailboxLimits: MailboxLimits = { maxMails: 100, maxBytes: 8_388_608, maxMailboxes: 1000 };

/** The INBOX of one user. */
export class Mailbox {
  readonly #limits: MailboxLimits;
  readonly #mails: Mail[] = [];
  readonly #watchers = new Set<() => void>();
  #bytes = 0;
  #nextUid = 1;

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
  }

  /** Oldest first: sequence numbers are one above the index. */
  get mails(): readonly Mail[] {
    return this.#mails;
  }

  get nextUid(): number {
    return this.#nextUid;
  }

  /** Takes a mail in, and lets go of the oldest ones where the limits ask for it. */
  add(octets: Buffer): void {
    if (octets.length > this.#limits.maxBytes) return;
    this.#mails.push({ uid: this.#nextUid++, received: new Date(), octets });
    this.#bytes += octets.length;
    while (this.#mails.length > this.#limits.maxMails || this.#bytes > this.#limits.maxBytes) {
      this.#bytes -= (this.#mails.shift() as Mail).octets.length;
    }
    for (const watcher of this.#watchers) watcher();
  }

  /** Calls back after each change. @returns how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  get watched(): boolean {
    return this.#watchers.size > 0;
  }
}

/** All mailboxes, by user name. */
export class Mailboxes {
  readonly #limits: MailboxLimits;
  readonly #boxes = new Map<string, Mailbox>();

  constructor(limits: Partial<MailboxLimits> = {}) {
    this.#limits = { ...defaultMailboxLimits, ...limits };
  }

  /** The mailbox of a user, made when there was none. */
  of(user: string): Mailbox {
    const box = this.#boxes.get(user) ?? new Mailbox(this.#limits);
    this.#boxes.delete(user);
    this.#boxes.set(user, box); // used last
    for (const [name, each] of this.#boxes) {
      if (this.#boxes.size <= this.#limits.maxMailboxes) break;
      if (!each.watched) this.#boxes.delete(name);
    }
    return box;
  }
}
