/**
 * Between the parsers of the library and itself. It handles each element as it comes, also those behind a `success` that is
 * still being verified, and takes a session from a server that asked for no login at all. So the gate lets through before
 * the login what leads to one, during the login nothing, and afterwards everything.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import {
  discover,
  discoverSASL2,
  type LtxElementClass,
  ltxAdapter,
  NS_STREAM,
  NS_TLS,
  type XMLAdapter,
} from "sasl-xmpp";
import { canStartTLS, letGo } from "#channel";
import { Inbox } from "./inbox.js";
import type { Entity, XMPPElement } from "./library.js";

const NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind";

/** A login that the library is to begin now. */
export interface Approach {
  readonly features: XMPPElement;
  /** What comes until the gate is opened. */
  readonly inbox: Inbox<XMPPElement>;
}

/** Stands for mechanisms in the library's list: it calls `credentials` where that has one of those offered. */
class Placeholder {}

/** The gate of one client, for all its streams. */
export class Gate {
  readonly #entity: Entity;
  readonly #refused: (error: SASLFailure) => void;
  readonly #known = new Set<string>();
  /** Where the stream is; `shut` lets nothing through. */
  #stage: "features" | "tls" | "login" | "open" | "shut" = "shut";
  #approach: Approach | undefined;
  /** Whether somebody is logged in on this connection. */
  #authenticated = false;
  /** A session is bound, and the features to come need not say how. */
  #bound = false;
  #pass: (element: XMPPElement) => void = () => {};
  /** See `letGo`. */
  #upgraded: () => void = () => {};

  /** @param refused told of a server that does not ask for a login. */
  constructor(entity: Entity, refused: (error: SASLFailure) => void) {
    this.#entity = entity;
    this.#refused = refused;
    const { open } = entity;
    entity.open = (options) => {
      const opened = new Promise((resolve) => {
        entity.once("open", resolve);
      });
      const opening = open.call(entity, options);
      this.#guard();
      return Promise.race([opened, opening]); // it begins to listen late, and can miss the header
    };
    entity.on("close", () => this.#approach?.inbox.end());
    for (const event of ["connecting", "disconnect"]) entity.on(event, () => this.#forget());
  }

  /** The login that is going on, on the connection of now. */
  get approach(): Approach | undefined {
    return this.#stage === "login" ? this.#approach : undefined;
  }

  /** Somebody is logged in, and nothing more comes in this stream (RFC 6120 §6.4.6). */
  admit(): void {
    this.#authenticated = true;
    this.#stage = "shut";
  }

  /** Somebody is logged in, and the stream goes on (XEP-0388 §2.6.1). */
  open(bound: boolean): void {
    this.#authenticated = true;
    this.#bound = bound;
    this.#stage = "open";
  }

  /** After {@link open}: what came meanwhile. */
  release(): void {
    for (const element of this.#approach?.inbox.rest() ?? []) this.#hear(element);
  }

  shut(): void {
    this.#stage = "shut";
  }

  #forget(): void {
    this.#authenticated = false;
    this.#bound = false;
    this.#approach?.inbox.end();
    this.#stage = "shut";
  }

  /** Before the first octet of a stream is read. */
  #guard(): void {
    const { parser } = this.#entity;
    this.#upgraded();
    this.#upgraded = () => {};
    if (parser === null) return;
    const listeners = parser.listeners("element") as ((element: XMPPElement) => void)[];
    parser.removeAllListeners("element");
    parser.on("element", (element) => {
      if (parser === this.#entity.parser) this.#hear(element);
    });
    this.#pass = (element) => {
      for (const listener of listeners) listener(element);
    };
    this.#stage = this.#authenticated ? "open" : "features";
  }

  #hear(element: XMPPElement): void {
    if (this.#stage === "shut") return;
    if (this.#stage === "login") {
      this.#approach?.inbox.put(element);
      return;
    }
    const refused = this.#stage === "open" ? this.#trim(element) : this.#judge(element);
    if (refused === undefined) this.#pass(element);
    else this.#refused(refused);
  }

  /** Nobody is logged in: features, one answer to STARTTLS, or the error that ends the stream. @returns why not to go on. */
  #judge(element: XMPPElement): SASLFailure | undefined {
    const adapter = adapterOf(element);
    const [name, namespace] = [adapter.name(element), adapter.namespace(element)];
    if (namespace === NS_STREAM && name === "error") return undefined;
    if (this.#stage === "tls" && namespace === NS_TLS) {
      this.#stage = "shut"; // RFC 6120 §5.4.3.3: the next stream is another one
      return undefined;
    }
    if (this.#stage !== "features" || namespace !== NS_STREAM || name !== "features") {
      return new SASLFailure("unexpected-message", "the server goes on without a login");
    }
    const { startTLS, mechanisms } = discover(element, adapter);
    const offered = [...mechanisms.slice(0, 1), ...(discoverSASL2(element, adapter)?.mechanisms.slice(0, 1) ?? [])];
    const socket = this.#entity.socket ?? {};
    if (startTLS !== undefined && canStartTLS(socket)) {
      this.#stage = "tls";
      this.#upgraded = letGo(socket);
    } else if (offered.length > 0) this.#expect(element, offered);
    else return new SASLFailure("no-common-mechanism", "the server offers no way to log in");
    return undefined;
  }

  /** The library is about to ask for `credentials`, whatever is offered: to refuse it all is up to `authenticate`. */
  #expect(features: XMPPElement, offered: readonly string[]): void {
    for (const name of offered.filter((each) => !this.#known.has(each))) {
      this.#known.add(name);
      this.#entity.saslFactory.use(name, Placeholder);
    }
    this.#approach = { features, inbox: new Inbox() };
    this.#stage = "login";
  }

  #trim(element: XMPPElement): undefined {
    if (this.#bound) element.remove("bind", NS_BIND);
  }
}

/** The class of what the library read is that of its elements. */
export function adapterOf(element: XMPPElement): XMLAdapter<XMPPElement> {
  return ltxAdapter(element.constructor as LtxElementClass<XMPPElement>);
}
