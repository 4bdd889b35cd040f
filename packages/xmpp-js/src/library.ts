/**
 * The parts of an `@xmpp/client` 0.14 that are used, and nothing of its code: what its documentation describes, `parser` and
 * `socket`, and with SASL2 alone `_jid` and `_ready`, by which its own SASL2 says who logged in and that a session is bound.
 *
 * @module
 */
import type { LtxElement } from "sasl-xmpp";
import type { Destination, LibrarySocket } from "./channel.js";

/** An element of the library's: ltx's. */
export interface XMPPElement extends LtxElement {
  getChild(name: string, namespace: string): XMPPElement | undefined;
  remove(name: string, namespace: string): unknown;
}

/** Emits `element` for each child of the stream; each stream has its own. */
interface Parser {
  listeners(event: "element"): unknown[];
  removeAllListeners(event: "element"): unknown;
  on(event: "element", listener: (element: XMPPElement) => void): unknown;
}

type Listener = (value: never) => void;

/** The client. */
export interface Entity {
  /** Milliseconds to wait for an answer. */
  readonly timeout: number;
  readonly status: string;
  readonly options: Destination & { readonly lang?: string | undefined };
  readonly socket: LibrarySocket | null;
  readonly parser: Parser | null;
  /** The header this end sent. */
  readonly root: XMPPElement | null;
  readonly saslFactory: { use(name: string, mechanism: unknown): unknown };
  readonly streamManagement?: { readonly id?: string };
  start: () => Promise<unknown>;
  disconnect: () => Promise<unknown>;
  stop(): Promise<unknown>;
  connect(service?: string): Promise<unknown>;
  open: (options: { readonly domain: string | undefined; readonly lang: string | undefined }) => Promise<unknown>;
  restart(): Promise<unknown>;
  write(text: string): Promise<unknown>;
  isSecure(): boolean;
  emit(event: "error", error: Error): unknown;
  on(event: string, listener: Listener): unknown;
  once(event: string, listener: Listener): unknown;
  removeListener(event: string, listener: Listener): unknown;
  _jid(jid: string): unknown;
  _ready(resumed: boolean): void;
}
