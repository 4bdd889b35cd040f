/**
 * One account at one server: logs in, stays connected, sends and receives messages. Knows nothing of the page.
 *
 * @module
 */
import { isSASLError, type SASLMechanism, type ScramKeyStore } from "sasl-core";
import {
  authenticate,
  bind2,
  type ClientStream,
  enableCarbons,
  type Fast,
  type FastTokenStore,
  fast,
  NS_CARBONS,
  NS_CLIENT,
  parseJid,
  sasl2,
} from "sasl-xmpp";
import { hashSha256, hashSha512, SCRAM } from "sasl-xmpp/mechanisms";
import { domCodec, websocketStream } from "sasl-xmpp/websocket";

const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";
const NS_PING = "urn:xmpp:ping";
const NS_FORWARD = "urn:xmpp:forward:0";

/** Waits between attempts to come back: 1 s, 2 s, 4 s … and then always so long. */
const LONGEST_WAIT_MS = 30_000;
/** How often to ask whether the server is still there, and how long it may take to say so. */
const PING_EVERY_MS = 30_000;
const PING_TIMEOUT_MS = 10_000;

/** Who logs in, and where. */
export interface Account {
  /** Bare JID. */
  readonly address: string;
  /** `wss:`, or `ws:` on this machine. */
  readonly server: string;
}

/** What is kept from one login to the next. The token is as good as a password; the keys cannot be read. */
export interface Kept {
  readonly userAgent: string;
  readonly tokens: FastTokenStore;
  readonly keys: ScramKeyStore;
}

/** How a login went. */
export interface Login {
  /** A token from the last time, or keys that were made of the password, now or earlier. */
  readonly by: "token" | "password" | "keys";
  readonly mechanism: string;
  readonly roundTrips: number;
  readonly milliseconds: number;
}

/** A message, from this account or to it. */
export interface Message {
  readonly id: string;
  /** Bare JID of the other one. */
  readonly peer: string;
  readonly mine: boolean;
  readonly text: string;
}

/** What becomes of the connection. */
export type State =
  | { readonly is: "connecting" }
  | { readonly is: "connected"; readonly login: Login }
  /** `again` is when the next attempt begins, in milliseconds since 1970; without it: as soon as there is a network. */
  | { readonly is: "lost"; readonly again?: number }
  /** Another tab has taken its place. */
  | { readonly is: "elsewhere" }
  /** Over, for a reason that trying again does not mend; or without one, when the user left. */
  | { readonly is: "ended"; readonly error?: unknown };

/** Told what happens. */
export interface SessionEvents {
  state(state: State): void;
  message(message: Message): void;
  /** A message that waited has gone out. */
  sent(id: string): void;
  /** A message did not reach whom it was for. */
  undelivered(id: string): void;
}

/** An element of the browser's own. */
type Xml = Element;

/** Makes elements and reads them with the browser's own parser, never into the page. */
const codec = domCodec<Xml>(new DOMParser(), new XMLSerializer(), document.implementation.createDocument(null, null));
const { create } = codec.adapter;

/** Whether nobody on the way can read along: TLS, or no way at all. Browsers judge pages by the same rule. */
export function isPrivate(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "wss:" || (protocol === "ws:" && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname));
}

/** An account that is logged in, or on its way. */
export class Session {
  readonly account: Account;
  readonly #kept: Kept;
  readonly #events: SessionEvents;
  readonly #token: Fast;
  #stream: ClientStream<Xml> | undefined;
  #state: State = { is: "connecting" };
  #waiting: { readonly id: string; readonly stanza: Xml }[] = [];
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #pong: (() => void) | undefined;

