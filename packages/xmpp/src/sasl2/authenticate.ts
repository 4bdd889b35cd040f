/**
 * A whole login with SASL2: what goes before it, the mechanism, tasks, and what came with success. Source: XEP-0388 §2.
 *
 * @module
 */
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate as authenticateOver,
  isSASLError,
  type SASLError,
  SASLFailure,
  type SASLMechanism,
  SASLStateMachine,
} from "sasl-core";
import { asSASLError, checkBindingOffer } from "sasl-core/plugin";
import type { SASL2Profile, XMPPAuthenticationResult } from "../authenticate.js";
import { findChild, textOf } from "../element.js";
import { formatJid, type JID, parseJid } from "../jid.js";
import { NS_SASL2, NS_SM } from "../namespaces.js";
import { type ElementTransport, protectWith } from "../transport.js";
import { onlyChild } from "./children.js";
import { SASL2Client } from "./client.js";
import {
  type ClientAbout,
  type ClientInline,
  type ClientTask,
  DEFAULT_TASK_TIMEOUT_MS,
  type TaskConversation,
  type UserAgent,
} from "./contract.js";
import { discoverSASL2, type SASL2Discovery } from "./discovery.js";
import { formatUserAgent, parseUserAgentId } from "./user-agent.js";

/** What {@link sasl2} may be told. */
export interface SASL2Options {
  /** Shown to the server. Its id is one of `newUserAgentId()` that the application keeps. */
  readonly userAgent?: UserAgent | undefined;
  /** Inline features. Their order is that in which they are asked for, and in which they read `success`. */
  readonly inline?: readonly ClientInline[] | undefined;
  /** Tasks this end can perform; the first that fits is chosen. */
  readonly tasks?: readonly ClientTask[] | undefined;
  /** Time for all tasks of a login together, in milliseconds, beside that of the exchange; 0 for no limit. Default 300000. */
  readonly taskTimeoutMs?: number | undefined;
  /**
   * Whether to be somebody else than was asked for, such as where names are aliases. Default: the bare JID that the server
   * gives is the authzid of the credentials, or else the one in the stream header (R-SA2-12).
   */
  readonly accept?: ((jid: JID, asked: string) => boolean) | undefined;
}

/** The same, complete. */
interface Parts {
  readonly userAgent: UserAgent;
  readonly inline: readonly ClientInline[];
  readonly tasks: readonly ClientTask[];
  readonly taskTimeoutMs: number;
  readonly accept: SASL2Options["accept"];
}

/** Codes after which the usual mechanisms may follow one that a feature brought. */
const passing: readonly SASLError["code"][] = [
  "mechanism-unsupported",
  "mechanism-too-weak",
  "no-common-mechanism",
  "no-credentials",
];

/**
 * SASL2 for `authenticate`: hand it over as its option `sasl2`, and it is used where the server offers it. Holds no state of
 * a login; use it as often as you like.
 *
 * @throws {RangeError} for a user agent whose id is no UUID v4 (R-SA2-07), and a negative time limit.
 */
export function sasl2(options: SASL2Options = {}): SASL2Profile {
  const { userAgent: { id, ...named } = {}, inline = [], tasks = [], accept } = options;
  const { taskTimeoutMs = DEFAULT_TASK_TIMEOUT_MS } = options;
  if (!(taskTimeoutMs >= 0)) throw new RangeError("taskTimeoutMs is a number from 0 on");
  const known = parseUserAgentId(id);
  if (id !== undefined && known === undefined) throw new RangeError("the id of a user agent is a UUID v4");
  const userAgent: UserAgent = { ...named, id: known };
  return {
    usable: (transport, features) => offerOn(transport, features) !== undefined,

    authenticate(transport, features, mechanisms, settings) {
      return new Login(transport, features, settings, { userAgent, inline, tasks, taskTimeoutMs, accept }).run(
        mechanisms,
      );
    },
  };
}

/** One login. */
class Login<E> {
  readonly #transport: ElementTransport<E>;
  readonly #settings: AuthenticateOptions;
  readonly #parts: Parts;
  readonly #offered: readonly string[];
  readonly #about: ClientAbout<E>;
  readonly #client: SASL2Client<E>;

