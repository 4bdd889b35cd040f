/**
 * XMPP after the login, as much as a chat client needs: a resource is bound, the roster is empty, messages and presence go
 * to whoever of the same server they are for. Sources: RFC 6120 §7, §8; RFC 6121 §2, §4, §5; XEP-0030, XEP-0199.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Element } from "ltx";
import { type AuthenticatedStream, formatJid, NS_CARBONS, NS_CSI, NS_SM, parseJid, type XMLAdapter } from "sasl-xmpp";
import { bareOf, type ManagedSession, type Presence, Sessions } from "./xmpp-sessions.js";

const NS_CLIENT = "jabber:client";
const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";
const NS_SESSION = "urn:ietf:params:xml:ns:xmpp-session";
const NS_ROSTER = "jabber:iq:roster";
const NS_PING = "urn:xmpp:ping";
const NS_DISCO_INFO = "http://jabber.org/protocol/disco#info";
const NS_DISCO_ITEMS = "http://jabber.org/protocol/disco#items";
const NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";

/** Streams of one user at the same time. */
const MAX_RESOURCES = 20;
const MAX_RESOURCE_CHARACTERS = 256;

const NS_FORWARD = "urn:xmpp:forward:0";

/** Features of an authenticated stream: what came with the login is offered no more. */
export function chatFeatures(adapter: XMLAdapter<Element>, resource?: string, managed = false): Element[] {
  const management = managed ? [] : [adapter.create("sm", NS_SM)];
  if (resource !== undefined) return management;
  const optional = adapter.create("optional", NS_SESSION);
  return [adapter.create("bind", NS_BIND), adapter.create("session", NS_SESSION, {}, [optional]), ...management];
}

/** Who is there: streams by bare JID and resource. */
export class Chat {
  readonly sessions: Sessions = new Sessions();
  readonly #users = new Map<string, Map<string, ChatSession>>();

  /** Serves a stream from the login to its end; for `onAuthenticated` of `XMPPConnection`. */
  async serve(stream: AuthenticatedStream<Element>): Promise<void> {
    const session = new ChatSession(stream, this);
    try {
      await session.run();
    } finally {
      this.#forget(stream.jid, session);
    }
  }

  /**
   * Gives a session its full JID; a resource that is taken gets another name (RFC 6120 §7.7.2.2).
   *
   * @param exact it has this resource already, and takes the place of whoever had it.
   */
  bind(session: ChatSession, bare: string, wanted: string, exact = false): string | undefined {
    const sessions = this.#users.get(bare) ?? new Map<string, ChatSession>();
    if (sessions.size >= MAX_RESOURCES && !(exact && sessions.has(wanted))) return undefined;
    const resource = !exact && sessions.has(wanted) ? `${wanted}-${randomUUID()}` : wanted;
    sessions.get(resource)?.replace();
    sessions.set(resource, session);
    this.#users.set(bare, sessions);
    return `${bare}/${resource}`;
  }

  /** Ends the streams that a client had before it came again (XEP-0386 §3.2). */
  supersede(bare: string, client: string): void {
    const sessions = this.#users.get(bare);
    for (const [resource, each] of sessions ?? []) {
      if (each.client !== client) continue;
      sessions?.delete(resource);
      each.supersede();
    }
  }

  /** Streams of an account that want copies of what its others send and get (XEP-0280). */
  copied(bare: string): ChatSession[] {
    return [...(this.#users.get(bare)?.values() ?? [])].filter((each) => each.presence.carbons);
  }

  /** Streams a JID means: one for a full one, all that are available for a bare one (RFC 6121 §8.5). */
  find(to: string): ChatSession[] {
    const jid = parseJid(to);
    const sessions = jid && this.#users.get(formatJid({ local: jid.local, domain: jid.domain }));
    if (sessions === undefined) return [];
    if (jid?.resource === undefined) return [...sessions.values()].filter((each) => each.presence.available);
    const session = sessions.get(jid.resource);
    return session ? [session] : [];
  }

  #forget(bare: string, session: ChatSession): void {
    const sessions = this.#users.get(bare);
    for (const [resource, each] of sessions ?? []) if (each === session) sessions?.delete(resource);
    if (sessions?.size === 0) this.#users.delete(bare);
  }
}

class ChatSession {
  readonly #stream: AuthenticatedStream<Element>;
  readonly #chat: Chat;
  jid: string | undefined;
  presence: Presence = { available: false, carbons: false };
  #managed: ManagedSession | undefined;
  /** Ends the stream: another has its place. */
  readonly replace = (): void => this.#stream.close("conflict");

