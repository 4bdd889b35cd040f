/**
 * A login of ours, what went over the wire for it, and the session that follows.
 *
 * @module
 */
import type { Element } from "ltx";
import { downgradeProtection, type SASLMechanism } from "sasl-core";
import { SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import {
  authenticate,
  type Bound,
  bind2,
  type ClientInline,
  type Discovery,
  discover,
  enableCarbons,
  enableStreamManagement,
  type FastOptions,
  type FastResult,
  type FastTokenStore,
  fast,
  memoryFastTokens,
  NS_CLIENT,
  newUserAgentId,
  type Resumable,
  type Resumption,
  resume,
  type StreamManagement,
  sasl2,
  type UserAgent,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { passwordOf } from "../accounts.js";
import type { Reach, Reached, Version } from "./reach.js";

const timeoutMs = 10_000;
const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";

/** A login, as far as it is not the usual one. */
export interface LoginOptions {
  /** Default: `TLSv1.3`. */
  readonly version?: Version;
  /** Default: SCRAM with channel binding, and without where that is not offered. */
  readonly mechanisms?: readonly SASLMechanism[];
  /** Default: `sasl2`. */
  readonly profile?: "sasl1" | "sasl2";
  /** The token's last login. */
  readonly logout?: boolean;
  /** The session to take up again. */
  readonly session?: Resumable;
}

/** What came of it. */
export interface LoggedIn {
  readonly result: XMPPAuthenticationResult;
  readonly offered: Discovery;
  readonly token: FastResult | undefined;
  readonly bound: Bound | undefined;
  readonly resumption: Resumption | undefined;
  /** Elements from `authenticate` to `success`, `C:` before those of the client. */
  readonly exchange: readonly string[];
}

/** One program of somebody's with its tokens, which logs in again and again. */
export class ChatClient {
  readonly #reach: Reach;
  readonly #user: string;
  readonly #fast: Omit<FastOptions, "store">;
  readonly tokens: FastTokenStore = memoryFastTokens();
  readonly account: string;
  readonly userAgent: UserAgent = { id: newUserAgentId(), software: "peers" };

  constructor(reach: Reach, { user = "alice", ...fast }: Omit<FastOptions, "store"> & { readonly user?: string } = {}) {
    this.#reach = reach;
    this.#user = user;
    this.#fast = fast;
    this.account = `${user}@localhost`;
  }

  /** Logs in, binds, and hears an answer to a ping. */
  async login(options: LoginOptions = {}): Promise<LoggedIn> {
    const session = await this.begin(options);
    try {
      await session.ping();
      return session.login;
    } finally {
      session.close();
    }
  }

  /** Logs in and binds. The session is the caller's to end, within the time for a login. */
  async begin(options: LoginOptions = {}): Promise<ChatSession> {
    const { version = "TLSv1.3", mechanisms = passwords(this.#user), profile = "sasl2", logout = false } = options;
    const signal = AbortSignal.timeout(timeoutMs);
    const reached = await this.#reach({ from: this.account, version, signal });
    const { stream, features, exchange } = reached;
    try {
      const offered = discover(features, stream.adapter);
      const tokens = fast({ ...this.#fast, store: this.tokens });
      const token: ClientInline<FastResult> = logout ? tokens.logout : tokens;
      const resumed = resume(() => options.session);
      const bound = bind2({ tag: "peers", features: [enableCarbons(), enableStreamManagement()] });
      const usual = sasl2({ userAgent: this.userAgent, inline: [token, resumed, bound] });
      const settings = { sasl2: usual, profile, downgradeProtection: downgradeProtection(), signal };
      const result = await authenticate(stream, features, mechanisms, settings);
      const { inline } = result;
      const login = {
        ...{ result, offered, exchange: [...exchange] },
        ...{ token: inline.get(token), bound: inline.get(bound), resumption: inline.get(resumed) },
      };
      const session = new ChatSession(reached, login);
      if (profile === "sasl1") await session.bind();
      return session;
    } catch (error) {
      stream.close();
      throw error;
    }
  }
}

/** What follows a login. */
export class ChatSession {
  readonly login: LoggedIn;
  readonly #reached: Reached;
  #handled = 0;
  #asked = 0;

  constructor(reached: Reached, login: LoggedIn) {
    this.#reached = reached;
    this.login = login;
  }

  /** What to resume it by. @throws {Error} when the server did not say. */
  get resumable(): Resumable {
    const [, management] = (this.login.bound?.answers ?? []) as readonly [unknown?, StreamManagement?];
    if (!management?.enabled || management.id === undefined) throw new Error("this session cannot be resumed");
    return { previd: management.id, h: this.#handled };
  }

  /** The session stands when the server answers in it. */
  async ping(): Promise<void> {
    await this.#ask("get", this.#create("ping", "urn:xmpp:ping"));
  }

  /** A resource for a login that brought none (RFC 6120 §7.6). */
  async bind(): Promise<void> {
    await this.#reached.stream.restart();
    await this.#ask("set", this.#create("bind", NS_BIND));
  }

  async say(to: string, text: string): Promise<void> {
    const body = this.#create("body", NS_CLIENT, {}, [text]);
    await this.#reached.stream.send(this.#create("message", NS_CLIENT, { to, type: "chat" }, [body]));
  }

  /** The text of the next message. */
  async heard(): Promise<string> {
    for (;;) {
      const stanza = await this.#receive();
      const text = stanza.name === "message" ? stanza.getChildText("body") : null;
      if (text !== null) return text;
    }
  }

  close(): void {
    this.#reached.stream.close();
  }

  /** Ends the connection as a network does that is gone. */
  cut(): void {
    this.#reached.cut();
  }

  get #create() {
    return this.#reached.stream.adapter.create;
  }

  async #ask(type: "get" | "set", question: Element): Promise<void> {
    const id = `p${this.#asked++}`;
    await this.#reached.stream.send(this.#create("iq", NS_CLIENT, { type, id }, [question]));
    for (;;) {
      const { name, attrs } = await this.#receive();
      if (name !== "iq" || attrs.id !== id) continue;
      if (attrs.type !== "result") throw new Error(`the server answered with an ${attrs.type}`);
      return;
    }
  }

  /** The next element; stanzas count (XEP-0198 §4). */
  async #receive(): Promise<Element> {
    const element = await this.#reached.stream.receive();
    if (["iq", "message", "presence"].includes(element.name)) this.#handled += 1;
    return element;
  }
}

function passwords(username: string): SASLMechanism[] {
  const credentials = { username, password: passwordOf(username) };
  return [SCRAMPLUS(credentials), SCRAM(credentials)];
}