  constructor(transport: ElementTransport<E>, features: E, settings: AuthenticateOptions, parts: Parts) {
    const { adapter } = transport;
    const { policy } = settings;
    const offer = offerOn(transport, features);
    if (offer === undefined) throw new SASLFailure("no-common-mechanism", "SASL2 cannot be used on this stream");
    this.#transport = transport;
    this.#settings = settings;
    this.#parts = parts;
    this.#offered = offer.mechanisms;
    this.#about = {
      adapter,
      authentication: offer.element,
      inline: findChild(adapter, offer.element, "inline", NS_SASL2),
      from: offer.from,
      userAgent: parts.userAgent,
      bindingTypes: (policy?.channelBinding !== "disable" && settings.channelBinding?.types) || [],
      bindingRequired: policy?.channelBinding === "require",
    };
    this.#client = new SASL2Client(transport, {
      maxMessageBytes: settings.limits?.maxMessageBytes,
      children: (mechanism) => this.#children(mechanism),
    });
  }

  async run(mechanisms: readonly SASLMechanism[]): Promise<XMPPAuthenticationResult> {
    const { policy, serverBindingTypes } = this.#settings;
    if (policy?.channelBinding !== "disable") checkBindingOffer(this.#offered, serverBindingTypes, true); // R-CBT-02
    for (const { before, refused } of this.#parts.inline) {
      const way = await before?.(this.#about);
      if (way === undefined) continue;
      try {
        return await this.#login(way.mechanisms, way.offered);
      } catch (error) {
        // After success or continue nothing may follow on this stream (R-SA2-17).
        if (!isSASLError(error) || this.#client.over) throw error;
        // What did not get as far as the server was not refused.
        const told = error.kind === "AuthenticationFailure" || this.#client.refusal === error;
        if (error.code === "temporary" || !(told || passing.includes(error.code))) throw error;
        if (told) await refused?.(error, this.#about.from);
      }
    }
    return this.#login(mechanisms, this.#offered);
  }

  async #children(mechanism: string): Promise<readonly E[]> {
    const { userAgent, inline, tasks } = this.#parts;
    const children = [...formatUserAgent(userAgent, this.#about.adapter)];
    for (const each of [...inline, ...tasks]) {
      children.push(...((await each.request?.(this.#about, mechanism)) ?? []));
    }
    return children;
  }

  async #login(mechanisms: readonly SASLMechanism[], offered: readonly string[]): Promise<XMPPAuthenticationResult> {
    const result = await authenticateOver(this.#client, offered, mechanisms, this.#settings);
    // R-SA2-19: right behind the ">" of success, or of the first continue.
    if (result.layer) protectWith(this.#transport, result.layer);
    const tasks = await this.#perform();
    const success = this.#client.success as E;
    const jid = this.#identity(success, result);
    const inline = new Map<ClientInline, unknown>();
    for (const each of this.#parts.inline) {
      inline.set(each, await each.success(success, this.#about, result.mechanism));
    }
    // XEP-0198 §9.2
    const resumed = findChild(this.#about.adapter, success, "resumed", NS_SM) !== undefined;
    this.#transport.proceed?.({ resumed });
    return { ...result, profile: "sasl2", jid, inline: inline as XMPPAuthenticationResult["inline"], tasks };
  }

  /** Does what the server wants done, within the limits of an exchange and a time of its own. @returns what was performed. */
  async #perform(): Promise<readonly string[]> {
    const client = this.#client;
    const performed: string[] = [];
    if (client.offered === undefined) return performed;
    const { limits, signal } = this.#settings;
    const bounds = new SASLStateMachine(client, {
      limits: { ...limits, timeoutMs: this.#parts.taskTimeoutMs },
      signal,
    });
    try {
      while (client.success === undefined) performed.push(await this.#performOne(bounds, performed.length));
      return performed;
    } catch (error) {
      await Promise.race([client.abort(), bounds.until(new Promise(() => {}))]).catch(() => {});
      throw error instanceof TypeError ? error : asSASLError(error, "aborted", "a task failed on this side");
    } finally {
      await bounds.abort(); // lets go of its timer
    }
  }

  async #performOne(bounds: SASLStateMachine, before: number): Promise<string> {
    const client = this.#client;
    const { maxSteps } = bounds.limits;
    const { tasks: names, text } = client.offered as NonNullable<typeof client.offered>;
    const [task, name] = this.#choose(names);
    if (task === undefined || name === undefined) {
      throw new SASLFailure("no-common-mechanism", "the server wants a task that this end cannot perform", { text });
    }
    const talk: TaskConversation<E> = task.perform(name, this.#about);
    try {
      let turn = await bounds.until(talk.next());
      let reply = await bounds.until(client.next(name, turn.value ?? []));
      for (let step = before; reply.state === "task-data"; step++) {
        if (turn.done) throw new SASLFailure("unexpected-message", "the server goes on after the end of a task");
        if (step >= maxSteps) throw new SASLFailure("limit-exceeded", "too many messages");
        turn = await bounds.until(talk.next(reply.children));
        reply = await bounds.until(client.taskData(turn.value ?? []));
      }
      if (before >= maxSteps) throw new SASLFailure("limit-exceeded", "too many tasks");
      return name;
    } finally {
      talk.return().catch(() => {});
    }
  }

  /** R-SA2-16: of what is offered, what this end can do; its own order counts. */
  #choose(names: readonly string[]): readonly [task?: ClientTask, name?: string] {
    for (const task of this.#parts.tasks) {
      const name = names.find((each) => task.handles(each));
      if (name !== undefined) return [task, name];
    }
    return [];
  }

  /** R-SA2-11, R-SA2-12. @returns whom the server says this is. */
  #identity(success: E, { authzid }: AuthenticationResult): string {
    const { adapter, from } = this.#about;
    const element = onlyChild(adapter, success, "authorization-identifier", NS_SASL2);
    const text = element && textOf(adapter, element);
    if (text === undefined) throw new SASLFailure("malformed-message", "success does not say who this is");
    const jid = parseJid(text);
    const asked = (authzid ? bareJidOf(authzid) : undefined) ?? from;
    const bare = jid && formatJid({ local: jid.local, domain: jid.domain });
    if (jid === undefined || (bare !== asked && this.#parts.accept?.(jid, asked) !== true)) {
      throw new SASLFailure("peer-not-verified", "the server says that this is somebody else");
    }
    return formatJid(jid);
  }
}

/** What the server offers, where this end can use it: over TLS (R-SA2-01), and after a header that says for whom. */
function offerOn<E>(
  { adapter, secure, from: header }: ElementTransport<E>,
  features: E,
): (SASL2Discovery<E> & { readonly from: string }) | undefined {
  const from = bareJidOf(header);
  const offer = discoverSASL2(features, adapter);
  return secure && offer !== undefined && from !== undefined ? { ...offer, from } : undefined;
}

/** A bare JID in the form it is compared in; `undefined` for what is none. */
function bareJidOf(text: string | undefined): string | undefined {
  const jid = text === undefined ? undefined : parseJid(text);
  return jid === undefined || jid.resource !== undefined ? undefined : formatJid(jid);
}