  constructor(stream: AuthenticatedStream<Element>, chat: Chat) {
    this.#stream = stream;
    this.#chat = chat;
  }

  /** Which of the account's clients it is, where that said so. */
  get client(): string | undefined {
    return this.#stream.userAgent.id;
  }

  /** Ends the stream, and the session. */
  supersede(): void {
    if (this.#managed) this.#chat.sessions.forget(this.#managed);
    this.replace();
  }

  async run(): Promise<void> {
    try {
      await this.#begin();
      for (;;) {
        const stanza = await this.#stream.receive();
        if (stanza === undefined) return;
        await this.#take(stanza);
      }
    } finally {
      // Where another stream took it up, it goes on there.
      if (this.#managed?.detach(this.replace) && this.#stream.left()) this.#chat.sessions.forget(this.#managed);
    }
  }

  /** Sends a stanza of somebody else; a stream that is gone is no fault of his. */
  async deliver(stanza: Element): Promise<void> {
    await this.#send(stanza).catch(() => {});
  }

  /** With SASL2 the resource may be bound, and a session be taken up again, before there is a first stanza. */
  async #begin(): Promise<void> {
    const { jid, resource, userAgent, resumed } = this.#stream;
    if (resource === undefined) return;
    const { managed, carbons = false } = this.#chat.sessions.begin(userAgent);
    this.presence.carbons = carbons;
    if (resumed && managed) return this.#resume(managed);
    if (userAgent.id !== undefined) this.#chat.supersede(jid, userAgent.id);
    if (managed) managed.presence.carbons = carbons;
    if (this.#enter(resource) && managed) this.#manage(managed);
  }

  /** Takes the resource of a session. @returns false where the account has too many. */
  #enter(resource: string): boolean {
    this.jid = this.#chat.bind(this, this.#stream.jid, resource, true);
    if (this.jid === undefined) this.#stream.close("resource-constraint");
    return this.jid !== undefined;
  }

  #manage(managed: ManagedSession): void {
    this.#managed = managed;
    this.presence = managed.presence;
    managed.attach(this.replace);
  }

