/**
 * Reads a stream of XML as it arrives, strictly: well-formed, in namespaces, nothing of what RFC 6120 §11.1 forbids,
 * within limits. This file cuts what comes so that no octet behind an element is looked at before the element has been
 * dealt with (restart, STARTTLS); what is cut out goes to an {@link ElementParser}.
 *
 * @module
 */
import { concatBytes } from "sasl-core/plugin";
import type { XMLAdapter } from "../element.js";
import { ByteQueue, isSpace } from "./byte-queue.js";
import { StreamViolation } from "./conditions.js";
import { ElementParser, type StreamScope } from "./element-parser.js";
import { defaultXMLLimits, type StreamEvent, type XMLLimits } from "./framing.js";

/** Keeps no state between calls; U+FEFF is a character like any other (RFC 6120 §11.6). */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const LESS = 0x3c;
const GREATER = 0x3e;

/** What matters inside an element: its end tags, and CDATA, where nothing is a tag. Each alternative is linear. */
const endOrCData = /<!\[CDATA\[|<\/[^<>]*>/g;

/** UTF-16 units parsed in one go; more would keep the event loop from everything else (R-LIM-02). */
const BUDGET = 16_384;

/** One direction of one connection, for as many streams as follow each other on it. */
export class XMLStreamReader<E> {
  readonly #adapter: XMLAdapter<E>;
  #limits: XMLLimits;
  /** Of the header or the element that is being read. */
  #parser: ElementParser<E> | undefined;
  /** Of the stream, once its header was read. */
  #scope: StreamScope | undefined;
  /** Octets not decoded yet: what follows the last `>`. */
  readonly #bytes = new ByteQueue();
  /** Decoded and not parsed yet; ends with `>`. */
  #text = "";
  /** Cut off and waiting for its turn. */
  #piece = "";
  /** Octets of the present element or header that were cut off. */
  #size = 0;
  #inCData = false;
  /** The quote a tag stands in while its pieces come, if any. */
  #quote = "";
  /** What follows `#text` when it is no UTF-8. */
  #spoilt: Uint8Array | undefined;
  #closed = false;
  #restarted = false;
  #failure: StreamViolation | undefined;

  constructor(adapter: XMLAdapter<E>, limits?: Partial<XMLLimits>) {
    this.#adapter = adapter;
    this.#limits = limits ? { ...defaultXMLLimits, ...limits } : defaultXMLLimits;
  }

  /** Takes octets as they come, split anywhere (R-LIM-06). They may be kept; the caller does not change them. */
  push(chunk: Uint8Array): void {
    this.#bytes.push(chunk);
  }

  /** True when something is left that was not reported. */
  get pending(): boolean {
    return this.#piece !== "" || this.#text !== "" || this.#bytes.length > 0;
  }

  /** True when `next` has more to look at and stopped only to let others run. */
  get busy(): boolean {
    return this.#failure === undefined && (this.#piece !== "" || this.#text !== "");
  }

  /** The next stream begins here: a header is expected, earlier declarations are forgotten. Other limits may hold in it. */
  restart(limits: Partial<XMLLimits> = {}): void {
    this.limit(limits);
    this.#scope = undefined;
    this.#closed = false;
    this.#restarted = true;
    this.#reset();
  }

  /** Other limits hold from the next element on, in the same stream. */
  limit(limits: Partial<XMLLimits>): void {
    this.#limits = { ...this.#limits, ...limits };
  }

  /** Forgets what was received and not reported. */
  discard(): void {
    this.#piece = this.#text = "";
    this.#bytes.clear();
    this.#spoilt = undefined;
    this.#reset();
  }

  /** What was received and not reported, octet for octet, and no longer to be read here: it is no XML yet (R-GEN-21). */
  takeRest(): Uint8Array {
    const text = new TextEncoder().encode(this.#piece + this.#text); // decoded strictly, so that this gives what was there
    const rest = concatBytes(text, this.#spoilt ?? new Uint8Array(0), this.#bytes.take(this.#bytes.length));
    this.discard();
    return rest;
  }

  /**
   * The next event, or `undefined` until more octets come or, when `busy`, until it is called again.
   *
   * @throws {StreamViolation} and again at every later call.
   */
  next(): StreamEvent<E> | undefined {
    if (this.#failure) throw this.#failure;
    try {
      return this.#advance();
    } catch (error) {
      this.#failure = error as StreamViolation;
      this.discard();
      throw error;
    }
  }

  #advance(): StreamEvent<E> | undefined {
    for (let budget = BUDGET; budget > 0; ) {
      if (this.#piece === "") {
        if (this.#text === "" && !this.#decode()) return undefined;
        if (this.#skipSpace()) continue;
        this.#cut();
        if (this.#isClose()) return { type: "close" };
      }
      const part = this.#piece.slice(0, budget);
      this.#piece = this.#piece.slice(part.length);
      budget -= part.length;
      this.#parser ??= new ElementParser(this.#adapter, this.#limits, this.#scope);
      this.#parser.write(part);
      const { event, scope } = this.#parser;
      if (this.#piece !== "" || event === undefined) continue;
      this.#scope = scope;
      this.#reset();
      return event;
    }
    return undefined;
  }

  /** Nothing of the next element has been seen. */
  get #between(): boolean {
    return this.#size === 0;
  }

  #reset(): void {
    this.#parser = undefined;
    this.#size = 0;
    this.#inCData = false;
    this.#quote = "";
  }

  /** Decodes up to the last `>`, so that no character is cut in two. */
  #decode(): boolean {
    if (this.#spoilt) throw new StreamViolation("not-well-formed", "ill-formed UTF-8");
    this.#checkFirst(this.#bytes.first);
    const end = this.#bytes.lastIndexOf(GREATER) + 1;
    if (end === 0) {
      if (this.#spaceAllowed) this.#bytes.skipSpace();
      this.#bytes.settle();
      this.#checkSize(this.#bytes.length);
      return false;
    }
    const bytes = this.#bytes.take(end);
    try {
      this.#text = utf8.decode(bytes);
    } catch {
      // What comes before the fault is dealt with first, as if it had come alone.
      const count = goodPart(bytes);
      this.#text = utf8.decode(bytes.subarray(0, count));
      this.#spoilt = bytes.slice(count);
      if (this.#text === "") throw new StreamViolation("not-well-formed", "ill-formed UTF-8");
    }
    return true;
  }

  /** No header begins like this: whoever speaks TLS or HTTP here is told at once, and not when his time is up. */
  #checkFirst(octet: number | undefined): void {
    if (this.#scope || !this.#between || octet === undefined || octet === LESS || isSpace(octet)) return;
    throw new StreamViolation("not-well-formed", "something else than XML");
  }

  /**
   * White space between elements is allowed, means nothing (RFC 6120 §4.6.1) and costs nothing. Before the header of a
   * restarted stream it belongs to what came before: clients that end each element with a line end have sent it already.
   */
  get #spaceAllowed(): boolean {
    return this.#between && (this.#scope !== undefined || this.#restarted);
  }

  #skipSpace(): boolean {
    if (!this.#spaceAllowed) return false;
    const start = this.#text.search(/[^ \t\r\n]/);
    if (start !== 0) this.#text = start < 0 ? "" : this.#text.slice(start);
    if (this.#text === "") return true;
    if (this.#scope && this.#text[0] !== "<") throw new StreamViolation("bad-format", "text between elements");
    return false;
  }

  /** Cuts off the next piece: at most up to where an event can occur. */
  #cut(): void {
    const depth = this.#parser?.depth ?? 0;
    const end = depth === 0 ? this.#endOfTag() : this.#endOfElement(depth);
    const piece = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    // saxes would see a DTD only at its end. The XML declaration is its to judge.
    if ((this.#between || !this.#scope) && /^[ \t\r\n]*<[!?](?!xml[ \t\r\n])/.test(piece)) {
      throw new StreamViolation("restricted-xml", "DTD, comment or processing instruction");
    }
    const size = octets(piece);
    this.#checkSize(size);
    this.#size += size;
    this.#checkReferences(piece);
    this.#piece = piece;
  }

  /** Outside of elements a tag is what matters; in its quotes, `>` ends nothing. */
  #endOfTag(): number {
    for (let i = 0; i < this.#text.length; i++) {
      const c = this.#text[i] as string;
      if (this.#quote !== "") {
        if (c === this.#quote) this.#quote = "";
      } else if (c === '"' || c === "'") {
        this.#quote = c;
      } else if (c === ">") {
        return i + 1;
      }
    }
    return this.#text.length;
  }

  /** Inside, nothing is over before there have been as many end tags as there are open elements. */
  #endOfElement(depth: number): number {
    endOrCData.lastIndex = 0;
    for (let left = depth, inCData = this.#inCData; ; ) {
      if (inCData) {
        const end = this.#text.indexOf("]]>", endOrCData.lastIndex);
        if (end < 0) return this.#text.length;
        endOrCData.lastIndex = end + 3;
      }
      const found = endOrCData.exec(this.#text)?.[0];
      if (found === undefined) return this.#text.length;
      inCData = found.startsWith("<!");
      if (!inCData && --left === 0) return endOrCData.lastIndex;
    }
  }

  /** The end of the stream has no element to be the end of. */
  #isClose(): boolean {
    if (this.#closed) throw new StreamViolation("not-well-formed", "something behind the end of the stream");
    if (this.#parser || !this.#scope || !this.#piece.startsWith("</")) return false;
    const { name } = this.#scope;
    const rest = this.#piece.slice(2 + name.length);
    if (!this.#piece.startsWith(name, 2) || !/^[ \t\r\n]*>$/.test(rest)) {
      throw new StreamViolation("not-well-formed", "an end tag of nothing");
    }
    this.#piece = "";
    this.#closed = true;
    this.#reset();
    return true;
  }

  #checkSize(more: number): void {
    if (this.#size + more > this.#limits.maxElementBytes) {
      throw new StreamViolation("policy-violation", `more than ${this.#limits.maxElementBytes} octets in one element`);
    }
  }

  /** saxes waits for the semicolon of a reference for ever; a piece ends with `>`, and no reference goes on behind that. */
  #checkReferences(piece: string): void {
    const opened = piece.lastIndexOf("<![CDATA[");
    const open = this.#inCData || opened >= 0;
    if (!open && piece.lastIndexOf("&") > piece.lastIndexOf(";")) {
      throw new StreamViolation("not-well-formed", "a reference without an end");
    }
    this.#inCData = open && opened >= piece.lastIndexOf("]]>");
  }
}

/**
 * Reads one complete element, as a WebSocket message holds it (RFC 7395 §3.3.3), as strictly as a stream.
 *
 * @throws {StreamViolation}
 */
export function parseElement<E>(xml: string, adapter: XMLAdapter<E>, limits?: Partial<XMLLimits>): E {
  if (/\p{Surrogate}/u.test(xml)) throw new StreamViolation("not-well-formed", "lone surrogate");
  const reader = new XMLStreamReader(adapter, limits);
  const encoder = new TextEncoder();
  reader.push(encoder.encode("<stream>"));
  reader.next();
  reader.push(encoder.encode(xml));
  let event = reader.next();
  while (event === undefined && reader.busy) event = reader.next();
  if (event?.type !== "element" || reader.pending)
    throw new StreamViolation("not-well-formed", "not one whole element");
  return event.element;
}

/** Octets of a text in UTF-8; of well-formed text. */
function octets(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) count += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return count;
}

/** How many octets can be decoded, up to the last `>` before the first fault. */
function goodPart(bytes: Uint8Array): number {
  // U+FFFD takes the place of a fault, and is not what was there.
  const repaired = new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  const fault = bytes.findIndex((octet, index) => octet !== repaired[index]);
  return bytes.subarray(0, fault).lastIndexOf(GREATER) + 1;
}
