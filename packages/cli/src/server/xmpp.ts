/**
 * XMPP after the login, as much as a chat client needs: a resource is bound, the roster is empty, messages and presence go
 * to whoever of the same server they are for. Sources: RFC 6120 §7, §8; RFC 6121 §2, §4, §5; XEP-0030, XEP-0199.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Element } from "ltx";
import { type AuthenticatedStream, formatJid, parseJid, type XMLAdapter } from "sasl-xmpp";

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

/** Features of an authenticated stream. */
export function chatFeatures(adapter: XMLAdapter<Element>): Element[] {
  const optional = adapter.create("optional", NS_SESSION);
  return [adapter.create("bind", NS_BIND), adapter.create("session", NS_SESSION, {}, [optional])];
}

/** Who is there: streams by bare JID and resource. */
export class Chat {
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

  /** Gives a session its full JID; a resource that is taken gets another name (RFC 6120 §7.7.2.2). */
  bind(session: ChatSession, bare: string, wanted: string): string | undefined {
    const sessions = this.#users.get(bare) ?? new Map<string, ChatSession>();
    if (sessions.size >= MAX_RESOURCES) return undefined;
    const resource = sessions.has(wanted) ? `${wanted}-${randomUUID()}` : wanted;
    sessions.set(resource, session);
    this.#users.set(bare, sessions);
    return `${bare}/${resource}`;
  }

  /** Streams a JID means: one for a full one, all that are available for a bare one (RFC 6121 §8.5). */
  find(to: string): ChatSession[] {
    const jid = parseJid(to);
    const sessions = jid && this.#users.get(formatJid({ local: jid.local, domain: jid.domain }));
    if (sessions === undefined) return [];
    if (jid?.resource === undefined) return [...sessions.values()].filter((each) => each.available);
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
  available = false;

  constructor(stream: AuthenticatedStream<Element>, chat: Chat) {
    this.#stream = stream;
    this.#chat = chat;
  }

  async run(): Promise<void> {
    for (;;) {
      const stanza = await this.#stream.receive();
      if (stanza === undefined) return;
      await this.#take(stanza);
    }
  }

  /** Sends a stanza of somebody else; a stream that is gone is no fault of his. */
  async deliver(stanza: Element): Promise<void> {
    await this.#stream.send(stanza).catch(() => {});
  }

  async #take(stanza: Element): Promise<void> {
    const { adapter } = this.#stream;
    switch (adapter.namespace(stanza) === NS_CLIENT && adapter.name(stanza)) {
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
    const features = [NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING].map((feature) =>
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
  }

  async #presence(presence: Element): Promise<void> {
    const { adapter } = this.#stream;
    if (this.jid === undefined) return this.#error(presence, "auth", "not-authorized");
    const type = adapter.attribute(presence, "type");
    if (adapter.attribute(presence, "to") !== undefined) return; // there are no subscriptions, and nobody is told
    if (type === undefined) this.available = true;
    else if (type === "unavailable") this.available = false;
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
    const { adapter, host } = this.#stream;
    const id = adapter.attribute(stanza, "id");
    const attributes = {
      type,
      ...(id !== undefined && { id }),
      from: adapter.attribute(stanza, "to") ?? host,
      ...(this.jid !== undefined && { to: this.jid }),
    };
    return this.#stream.send(adapter.create(adapter.name(stanza), NS_CLIENT, attributes, children));
  }
}