  /** XEP-0198 §5: what the client did not get goes out again, at once, so that nothing else gets between. */
  async #resume(managed: ManagedSession, ...answer: readonly Element[]): Promise<void> {
    if (!this.#enter(parseJid(managed.jid)?.resource ?? "")) return;
    this.#manage(managed);
    const { adapter } = this.#stream;
    const question = managed.unconfirmed.length > 0 ? [adapter.create("r", NS_SM)] : [];
    const all = [...answer, ...managed.unconfirmed, ...question];
    await Promise.all(all.map((each) => this.#stream.send(each)));
  }

  async #send(stanza: Element): Promise<void> {
    if (this.#managed?.overdue) this.#stream.close("resource-constraint");
    else this.#managed?.keep(stanza);
    await this.#stream.send(stanza);
    // XEP-0198 §4: many clients say what they got only when asked.
    if (this.#managed?.due) await this.#stream.send(this.#stream.adapter.create("r", NS_SM));
  }

  /** XEP-0198 §3 to §5. */
  async #control(element: Element): Promise<void> {
    const { adapter, jid, userAgent, result } = this.#stream;
    const [name, managed] = [adapter.name(element), this.#managed];
    const resource = this.jid === undefined ? undefined : parseJid(this.jid)?.resource;
    const about = { jid, resource, managed: managed !== undefined, userAgent, result };
    const negotiated = await this.#chat.sessions.negotiate(adapter, element, about, this.presence);
    if (negotiated !== undefined) {
      if (resource === undefined && negotiated.managed) return this.#resume(negotiated.managed, negotiated.answer);
      if (negotiated.managed) this.#manage(negotiated.managed);
      return this.#stream.send(negotiated.answer);
    }
    if (managed === undefined) return this.#stream.close("unsupported-stanza-type");
    if (name === "r") return this.#stream.send(adapter.create("a", NS_SM, { h: String(managed.handled) }));
    const h = adapter.attribute(element, "h") ?? "";
    if (name !== "a" || !/^[0-9]{1,10}$/.test(h) || !managed.confirm(Number(h)))
      this.#stream.close("undefined-condition");
  }

  async #take(stanza: Element): Promise<void> {
    const { adapter } = this.#stream;
    const namespace = adapter.namespace(stanza);
    if (namespace === NS_SM) return this.#control(stanza);
    if (namespace === NS_CSI) return;
    this.#managed?.handle();
    switch (namespace === NS_CLIENT && adapter.name(stanza)) {
      case "iq":
        return this.#query(stanza);
      case "message":
        return this.#route(stanza);
      case "presence":
        return this.#presence(stanza);
      default:
        this.#stream.close("unsupported-stanza-type"); // RFC 6120 §4.9.3.24
    }
  }

  async #query(iq: Element): Promise<void> {
    const { adapter, host } = this.#stream;
    const type = adapter.attribute(iq, "type");
    if (type === "result" || type === "error") return this.#route(iq);
    const child = adapter.children(iq).find((each): each is Element => typeof each !== "string");
    const to = adapter.attribute(iq, "to");
    const toServer = to === undefined || to === host || to === this.#stream.jid;
    if (child === undefined || (type !== "get" && type !== "set")) return this.#error(iq, "modify", "bad-request");
    if (adapter.namespace(child) === NS_BIND && type === "set" && toServer) return this.#bind(iq, child);
    if (this.jid === undefined) return this.#error(iq, "auth", "not-authorized"); // RFC 6120 §7.1
    if (!toServer) return this.#route(iq);
    switch (`${type} ${adapter.namespace(child)}`) {
      case `set ${NS_SESSION}`:
      case `get ${NS_PING}`:
      case `set ${NS_ROSTER}`:
        return this.#result(iq);
      case `set ${NS_CARBONS}`:
        this.presence.carbons = adapter.name(child) === "enable";
        return this.#result(iq);
      case `get ${NS_ROSTER}`:
        return this.#result(iq, adapter.create("query", NS_ROSTER));
      case `get ${NS_DISCO_INFO}`:
        return this.#result(iq, this.#info());
      case `get ${NS_DISCO_ITEMS}`:
        return this.#result(iq, adapter.create("query", NS_DISCO_ITEMS));
      default:
        return this.#error(iq, "cancel", "service-unavailable");
    }
  }

  #info(): Element {
    const { adapter } = this.#stream;
    const identity = adapter.create("identity", NS_DISCO_INFO, { category: "server", type: "im", name: "sasl serve" });
    const features = [NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING, NS_CARBONS].map((feature) =>
      adapter.create("feature", NS_DISCO_INFO, { var: feature }),
    );
    return adapter.create("query", NS_DISCO_INFO, {}, [identity, ...features]);
  }

  /** RFC 6120 §7.6, §7.7. */
  #bind(iq: Element, request: Element): Promise<void> {
    const { adapter, jid: bare } = this.#stream;
    if (this.jid !== undefined) return this.#error(iq, "cancel", "not-allowed");
    const wanted = adapter
      .children(request)
      .filter((each): each is Element => typeof each !== "string")
      .find((each) => adapter.name(each) === "resource");
    const resource =
      wanted === undefined
        ? ""
        : adapter
            .children(wanted)
            .filter((each) => typeof each === "string")
            .join("");
    const name = resource === "" ? randomUUID() : parseJid(`${bare}/${resource}`)?.resource;
    if (name === undefined || name.length > MAX_RESOURCE_CHARACTERS) return this.#error(iq, "modify", "bad-request");
    this.jid = this.#chat.bind(this, bare, name);
    if (this.jid === undefined) return this.#error(iq, "wait", "resource-constraint");
    return this.#result(iq, adapter.create("bind", NS_BIND, {}, [adapter.create("jid", NS_BIND, {}, [this.jid])]));
  }

