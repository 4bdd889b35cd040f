/**
 * IMAP after the login, as much as clients need to look at an INBOX: it can be read and not be changed.
 * Source: RFC 9051 §6.1, §6.3, §6.4; RFC 2177, RFC 2342, RFC 2971, RFC 5161.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isSASLError, type ServerResult } from "sasl-core";
import { type Command, type IMAPConnection, parseStrings } from "sasl-imap";
import type { NodeLineTransport } from "sasl-lines/node";
import { parseItems, parseSet } from "./imap-fetch.js";
import type { Mailbox, Mailboxes } from "./mailbox.js";

/** Capabilities besides those of authentication. */
export const imapCapabilities: readonly string[] = [
  "IMAP4rev1",
  "LITERAL-",
  "IDLE",
  "NAMESPACE",
  "ID",
  "ENABLE",
  "UNSELECT",
  "CHILDREN",
];

type Connection = IMAPConnection<NodeLineTransport>;

/** Serves a connection from the login to its end; for `onAuthenticated` of `IMAPConnection`. */
export function serveMailboxes(mailboxes: Mailboxes): (result: ServerResult, connection: Connection) => Promise<void> {
  return (result, connection) => new MailSession(connection, mailboxes.of(result.authzid)).run();
}

/** A client that does nothing but ask for what there is not. */
const MAX_FAULTS = 100;

class MailSession {
  readonly #connection: Connection;
  readonly #box: Mailbox;
  #selected = false;
  /** What the client has been told: uids by sequence number. */
  #known: number[] = [];
  #faults = 0;

  constructor(connection: Connection, box: Mailbox) {
    this.#connection = connection;
    this.#box = box;
  }

  async run(): Promise<void> {
    while (this.#faults < MAX_FAULTS) {
      const command = await this.#connection.nextCommand();
      if (command === undefined) return;
      await this.#answer(command);
    }
    await this.#write("* BYE Too many commands that are not understood\r\n");
  }

  async #answer(command: Command): Promise<void> {
    const { tag, name } = command;
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (handler === undefined) return this.#bad(tag, "Unknown command");
    const needsSelected = selectedOnly.has(name);
    if (needsSelected && !this.#selected) return this.#bad(tag, "No mailbox is selected");
    return handler.call(this, command);
  }

