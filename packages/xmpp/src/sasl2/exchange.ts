/**
 * One exchange at the server, from `authenticate` to success or failure, with the tasks between the mechanism's end and
 * success. Source: XEP-0388 §2.3 to §2.6.
 *
 * @module
 */
import { isSASLError, SASLFailure, type SASLReply, type ServerResult, saslError } from "sasl-core";
import { elementsIn, isElement, textOf, type XMLAdapter } from "../element.js";
import { formatFailure } from "../errors.js";
import { formatJid, parseJid } from "../jid.js";
import { NS_SASL2, NS_UPGRADE } from "../namespaces.js";
import { DEFAULT_MAX_MESSAGE_BYTES } from "../payload.js";
import { answerable, clientMade, giveUp, reasonOf, type ServedSession, type ServeOptions } from "../server.js";
import { StreamViolation } from "../stream/conditions.js";
import { type ElementTransport, protectWith } from "../transport.js";
import type { ServerAbout, ServerInline, ServerSuccess, ServerTask, UserAgent } from "./contract.js";
import { create, createData, readData, readDataIn } from "./messages.js";
import { parseUserAgent } from "./user-agent.js";

/** Most turns of one task: what `maxSteps` of core is to a mechanism. */
const MAX_TURNS = 20;

/** What an exchange needs to know of its stream. */
export interface ExchangeParts<E> {
  readonly transport: ElementTransport<E>;
  readonly session: ServedSession;
  readonly options: ServeOptions;
  /** What is known of the stream; without a request. */
  readonly stream: ServerAbout<E>;
  /** Bare JID in the stream header; empty when it holds none, which is nobody's. */
  readonly named: string | undefined;
  readonly inline: readonly ServerInline[];
  readonly tasks: readonly ServerTask[];
  readonly strictUserAgent: boolean;
  /** Whether a name was announced on this stream, in the list or by a feature. */
  readonly announced: (mechanism: string) => boolean;
  /** Whether it is a feature's alone: it stands in for a whole login before, tasks and all. */
  readonly reserved: (mechanism: string) => boolean;
  /** Told right before success or continue is sent, the one thing that cannot be taken back (R-SA2-17). */
  readonly committed: () => void;
}

/** How an exchange with SASL2 ended. */
export type SASL2ServeOutcome =
  | {
      readonly ok: true;
      /** Bare JID of the account. */
      readonly jid: string;
      /** The resource an inline feature bound. */
      readonly resource: string | undefined;
      /** An earlier stream goes on: no features are due (XEP-0198 §9.2). */
      readonly resumed: boolean;
      readonly userAgent: UserAgent;
    }
  | { readonly ok: false; readonly error: Parameters<typeof answerable>[0] };

/** What is known once the mechanism is done. */
type Proven<E> = Omit<ServerSuccess<E>, "bind" | "resource">;

/** Runs once. */
export class SASL2Exchange<E> {
  readonly #parts: ExchangeParts<E>;
  #about: (ServerAbout<E> & { readonly request: E; readonly mechanism: string }) | undefined;
  #proven: Proven<E> | undefined;
  #continued = false;
  /** Somebody waits for the client's next element. */
  #reading = false;
  #ended = false;
  /** Tells tasks that nobody waits for them any more. */
  #stop: AbortController | undefined;
  /** Why the stream is lost, where that was found out during a task. */
  #lost: unknown;

  constructor(parts: ExchangeParts<E>) {
    this.#parts = parts;
  }

  /** @throws {StreamViolation} what the stream has to end with; what the transport threw. */
  async run(element: E): Promise<SASL2ServeOutcome> {
    const { transport, session } = this.#parts;
    for (let next = element; ; ) {
      let reply: SASLReply;
      try {
        reply = await this.#take(next);
        if (reply.state === "failure") throw new SASLFailure("aborted", "the client aborted");
      } catch (cause) {
        return this.#fail(cause);
      }
      try {
        if (reply.state === "success") return await this.#succeed(reply.payload);
        await transport.send(createData(transport.adapter, "challenge", reply.payload));
        next = await this.#receive("response", "abort");
      } catch (lost) {
        await giveUp(session, reasonOf(lost));
        throw lost;
      }
    }
  }