  /** To streams of this server; what is for nobody there is answered as RFC 6121 §8.5 says. */
  async #route(stanza: Element): Promise<void> {
    const { adapter, jid: bare } = this.#stream;
    const name = adapter.name(stanza);
    if (this.jid === undefined) return this.#error(stanza, "auth", "not-authorized");
    const type = adapter.attribute(stanza, "type");
    const targets = this.#chat.find(adapter.attribute(stanza, "to") ?? bare);
    if (targets.length === 0) {
      const answered = type !== "error" && type !== "result";
      return answered ? this.#error(stanza, "cancel", "service-unavailable") : undefined;
    }
    const copy = this.#copy(stanza, name, { from: this.jid }); // RFC 6120 §8.1.2.1: whatever the client wrote
    await Promise.all(targets.map((target) => target.deliver(copy)));
    if (name === "message" && type === "chat") await this.#copyToOthers(copy, targets);
  }

  /** XEP-0280 §6 to §8: to the other streams of both accounts, once each. */
  async #copyToOthers(message: Element, reached: readonly ChatSession[]): Promise<void> {
    const { adapter, jid: own } = this.#stream;
    const to = bareOf(adapter.attribute(message, "to") ?? own);
    const forward = (session: ChatSession, account: string, direction: "sent" | "received") => {
      const forwarded = adapter.create("forwarded", NS_FORWARD, {}, [message]);
      const child = adapter.create(direction, NS_CARBONS, {}, [forwarded]);
      return session.deliver(
        adapter.create("message", NS_CLIENT, { from: account, to: session.jid ?? account, type: "chat" }, [child]),
      );
    };
    const others = (account: string) =>
      this.#chat.copied(account).filter((each) => each !== this && !reached.includes(each));
    await Promise.all(others(to).map((each) => forward(each, to, "received")));
    if (to !== own) await Promise.all(others(own).map((each) => forward(each, own, "sent")));
  }

  async #presence(presence: Element): Promise<void> {
    const { adapter } = this.#stream;
    if (this.jid === undefined) return this.#error(presence, "auth", "not-authorized");
    const type = adapter.attribute(presence, "type");
    if (adapter.attribute(presence, "to") !== undefined) return; // there are no subscriptions, and nobody is told
    if (type === undefined) this.presence.available = true;
    else if (type === "unavailable") this.presence.available = false;
    else return;
    // RFC 6121 §4.2.2: to the user's own available streams, this one among them.
    const targets = this.#chat.find(this.#stream.jid);
    const copy = this.#copy(presence, "presence", { from: this.jid, to: this.#stream.jid });
    await Promise.all(targets.map((target) => target.deliver(copy)));
  }

  #copy(stanza: Element, name: string, changed: Readonly<Record<string, string>>): Element {
    const { adapter } = this.#stream;
    const attributes: Record<string, string> = {};
    for (const key of ["type", "id", "to", "xml:lang"]) {
      const value = adapter.attribute(stanza, key);
      if (value !== undefined) attributes[key] = value;
    }
    return adapter.create(name, NS_CLIENT, { ...attributes, ...changed }, adapter.children(stanza));
  }

  #result(iq: Element, child?: Element): Promise<void> {
    return this.#reply(iq, "result", child ? [child] : []);
  }

  #error(stanza: Element, type: string, condition: string): Promise<void> {
    const { adapter } = this.#stream;
    const error = adapter.create("error", NS_CLIENT, { type }, [adapter.create(condition, NS_STANZAS)]);
    return this.#reply(stanza, "error", [error]);
  }

  #reply(stanza: Element, type: string, children: readonly Element[]): Promise<void> {
    const { adapter } = this.#stream;
    const id = adapter.attribute(stanza, "id");
    const from = adapter.attribute(stanza, "to"); // none: the account answers, and says so by nothing (RFC 6120 §8.1.2.1)
    const attributes = {
      type,
      ...(id !== undefined && { id }),
      ...(from !== undefined && { from }),
      ...(this.jid !== undefined && { to: this.jid }),
    };
    return this.#send(adapter.create(adapter.name(stanza), NS_CLIENT, attributes, children));
  }
}
