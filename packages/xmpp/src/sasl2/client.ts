/**
 * The client end of SASL2, element by element: the exchange, the tasks behind it, success. Source: XEP-0388 §2.
 *
 * @module
 */
import { type SASLError, SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { asSASLError } from "sasl-core/plugin";
import { elementsIn, isElement, textOf } from "../element.js";
import { parseFailure } from "../errors.js";
import { NS_SASL2, NS_STREAM } from "../namespaces.js";
import { DEFAULT_MAX_MESSAGE_BYTES } from "../payload.js";
import type { ElementTransport } from "../transport.js";
import { onlyChild } from "./children.js";
import type { MaybePromise } from "./contract.js";
import { create, createData, readData, readDataIn, textsIn } from "./messages.js";

/** What a {@link SASL2Client} may be told. */
export interface SASL2ClientOptions<E> {
  /** Longest message accepted from the server, in octets after base64. Default 65536. */
  readonly maxMessageBytes?: number | undefined;
  /** What goes with `authenticate` besides the message: user agent, inline features. Made anew for each. */
  readonly children?: ((mechanism: string) => MaybePromise<readonly E[]>) | undefined;
}

/** What a server wants done before it says success (XEP-0388 §2.6.3). */
export interface OfferedTasks {
  /** Names of those to choose from, at least one. */
  readonly tasks: readonly string[];
  /** For people. */
  readonly text: string | undefined;
}

/** What follows what a client said about a task. */
export type TaskReply<E> =
  | { readonly state: "task-data"; readonly children: readonly E[] }
  | ({ readonly state: "continue" } & OfferedTasks)
  | { readonly state: "success" };

/** The elements that may follow what this end sent. */
type Answer = "challenge" | "success" | "continue" | "task-data" | "failure";

/**
 * Speaks SASL2 over a stream of elements. Towards the engine a `continue` counts as the mechanism's success: its data is
 * verified before any task begins (R-SA2-16). When {@link offered} is set then, the tasks are to be done with {@link next}
 * and {@link taskData}, until {@link success} is set; only then is anybody logged in.
 */
export class SASL2Client<E> implements SASLInterface {
  readonly #transport: ElementTransport<E>;
  readonly #options: SASL2ClientOptions<E>;
  /** What this end may say next. */
  #state: "idle" | "exchange" | "choice" | "task" = "idle";
  /** The server has spoken and waits for this end. */
  #waiting = false;
  #pending: Promise<unknown> | undefined;
  #cancelled = false;
  #offered: OfferedTasks | undefined;
  #success: E | undefined;
  #over = false;
  #refusal: SASLError | undefined;

  constructor(transport: ElementTransport<E>, options: SASL2ClientOptions<E> = {}) {
    this.#transport = transport;
    this.#options = options;
  }

  get secure(): boolean {
    return this.#transport.secure;
  }

  get layers(): boolean {
    return this.#transport.protect !== undefined;
  }

  /** What the server wants done, once it has said so; what was offered last. */
  get offered(): OfferedTasks | undefined {
    return this.#offered;
  }

  /** The `success` element, once it is there. */
  get success(): E | undefined {
    return this.#success;
  }

  /** True once the server has said success or continue: on this stream there is no other login (R-SA2-17). */
  get over(): boolean {
    return this.#over;
  }

  /** What the server's last failure was read as; none that answered an abort. */
  get refusal(): SASLError | undefined {
    return this.#refusal;
  }

  /** @throws {SASLFailure} `channel-not-protected` before TLS (R-SA2-01). */
  initiate(mechanism: string, payload?: Uint8Array): Promise<SASLReply> {
    return this.#exclusive("idle", async () => {
      if (!this.secure) throw new SASLFailure("channel-not-protected", "SASL2 needs an encrypted channel");
      const { adapter } = this.#transport;
      const children = payload === undefined ? [] : [createData(adapter, "initial-response", payload)];
      const others = (await this.#options.children?.(mechanism)) ?? [];
      const request = create(adapter, "authenticate", [...children, ...others], { mechanism });
      return this.#reply(await this.#roundTrip(request, "challenge", "success", "continue"));
    });
  }

  respond(payload: Uint8Array): Promise<SASLReply> {
    return this.#exclusive("exchange", async () => {
      const response = createData(this.#transport.adapter, "response", payload);
      return this.#reply(await this.#roundTrip(response, "challenge", "success", "continue"));
    });
  }

  /**
   * Chooses a task and says the first about it.
   *
   * @throws {SASLFailure} `unexpected-message` for a name that is not offered (R-SA2-16), and what a server answers.
   */
  next(task: string, children: readonly E[]): Promise<TaskReply<E>> {
    if (this.#state === "choice" && !this.#offered?.tasks.includes(task)) {
      return Promise.reject(new SASLFailure("unexpected-message", "no such task is offered"));
    }
    return this.#exclusive("choice", () => {
      return this.#taskTrip(create(this.#transport.adapter, "next", children, { task }));
    });
  }

  /** Says more about the task. */
  taskData(children: readonly E[]): Promise<TaskReply<E>> {
    return this.#exclusive("task", () => this.#taskTrip(create(this.#transport.adapter, "task-data", children)));
  }

  /**
   * Sends `abort` and waits for the failure that answers it. While the answer to something else is awaited, it is sent
   * after that answer; the other call then rejects with `aborted`. Without an exchange or tasks nothing is sent.
   */
  async abort(): Promise<SASLReply> {
    if (this.#pending) {
      this.#cancelled = true;
      await this.#pending.catch(() => {});
    } else if (this.#state !== "idle") {
      this.#pending = this.#takeBack().finally(() => {
        this.#pending = undefined;
      });
      await this.#pending;
    }
    return { state: "failure" };
  }

  #exclusive<T>(state: "idle" | "exchange" | "choice" | "task", step: () => Promise<T>): Promise<T> {
    if (this.#pending || this.#state !== state || (state === "idle" && this.over)) {
      const error = this.#pending ? "an answer is still awaited" : `nothing to be said at "${this.#state}"`;
      return Promise.reject(new SASLFailure("unexpected-message", error));
    }
    this.#cancelled = false;
    const pending = this.#run(step).finally(() => {
      this.#pending = undefined;
    });
    this.#pending = pending;
    return pending;
  }

  async #run<T>(step: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await step();
    } catch (error) {
      // The first fault is the one to tell; what the server still waits for is taken back.
      if (this.#state !== "idle" && this.#waiting) await this.#takeBack().catch(() => {});
      throw error;
    }
    if (this.#cancelled) {
      if (this.#state !== "idle") await this.#takeBack();
      throw new SASLFailure("aborted", "authentication was aborted");
    }
    return result;
  }

  async #takeBack(): Promise<void> {
    await this.#roundTrip(create(this.#transport.adapter, "abort"));
  }

  /**
   * One element out, one in, and nothing between them (XEP-0388 §2.4).
   *
   * @param expected besides `failure`; none after an abort, which nothing but a failure answers.
   */
  async #roundTrip(
    element: E,
    ...expected: readonly Answer[]
  ): Promise<{ readonly name: Answer; readonly element: E }> {
    const { adapter } = this.#transport;
    this.#state = "idle";
    this.#waiting = false;
    let answer: E;
    try {
      await this.#transport.send(element);
      answer = await this.#transport.receive();
    } catch (error) {
      throw asSASLError(error, "connection-lost", "the connection failed");
    }
    const name = adapter.name(answer) as Answer;
    const known = adapter.namespace(answer) === NS_SASL2;
    if (known && name === "failure") {
      if (expected.length === 0) return { name, element: answer };
      this.#refusal = parseFailure(answer, adapter);
      throw this.#refusal;
    }
    if (!known || !expected.includes(name)) throw this.#stray(answer);
    this.#over ||= name === "success" || name === "continue"; // also an ill-formed one
    if (name === "success") this.#success = answer;
    else {
      this.#state = name === "challenge" ? "exchange" : name === "continue" ? "choice" : "task";
      this.#waiting = true;
    }
    return { name, element: answer };
  }

  #reply({ name, element }: { readonly name: Answer; readonly element: E }): SASLReply {
    const { adapter } = this.#transport;
    const { maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES } = this.#options;
    if (name === "challenge") return { state: name, payload: readData(adapter, element, maxMessageBytes) };
    if (name === "continue") this.#offered = this.#readTasks(element);
    return { state: "success", payload: readDataIn(adapter, element, "additional-data", maxMessageBytes) };
  }

  async #taskTrip(said: E): Promise<TaskReply<E>> {
    const { name: state, element } = await this.#roundTrip(said, "task-data", "success", "continue");
    if (state === "task-data") return { state, children: elementsIn(this.#transport.adapter, element) };
    if (state !== "continue") return { state: "success" };
    this.#offered = this.#readTasks(element);
    return { state, ...this.#offered };
  }

  /** @throws {SASLFailure} `malformed-message` without one task at least (R-SA2-14). */
  #readTasks(element: E): OfferedTasks {
    const { adapter } = this.#transport;
    const list = onlyChild(adapter, element, "tasks", NS_SASL2);
    const tasks = list === undefined ? [] : textsIn(adapter, list, "task");
    if (tasks.length === 0) throw new SASLFailure("malformed-message", "the server wants to go on without a task");
    const text = onlyChild(adapter, element, "text", NS_SASL2);
    return { tasks, text: text && textOf(adapter, text) };
  }

  #stray(opaqueError: E): SASLFailure {
    return isElement(this.#transport.adapter, opaqueError, "error", NS_STREAM)
      ? new SASLFailure("connection-lost", "the server ended the stream", { opaqueError })
      : new SASLFailure("unexpected-message", "not an answer", { opaqueError });
  }
}
