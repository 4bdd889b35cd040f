/**
 * The server end of SASL2 on one stream: what is announced, and exchanges until one succeeds. Source: XEP-0388 §2.
 *
 * @module
 */
import { SASLFailure, type ServerResult } from "sasl-core";
import type { XMLAdapter } from "../element.js";
import { formatJid, parseJid } from "../jid.js";
import type { ServedSession, ServeOptions } from "../server.js";
import { StreamViolation } from "../stream/conditions.js";
import type { ElementTransport } from "../transport.js";
import { DEFAULT_TASK_TIMEOUT_MS, type ServerAbout, type ServerInline, type ServerTask } from "./contract.js";
import { bareJidOf, SASL2Exchange, type SASL2ServeOutcome } from "./exchange.js";
import { create } from "./messages.js";

/** What a server does with SASL2 beside the mechanisms. */
export interface SASL2ServerOptions {
  /** Inline features, in the order in which they are announced and add to `success`. */
  readonly inline?: readonly ServerInline[] | undefined;
  readonly tasks?: readonly ServerTask[] | undefined;
  /**
   * Time for all tasks of a login together, in milliseconds, at least 1: beside that of the exchange and of the login, for
   * people have to find their second factor. Default 300000.
   */
  readonly taskTimeoutMs?: number | undefined;
  /** What comes of a user agent whose id is no UUID v4: `ignore` (default) goes on without its id. */
  readonly badUserAgentId?: "ignore" | "refuse" | undefined;
}

/** What a {@link SASL2Stream} is about. */
export interface SASL2StreamFacts<E> {
  readonly adapter: XMLAdapter<E>;
  /** Domain of the stream. */
  readonly host: string;
  /** The `from` of its header, as the client wrote it. */
  readonly from: string | undefined;
  /** Types the connection can be bound to. */
  readonly bindingTypes?: readonly string[] | undefined;
}

/**
 * One stream. Make it when the client's header is there, announce, and serve each element of the namespace of SASL2 until
 * one exchange succeeds; {@link admit} belongs into the connection of the session:
 *
 *     const stream = new SASL2Stream(facts, options);
 *     const session = server.session({ ...connection, successData: true, admit: (...done) => stream.admit(...done) });
 */
export class SASL2Stream<E> {
  readonly #about: ServerAbout<E>;
  readonly #options: SASL2ServerOptions;
  /** Whom the header names, nobody included. */
  readonly #named: string | undefined;
  #announced: ReadonlySet<string> = new Set();
  #reserved: ReadonlySet<string> = new Set();
  #exchange: SASL2Exchange<E> | undefined;
  #over = false;
  #extraMs = 0;

  /** @throws {RangeError} for a time limit under 1. */
  constructor(facts: SASL2StreamFacts<E>, options: SASL2ServerOptions = {}) {
    const { adapter, host, bindingTypes = [] } = facts;
    this.#options = options;
    const { taskTimeoutMs = DEFAULT_TASK_TIMEOUT_MS } = options;
    if (!(taskTimeoutMs >= 1)) throw new RangeError("taskTimeoutMs is at least 1");
    this.#named = addressOf(facts.from);
    const from = this.#named || undefined;
    this.#about = { adapter, host, request: undefined, mechanism: undefined, userAgent: {}, from, bindingTypes };
  }

  /** True once success or continue was sent: no other exchange can begin on this stream (R-SA2-17). */
  get over(): boolean {
    return this.#over;
  }

  /** Time that the login may take longer, in milliseconds: that of its tasks, once there are any. */
  get extraMs(): number {
    return this.#extraMs;
  }

  /** Whether a name is for an inline feature alone, and so for no other list and no other profile. */
  reserves(mechanism: string): boolean {
    return this.#reserved.has(mechanism);
  }