  #bad(tag: string, text: string): Promise<void> {
    this.#faults++;
    return this.#write(`${tag} BAD ${text}\r\n`);
  }

  /** Latin-1, one octet for each character: mail is octets. A client that is gone is found out about when it is read. */
  async #write(text: string): Promise<void> {
    try {
      await this.#connection.wire.write(Buffer.from(text, "latin1"));
    } catch (error) {
      if (!isSASLError(error)) throw error;
    }
  }

  /** What has changed since the client was last told (RFC 9051 §7.4.1, §7.5.1): said before the tagged response. */
  #news(): string {
    if (!this.#selected) return "";
    const now = this.#box.mails.map(({ uid }) => uid);
    const there = new Set(now);
    let text = "";
    for (let index = this.#known.length - 1; index >= 0; index--) {
      if (!there.has(this.#known[index] as number)) text += `* ${index + 1} EXPUNGE\r\n`;
    }
    const before = this.#known.filter((uid) => there.has(uid)).length;
    if (now.length > before) text += `* ${now.length} EXISTS\r\n`;
    this.#known = now;
    return text;
  }

  done({ tag, name }: Command, text = "Done"): Promise<void> {
    return this.#write(`${this.#news()}${tag} OK ${name} ${text}\r\n`);
  }

  #say({ tag, name }: Command, untagged: string): Promise<void> {
    return this.#write(`${untagged}${tag} OK ${name} Done\r\n`);
  }

  id(command: Command): Promise<void> {
    return this.#say(command, '* ID ("name" "sasl serve")\r\n');
  }

  enable(command: Command): Promise<void> {
    return this.#say(command, "* ENABLED\r\n");
  }

  namespace(command: Command): Promise<void> {
    return this.#say(command, '* NAMESPACE (("" "/")) NIL NIL\r\n');
  }

  list(command: Command): Promise<void> {
    const { name } = command;
    // RFC 9051 §6.3.9: an empty pattern asks for the separator.
    if (/^(?:\([^)]*\) )?\S* *""$/.test(command.arguments))
      return this.#say(command, `* ${name} (\\Noselect) "/" ""\r\n`);
    const pattern = /([^ "()]+|"[^"]*")$/.exec(command.arguments)?.[1]?.replace(/^"|"$/g, "") ?? "";
    const matches = /^[*%]+$|^INBOX[*%]*$/i.test(pattern);
    return this.#say(command, matches ? `* ${name} (\\HasNoChildren) "/" INBOX\r\n` : "");
  }

  status(command: Command): Promise<void> {
    const [, name, items] = /^("[^"]*"|[^ "]+) \(([A-Za-z ]+)\)$/.exec(command.arguments) ?? [];
    if (name === undefined || items === undefined) return this.#bad(command.tag, "STATUS takes a mailbox and items");
    if (!isInbox(name)) return this.#no(command);
    const { mails, nextUid } = this.#box;
    const values: Readonly<Record<string, number>> = {
      MESSAGES: mails.length,
      RECENT: 0,
      UIDNEXT: nextUid,
      UIDVALIDITY,
      UNSEEN: mails.length,
      SIZE: mails.reduce((sum, { octets }) => sum + octets.length, 0),
      DELETED: 0,
    };
    const asked = items
      .toUpperCase()
      .split(" ")
      .filter((item) => Object.hasOwn(values, item));
    return this.#say(command, `* STATUS INBOX (${asked.map((item) => `${item} ${values[item]}`).join(" ")})\r\n`);
  }

  select(command: Command): Promise<void> {
    const { tag, name } = command;
    let mailbox: string | undefined;
    try {
      [mailbox] = parseStrings({ ...command, arguments: command.arguments.replace(/ \([^)]*\)$/, "") });
    } catch {
      return this.#bad(tag, `${name} takes a mailbox`);
    }
    this.#selected = false;
    if (mailbox === undefined || !isInbox(mailbox)) return this.#no(command);
    this.#selected = true;
    const { mails, nextUid } = this.#box;
    this.#known = mails.map(({ uid }) => uid);
    // RFC 9051 §6.3.2; a mailbox that is read-only after SELECT makes some clients give up.
    const access = name.toUpperCase() === "EXAMINE" ? "READ-ONLY" : "READ-WRITE";
    return this.#write(
      `* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* ${mails.length} EXISTS\r\n* 0 RECENT\r\n` +
        `* OK [PERMANENTFLAGS ()] No flags are kept\r\n* OK [UIDVALIDITY ${UIDVALIDITY}] UIDs valid\r\n` +
        `* OK [UIDNEXT ${nextUid}] Next UID\r\n${tag} OK [${access}] ${name} Done\r\n`,
    );
  }

  #no({ tag, name }: Command): Promise<void> {
    this.#faults++;
    return this.#write(`${tag} NO [CANNOT] ${name}: there is INBOX and nothing else\r\n`);
  }

  readOnly({ tag }: Command): Promise<void> {
    return this.#write(`${tag} NO [NOPERM] Nothing can be changed here\r\n`);
  }

  close(command: Command): Promise<void> {
    this.#selected = false;
    return this.done(command);
  }

  search(command: Command): Promise<void> {
    return this.#search(command, command.arguments, (_, index) => index + 1);
  }

  /** Knows ALL and flags, and finds everything for the rest; nobody relies on a test server's search. */
  #search(command: Command, criteria: string, numberOf: (uid: number, index: number) => number): Promise<void> {
    const none =
      /(?:^| )(?:SEEN|DELETED|ANSWERED|FLAGGED|DRAFT|RECENT|NEW)(?: |$)/i.test(criteria) && !/\bNOT\b/i.test(criteria);
    const found = none ? [] : this.#known.map(numberOf);
    return this.#say(command, `* SEARCH${found.map((number) => ` ${number}`).join("")}\r\n`);
  }

  fetch(command: Command): Promise<void> {
    return this.#fetch(command, command.arguments, false);
  }

  uid(command: Command): Promise<void> {
    const [, name, rest = ""] = /^([A-Za-z]+)(?: (.*))?$/.exec(command.arguments) ?? [];
    switch (name?.toUpperCase()) {
      case "FETCH":
        return this.#fetch(command, rest, true);
      case "SEARCH":
        return this.#search(command, rest, (uid) => uid);
      case "STORE":
      case "COPY":
      case "MOVE":
      case "EXPUNGE":
        return this.readOnly(command);
      default:
        return this.#bad(command.tag, "Unknown command");
    }
  }

  async #fetch(command: Command, text: string, byUid: boolean): Promise<void> {
    const [, set, what] = /^([0-9:*,]+) (.+)$/.exec(text) ?? [];
    const numbers = byUid ? this.#known : this.#known.map((_, index) => index + 1);
    const indexes = set === undefined ? undefined : parseSet(set, numbers);
    const items = what === undefined ? undefined : parseItems(what);
    if (indexes === undefined || items === undefined) return this.#bad(command.tag, "FETCH is not understood");
    const mails = new Map(this.#box.mails.map((mail) => [mail.uid, mail]));
    for (const index of indexes) {
      const mail = mails.get(this.#known[index] as number);
      if (mail === undefined) continue;
      const values = items.map((item) => item(mail));
      if (byUid && !values.some((value) => value.startsWith("UID "))) values.unshift(`UID ${mail.uid}`); // RFC 9051 §6.4.9
      await this.#write(`* ${index + 1} FETCH (${values.join(" ")})\r\n`);
    }
    return this.#write(`${command.tag} OK ${command.name} Done\r\n`); // no EXPUNGE here (RFC 9051 §7.5.1)
  }

  async idle({ tag }: Command): Promise<void> {
    await this.#write(`+ idling\r\n${this.#news()}`);
    const stop = this.#box.watch(() => void this.#write(this.#news()));
    try {
      const line = await this.#connection.wire.readLine(MAX_IDLE_LINE_BYTES);
      await this.#write(/^DONE$/i.test(line) ? `${tag} OK IDLE Done\r\n` : `${tag} BAD Expected DONE\r\n`);
    } finally {
      stop();
    }
  }
}