  constructor(account: Account, kept: Kept, events: SessionEvents) {
    this.account = account;
    this.#kept = kept;
    this.#events = events;
    this.#token = fast({ store: kept.tokens });
    window.addEventListener("online", this.#cameOnline);
    window.addEventListener("offline", this.#wentOffline);
  }

  /**
   * Logs in for the first time on this page.
   *
   * @param password left out: what was kept has to do.
   * @throws a SASL error when it cannot; then the session is of no use any more.
   */
  async begin(password?: string): Promise<void> {
    this.#set({ is: "connecting" });
    try {
      await this.#inTurn(() => this.#connect(password));
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Tries to come back now, without waiting. */
  reconnect(): void {
    if (this.#state.is === "lost" || this.#state.is === "elsewhere") void this.#comeBack();
  }

  /** @returns the message; it goes out now, or when the connection is back. */
  send(peer: string, text: string): Message {
    const id = crypto.randomUUID();
    const stanza = create("message", NS_CLIENT, { to: peer, type: "chat", id }, [
      create("body", NS_CLIENT, {}, [text]),
    ]);
    this.#waiting.push({ id, stanza });
    void this.#flush();
    return { id, peer, mine: true, text };
  }

  /** Leaves for good: one more login tells the server to forget the token. What is kept here is the caller's to remove. */
  async logout(): Promise<void> {
    this.end();
    const { userAgent } = this.#kept;
    const stream = this.#open();
    try {
      const profile = sasl2({ userAgent: { id: userAgent }, inline: [this.#token.logout] });
      await authenticate(stream, await stream.open(), [], { sasl2: profile });
    } catch (error) {
      if (isSASLError(error) && error.code === "no-common-mechanism") return; // there is no token
      throw error;
    } finally {
      stream.close();
    }
  }

  /** Ends the connection, and forgets nothing. */
  end(error?: unknown): void {
    window.removeEventListener("online", this.#cameOnline);
    window.removeEventListener("offline", this.#wentOffline);
    clearTimeout(this.#retry);
    this.#disconnect();
    this.#set({ is: "ended", ...(error !== undefined && { error }) });
  }

  #open(): ClientStream<Xml> {
    const { address, server } = this.account;
    const domain = parseJid(address)?.domain ?? "";
    const options = { domain, from: address, secure: isPrivate(server), timeoutMs: 10_000 };
    return websocketStream(new WebSocket(server, "xmpp"), codec, options);
  }

  /** Tabs log in one after the other: a token counts its uses, and the server takes each number once. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    return navigator.locks.request(`log in as ${this.account.address}`, work);
  }

  async #connect(password?: string): Promise<void> {
    if (this.#state.is === "ended") throw new Error("left before it was this tab's turn");
    const stream = this.#open();
    this.#stream = stream;
    const features = await stream.open();
    const { address } = this.account;
    const { userAgent, keys } = this.#kept;
    const bound = bind2({ tag: "web-chat", features: [enableCarbons()] });
    const profile = sasl2({ userAgent: { id: userAgent, software: "Web chat" }, inline: [this.#token, bound] });
    let sent = 0; // in a login each element is answered
    const send = stream.send.bind(stream);
    stream.send = (element) => {
      sent++;
      return send(element);
    };
    const begun = performance.now();
    const result = await authenticate(stream, features, [this.#scram(password)], { sasl2: profile, keyCache: keys });
    await stream.restart();
    if (result.profile === "sasl1") sent++; // a new header
    if (result.inline.get(bound) === undefined) {
      await this.#request("set", create("bind", NS_BIND));
      await this.#request("set", create("enable", NS_CARBONS)).catch(() => {}); // then other devices stay apart
    }
    const login: Login = {
      by: result.inline.get(this.#token)?.used ? "token" : password === undefined ? "keys" : "password",
      mechanism: result.mechanism,
      roundTrips: sent,
      milliseconds: performance.now() - begun,
    };
    if (this.#stream !== stream) throw new Error("left on the way");
    this.#failures = 0;
    void this.#receive(stream, address);
    this.#ping = setInterval(() => void this.#check(), PING_EVERY_MS);
    await stream.send(create("presence", NS_CLIENT));
    this.#set({ is: "connected", login });
    await this.#flush();
  }

  #scram(password: string | undefined): SASLMechanism {
    const username = parseJid(this.account.address)?.local ?? "";
    const hashes = [hashSha512, hashSha256];
    return SCRAM(password === undefined ? { username, keys: "cached" } : { username, password }, { hashes });
  }

  /** Before the session is there nothing else arrives. */
  async #request(type: "get" | "set", child: Xml): Promise<void> {
    const stream = this.#stream as ClientStream<Xml>;
    const id = crypto.randomUUID();
    await stream.send(create("iq", NS_CLIENT, { type, id }, [child]));
    for (;;) {
      const answer = await stream.receive();
      if (answer.localName !== "iq" || answer.getAttribute("id") !== id) continue;
      if (answer.getAttribute("type") === "result") return;
      throw new Error("the server refused a request");
    }
  }

  async #receive(stream: ClientStream<Xml>, own: string): Promise<void> {
    try {
      for (;;) this.#take(await stream.receive(), own);
    } catch (error) {
      if (this.#stream !== stream) return;
      if (!isConflict(error)) return this.#lost();
      this.#disconnect();
      this.#set({ is: "elsewhere" });
    }
  }

  #take(stanza: Xml, own: string): void {
    if (stanza.localName === "iq") this.#answer(stanza);
    if (stanza.localName !== "message") return;
    const copy = child(stanza, "sent", NS_CARBONS) ?? child(stanza, "received", NS_CARBONS);
    // XEP-0280 §11: copies come from the user's own account; anybody else could put words into anybody's mouth.
    if (copy !== undefined && bareOf(stanza.getAttribute("from") ?? own) !== own) return;
    const forwarded = copy && child(copy, "forwarded", NS_FORWARD);
    const message = forwarded ? child(forwarded, "message", NS_CLIENT) : stanza;
    if (message === undefined) return;
    const id = message.getAttribute("id") ?? crypto.randomUUID();
    if (message.getAttribute("type") === "error") {
      this.#events.undelivered(id);
      return;
    }
    const text = child(message, "body", NS_CLIENT)?.textContent;
    if (!text) return;
    const mine = copy?.localName === "sent";
    const peer = bareOf(message.getAttribute(mine ? "to" : "from") ?? own);
    this.#events.message({ id, peer, mine, text });
  }

  /** RFC 6120 §8.2.3: every request gets an answer. */
  #answer(iq: Xml): void {
    const type = iq.getAttribute("type");
    if (type !== "get" && type !== "set") {
      this.#pong?.();
      return;
    }
    const [id, to] = [iq.getAttribute("id"), iq.getAttribute("from")];
    const address = { ...(id !== null && { id }), ...(to !== null && { to }) };
    const error = create("error", NS_CLIENT, { type: "cancel" }, [
      create("service-unavailable", "urn:ietf:params:xml:ns:xmpp-stanzas"),
    ]);
    const isPing = child(iq, "ping", NS_PING) !== undefined;
    const answer = create("iq", NS_CLIENT, { type: isPing ? "result" : "error", ...address }, isPing ? [] : [error]);
    void this.#stream?.send(answer).catch(() => {});
  }

  async #flush(): Promise<void> {
    while (this.#state.is === "connected" && this.#waiting[0] !== undefined) {
      const { id, stanza } = this.#waiting[0];
      try {
        await this.#stream?.send(stanza);
      } catch {
        return;
      }
      this.#waiting.shift();
      this.#events.sent(id);
    }
  }

  /** A connection that is gone is often not noticed before somebody says something. */
  async #check(): Promise<void> {
    const stream = this.#stream;
    const overdue = setTimeout(() => this.#stream === stream && this.#lost(), PING_TIMEOUT_MS);
    this.#pong = () => clearTimeout(overdue);
    const ping = create("iq", NS_CLIENT, { type: "get", id: crypto.randomUUID() }, [create("ping", NS_PING)]);
    await stream?.send(ping).catch(() => {});
  }

  readonly #cameOnline = (): void => {
    if (this.#state.is === "lost") this.reconnect();
  };
  readonly #wentOffline = (): void => {
    if (this.#state.is === "connected") this.#lost();
  };

  #lost(): void {
    this.#disconnect();
    clearTimeout(this.#retry);
    if (!navigator.onLine) {
      this.#set({ is: "lost" });
      return;
    }
    // Not all at the same moment, when a server comes back.
    const wait = Math.min(1000 * 2 ** this.#failures++, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => void this.#comeBack(), wait);
    this.#set({ is: "lost", again: Date.now() + wait });
  }

  async #comeBack(): Promise<void> {
    clearTimeout(this.#retry);
    this.#set({ is: "connecting" });
    try {
      await this.#inTurn(() => this.#connect());
    } catch (error) {
      if (this.#state.is === "ended") return;
      if (mayPass(error)) this.#lost();
      else this.end(error);
    }
  }

  #disconnect(): void {
    clearInterval(this.#ping);
    this.#pong?.();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.close();
  }

  #set(state: State): void {
    this.#state = state;
    this.#events.state(state);
  }
}

/** XEP-0386 §3.2: a client that comes again ends the session it had, and tabs are one client. */
function isConflict(error: unknown): boolean {
  const { condition } = Object(isSASLError(error) ? error.opaqueError : undefined) as { condition?: unknown };
  return condition === "conflict";
}

/** Whether the same may work later. */
function mayPass(error: unknown): boolean {
  return !isSASLError(error) || ["connection-lost", "timed-out", "temporary", "aborted"].includes(error.code);
}

function child(parent: Xml, name: string, namespace: string): Xml | undefined {
  return [...parent.children].find((each) => each.localName === name && each.namespaceURI === namespace);
}

/** The account of any address. */
export function bareOf(address: string): string {
  const jid = parseJid(address);
  if (jid === undefined) return address;
  return jid.local === undefined ? jid.domain : `${jid.local}@${jid.domain}`;
}