  async #fail(cause: unknown): Promise<SASL2ServeOutcome> {
    const { transport, session, options } = this.#parts;
    this.#ended = true;
    this.#stop?.abort();
    const error = isSASLError(cause) ? cause : new SASLFailure("temporary", "the session failed", { cause });
    await giveUp(session, error as SASLFailure);
    if (this.#lost !== undefined) throw this.#lost;
    const text = options.failureText?.(error);
    // R-SA2-13: one condition, and nothing of what the client asked for besides.
    await transport.send(formatFailure(answerable(error), transport.adapter, { ...text, namespace: NS_SASL2 }));
    // Time was up while the client was thinking: what it says now belongs to nothing.
    if (this.#reading) throw new StreamViolation("connection-timeout", "no answer within the time of an exchange");
    return { ok: false, error };
  }

  /** Hands one element to the session. */
  async #take(element: E): Promise<SASLReply> {
    const { transport, session } = this.#parts;
    const { adapter } = transport;
    if (this.#about === undefined) return this.#begin(element);
    if (adapter.name(element) === "abort") {
      await session.abort();
      return { state: "failure" };
    }
    return session.respond(clientMade(() => readData(adapter, element, this.#maxBytes)));
  }

  async #begin(element: E): Promise<SASLReply> {
    const { transport, session, stream, inline, tasks, strictUserAgent, announced } = this.#parts;
    const { adapter } = transport;
    const mechanism = adapter.attribute(element, "mechanism");
    let payload: Uint8Array | undefined;
    try {
      if (!isElement(adapter, element, "authenticate", NS_SASL2)) {
        throw new SASLFailure("unexpected-message", "no exchange is going on");
      }
      if (!transport.secure) throw new SASLFailure("channel-not-protected", "TLS comes first"); // R-SA2-01
      if (mechanism === undefined) throw new SASLFailure("malformed-message", "authenticate names no mechanism");
      payload = clientMade(() => readDataIn(adapter, element, "initial-response", this.#maxBytes));
      const userAgent = parseUserAgent(element, adapter, strictUserAgent);
      if (!announced(mechanism)) throw new SASLFailure("mechanism-unsupported", "not announced on this stream"); // R-SA2-03
      const about = { ...stream, request: element, mechanism, userAgent };
      for (const each of [...inline, ...tasks]) await each.check?.(about);
      // XEP-0388 §2.3, R-UPGR-02: each of what was announced, whichever tasks announced it, and once.
      const offered = new Set(tasks.flatMap((each) => upgradesIn(adapter, each.announce?.(about) ?? [])));
      if (!upgradesIn(adapter, elementsIn(adapter, element)).every((each) => offered.delete(each))) {
        throw new SASLFailure("malformed-message", "an upgrade that is not on offer, or twice");
      }
      this.#about = about;
    } catch (error) {
      const reason = isSASLError(error) ? error : new SASLFailure("temporary", "a feature failed", { cause: error });
      session.refuse?.(mechanism ?? "", reason as SASLFailure);
      throw reason;
    }
    return session.initiate(mechanism, payload);
  }

  /**
   * The mechanism is done: who may come in so, and what has still to be done. Part of the session, which knows nobody until
   * this is over (R-SA2-14).
   *
   * @param waits called when tasks begin.
   */
  async admit(result: ServerResult, data: Uint8Array | undefined, waits: () => void): Promise<void> {
    const { stream, named, inline, tasks, reserved } = this.#parts;
    const about = this.#about;
    if (about === undefined) throw new TypeError("nothing has begun");
    const jid = bareJidOf(result.authzid, stream.host);
    if (named !== undefined && named !== jid) {
      throw saslError("authorization-refused", "not whom the stream header names"); // R-SA2-05
    }
    const proven = { ...about, result, jid };
    for (const each of inline) await each.admit?.(proven);
    // R-FAST-11: nothing interactive after a token.
    let left = reserved(proven.mechanism) ? [] : tasks;
    for (let begun = false; ; begun = true) {
      // Each time anew: a second factor may be set up while somebody is at another task.
      const due: ServerTask[] = [];
      for (const each of left) if (await each.due(proven)) due.push(each);
      const [first] = due.sort((a, b) => stepOf(a) - stepOf(b)); // stable
      if (first === undefined) break;
      if (!begun) waits();
      const step = stepOf(first);
      const choice = isUpgrade(first) ? [first] : due.filter((each) => stepOf(each) === step && !isUpgrade(each));
      await this.#perform(choice, proven, data);
      left = left.filter((each) => !choice.includes(each));
    }
    this.#proven = proven;
  }

  async #perform(choice: readonly ServerTask[], about: Proven<E>, data: Uint8Array | undefined): Promise<void> {
    const { transport } = this.#parts;
    const { adapter } = transport;
    await this.#continue(choice, about.result, data);
    const next = await this.#hear("next", "task-data");
    if (adapter.name(next) !== "next") throw new SASLFailure("unexpected-message", "no task was chosen"); // R-SA2-15
    const name = adapter.attribute(next, "task");
    const task = choice.find((each) => each.name === name);
    if (task === undefined) throw new SASLFailure("mechanism-unsupported", "this task is not offered"); // R-SA2-15
    this.#stop ??= new AbortController();
    const { signal } = this.#stop;
    const talk = task.perform({ ...about, signal }, elementsIn(adapter, next));
    try {
      let turn = await talk.next();
      for (let turns = 0; !turn.done; turns++) {
        if (turns >= MAX_TURNS) throw new SASLFailure("limit-exceeded", "too many messages");
        await this.#say(create(adapter, "task-data", turn.value));
        turn = await talk.next(elementsIn(adapter, await this.#hear("task-data")));
      }
    } finally {
      talk.return().catch(() => {});
    }
  }

  async #continue(choice: readonly ServerTask[], { layer }: ServerResult, data: Uint8Array | undefined): Promise<void> {
    const { transport, committed } = this.#parts;
    const { adapter } = transport;
    if (this.#ended) throw new SASLFailure("aborted", "the exchange is over"); // no layer without its continue
    const first = !this.#continued;
    const names = choice.map(({ name }) => create(adapter, "task", [name]));
    const text = choice.find((each) => each.text !== undefined)?.text;
    const children = [create(adapter, "tasks", names)];
    if (first && data !== undefined) children.unshift(createData(adapter, "additional-data", data));
    if (text !== undefined) children.push(create(adapter, "text", [text]));
    this.#continued = true;
    if (first) committed();
    const sent = this.#say(create(adapter, "continue", children));
    if (first && layer) protectWith(transport, layer); // R-SA2-19
    await sent;
  }

  /** For tasks: a stream that is lost is remembered, and the session learns why. */
  async #say(element: E): Promise<void> {
    if (this.#ended) throw new SASLFailure("aborted", "the exchange is over");
    try {
      await this.#parts.transport.send(element);
    } catch (lost) {
      throw this.#loses(lost);
    }
  }

  async #hear(...names: readonly string[]): Promise<E> {
    if (this.#ended) throw new SASLFailure("aborted", "the exchange is over");
    let element: E;
    try {
      element = await this.#receive(...names, "abort");
    } catch (lost) {
      throw this.#loses(lost);
    }
    if (this.#parts.transport.adapter.name(element) === "abort") throw new SASLFailure("aborted", "the client aborted");
    return element;
  }

  #loses(lost: unknown): SASLFailure {
    this.#lost = lost;
    return reasonOf(lost);
  }

  /** @throws {StreamViolation} for anything else than what may be said now (R-SA2-08). */
  async #receive(...names: readonly string[]): Promise<E> {
    const { adapter } = this.#parts.transport;
    this.#reading = true;
    const element = await this.#parts.transport.receive();
    this.#reading = false;
    if (adapter.namespace(element) === NS_SASL2) {
      const name = adapter.name(element);
      if (names.includes(name)) return element;
      // Anything a client may say at some time is a failure; anything else is none of its business (R-SA2-15, R-SA2-17).
      if (name === "authenticate") throw new StreamViolation("policy-violation", "another authenticate");
    }
    throw new StreamViolation("not-authorized", "an element that has no place in the exchange");
  }

  async #succeed(data: Uint8Array | undefined): Promise<SASL2ServeOutcome> {
    const { transport, session, inline, committed } = this.#parts;
    const { adapter } = transport;
    const proven = this.#proven;
    if (proven === undefined) throw new TypeError("the session does not ask before it lets somebody in");
    const bound: { resource?: string; resumed?: boolean } = {};
    const about: ServerSuccess<E> = {
      ...proven,
      get resource() {
        return bound.resource;
      },
      bind(resource, how) {
        const jid = parseJid(`${proven.jid}/${resource}`);
        if (bound.resource !== undefined || jid?.resource === undefined) throw new TypeError("no resource to bind");
        bound.resource = jid.resource;
        bound.resumed = how?.resumed === true;
      },
    };
    const children: E[] = [];
    for (const each of inline) children.push(...(await each.success(about)));
    const identity = bound.resource === undefined ? proven.jid : `${proven.jid}/${bound.resource}`;
    children.unshift(create(adapter, "authorization-identifier", [identity])); // R-SA2-11
    if (data !== undefined && !this.#continued) children.unshift(createData(adapter, "additional-data", data));
    committed();
    const sent = transport.send(create(adapter, "success", children));
    const layer = session.result?.layer;
    if (layer && !this.#continued) protectWith(transport, layer); // R-SA2-19
    await sent;
    const { resource, resumed = false } = bound;
    return { ok: true, jid: proven.jid, resource, resumed, userAgent: proven.userAgent };
  }

  get #maxBytes(): number {
    return this.#parts.options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  }
}

function stepOf({ step = 0 }: ServerTask): number {
  return step;
}

/** XEP-0480 §2.2: upgrades are no choice, each of them has its turn. */
function isUpgrade({ name }: ServerTask): boolean {
  return name.startsWith("UPGR-");
}

/** Names of the upgrades among these elements (XEP-0480 §2.1). */
function upgradesIn<E>(adapter: XMLAdapter<E>, elements: readonly E[]): readonly (string | undefined)[] {
  return elements
    .filter((each) => isElement(adapter, each, "upgrade", NS_UPGRADE))
    .map((each) => textOf(adapter, each));
}

/** The bare JID of an account: its name is a local part, or a whole JID already. @internal */
export function bareJidOf(account: string, host: string): string {
  const jid = parseJid(account.includes("@") ? account : `${account}@${host}`);
  return jid ? formatJid({ local: jid.local, domain: jid.domain }) : `${account}@${host}`;
}