const MAX_IDLE_LINE_BYTES = 1000;
/** The same for one process: mailboxes do not outlive it. */
const UIDVALIDITY = Math.floor(Date.now() / 1000);

function isInbox(name: string): boolean {
  return /^"?INBOX"?$/i.test(name);
}

const selectedOnly: ReadonlySet<string> = new Set([
  "CHECK",
  "CLOSE",
  "UNSELECT",
  "EXPUNGE",
  "SEARCH",
  "FETCH",
  "STORE",
  "COPY",
  "MOVE",
  "UID",
]);

type Handler = (this: MailSession, command: Command) => Promise<void>;

const { prototype } = MailSession;
const handlers: Readonly<Record<string, Handler>> = {
  NOOP: prototype.done,
  CHECK: prototype.done,
  SUBSCRIBE: prototype.done,
  UNSUBSCRIBE: prototype.done,
  ID: prototype.id,
  ENABLE: prototype.enable,
  NAMESPACE: prototype.namespace,
  LIST: prototype.list,
  LSUB: prototype.list,
  STATUS: prototype.status,
  SELECT: prototype.select,
  EXAMINE: prototype.select,
  CLOSE: prototype.close,
  UNSELECT: prototype.close,
  SEARCH: prototype.search,
  FETCH: prototype.fetch,
  UID: prototype.uid,
  IDLE: prototype.idle,
  CREATE: prototype.readOnly,
  DELETE: prototype.readOnly,
  RENAME: prototype.readOnly,
  APPEND: prototype.readOnly,
  STORE: prototype.readOnly,
  COPY: prototype.readOnly,
  MOVE: prototype.readOnly,
  EXPUNGE: prototype.readOnly,
};