  /**
   * Decides what can be used on this stream from now on.
   *
   * @param mechanisms what the server's `mechanisms(connection)` gave for this connection, or `mechanismsFor` for whom its header names.
   * @returns the element to announce; none without a mechanism (R-SA2-02).
   */
  async announce(mechanisms: readonly string[]): Promise<readonly E[]> {
    const { inline = [], tasks = [] } = this.#options;
    const about = this.#about;
    const { adapter } = about;
    const reserved = await Promise.all(inline.map((each) => each.mechanisms?.(about) ?? []));
    this.#reserved = new Set(reserved.flat());
    const names = mechanisms.filter((name) => !this.#reserved.has(name));
    this.#announced = new Set(names);
    if (names.length === 0) return [];
    const children = names.map((name) => create(adapter, "mechanism", [name]));
    const features = (await Promise.all(inline.map((each) => each.announce(about)))).flat();
    if (features.length > 0) children.push(create(adapter, "inline", features));
    for (const each of tasks) children.push(...(each.announce?.(about) ?? []));
    return [create(adapter, "authentication", children)];
  }

  /**
   * Runs one exchange. When it resolves, `success` or `failure` has been sent; after success send features (R-SA2-11).
   *
   * @param transport delivers what the client says next; it rejects for a lost stream, and should for a stanza.
   * @param element what the client sent: `authenticate`, or whatever it sent instead, which fails.
   * @throws {StreamViolation} when the stream has to end: anything else than the exchange (R-SA2-08), a second
   *   authenticate after success or continue (R-SA2-17). What `transport` threw, and what an inline feature threw when
   *   everything had succeeded.
   */
  async serve(
    transport: ElementTransport<E>,
    session: ServedSession,
    element: E,
    options: ServeOptions = {},
  ): Promise<SASL2ServeOutcome> {
    if (this.#over) throw new StreamViolation("policy-violation", "another exchange after success or continue");
    const { inline = [], tasks = [], badUserAgentId } = this.#options;
    const exchange = new SASL2Exchange<E>({
      transport,
      session,
      options,
      stream: this.#about,
      named: this.#named,
      inline,
      tasks,
      strictUserAgent: badUserAgentId === "refuse",
      // A feature judges in its `check` whether a request may use a name of its own.
      announced: (name) => this.#announced.size > 0 && (this.#announced.has(name) || this.#reserved.has(name)),
      reserved: (name) => this.#reserved.has(name),
      committed: () => {
        this.#over = true;
      },
    });
    this.#exchange = exchange;
    try {
      return await exchange.run(element);
    } finally {
      this.#exchange = undefined;
    }
  }

  /**
   * The last word of the exchange that is going on. One of another profile has no tasks: it lets nobody in who has one to
   * do, or a second factor could be left out by not speaking SASL2.
   *
   * @param extend see `admit` of a `ServerConnection`; left out, tasks have the time of the exchange.
   * @throws {SASLError} for who may not come in so.
   */
  async admit(result: ServerResult, data: Uint8Array | undefined, extend?: (ms: number) => void): Promise<void> {
    if (this.#exchange) {
      const { taskTimeoutMs = DEFAULT_TASK_TIMEOUT_MS } = this.#options;
      await this.#exchange.admit(result, data, () => {
        this.#extraMs = taskTimeoutMs;
        extend?.(taskTimeoutMs);
      });
      return;
    }
    const { adapter, host } = this.#about;
    const { mechanism } = result;
    const request = create(adapter, "authenticate", [], { mechanism });
    const about = { ...this.#about, request, mechanism, result, jid: bareJidOf(result.authzid, host) };
    for (const each of this.#options.tasks ?? []) {
      if (!(await each.due(about))) continue;
      const detail = `${each.name} is due, which SASL1 has not`;
      throw new SASLFailure("mechanism-too-weak", "more is needed than this profile can ask for", { detail });
    }
  }
}

/** Whom a header names: an address with a resource names its account, and what is no address nobody. */
function addressOf(from: string | undefined): string | undefined {
  if (from === undefined) return undefined;
  const jid = parseJid(from);
  return jid === undefined ? "" : formatJid({ local: jid.local, domain: jid.domain });
}
