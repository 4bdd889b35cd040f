/**
 * Reads a stream of XML as it arrives, strictly: well-formed, in namespaces, nothing of what RFC 6120 §11.1 forbids,
 * within limits. The parser is saxes; this file cuts its input so that no octet behind an element is looked at before
 * the element has been dealt with (restart, STARTTLS), and builds elements through the application's adapter.
 *
 * @module
 */
import { SaxesParser, type SaxesTagNS } from "saxes";
import type { XMLAdapter } from "../element.js";
import { NS_CLIENT, NS_STREAM } from "../namespaces.js";
import { StreamViolation } from "./conditions.js";
import { defaultXMLLimits, type StreamEvent, type StreamHeader, type XMLLimits } from "./framing.js";

type Parser = SaxesParser<{ xmlns: true; position: false }>;

/** Keeps no state between calls; U+FEFF is a character like any other (RFC 6120 §11.6). */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const GREATER = 0x3e;

/** What matters inside an element: its end tags, and CDATA, where nothing is a tag. Each alternative is linear. */
const endOrCData = /<!\[CDATA\[|<\/[^<>]*>/g;

/** UTF-16 units parsed in one go; more would keep the event loop from everything else (R-LIM-02). */
const BUDGET = 16_384;

interface OpenElement<E> {
  readonly tag: SaxesTagNS;
  readonly children: (E | string)[];
}

/** One direction of one connection, for as many streams as follow each other on it. */
export class XMLStreamReader<E> {
  readonly #adapter: XMLAdapter<E>;
  #limits: XMLLimits;
  #parser: Parser | undefined;
  /** Octets not decoded yet: what follows the last `>`. */
  #bytes = new ByteQueue();
  /** Decoded and not parsed yet; ends with `>`. */
  #text = "";
  #failure: StreamViolation | undefined;
  /** Set when octets behind `#text` are no UTF-8. */
  #poisoned = false;
  #sawHeader = false;
  /** Nothing of the next element has been seen. */
  #between = true;
  /** Octets of the present element or header that the parser has seen. */
  #size = 0;
  #attributes = 0;
  /** Elements within the present one. */
  #elements = 0;
  #inCData = false;
  /** The quote a tag stands in while its pieces come, if any. */
  #quote = "";
  /** Cut off and waiting for its turn. */
  #piece = "";
  #stack: OpenElement<E>[] = [];
  #event: StreamEvent<E> | undefined;

  constructor(adapter: XMLAdapter<E>, limits: Partial<XMLLimits> = {}) {
    this.#adapter = adapter;
    this.#limits = { ...defaultXMLLimits, ...limits };
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
    this.#limits = { ...this.#limits, ...limits };
    this.#parser = undefined;
    this.#sawHeader = false;
    this.#between = true;
    this.#size = 0;
    this.#inCData = false;
    this.#quote = "";
    this.#stack = [];
  }

  /** Forgets what was received and not reported. */
  discard(): void {
    this.#piece = this.#text = "";
    this.#bytes = new ByteQueue();
    this.#poisoned = false;
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
      this.#failure = asViolation(error);
      this.#parser = undefined;
      this.#stack = [];
      this.discard();
      throw this.#failure;
    }
  }

  #advance(): StreamEvent<E> | undefined {
    for (let budget = BUDGET; budget > 0; ) {
      if (this.#piece === "") {
        if (this.#text === "" && !this.#decode()) return undefined;
        if (this.#skipSpace()) continue;
        this.#piece = this.#cut();
        this.#check(this.#piece);
      }
      const part = this.#piece.slice(0, budget);
      this.#piece = this.#piece.slice(part.length);
      budget -= part.length;
      this.#parser ??= this.#start();
      this.#parser.write(part);
      if (this.#piece !== "" || this.#event === undefined) continue;
      const event = this.#event;
      this.#event = undefined;
      this.#between = true;
      this.#size = 0;
      return event;
    }
    return undefined;
  }

  /** Decodes up to the last `>`, so that no character is cut in two. */
  #decode(): boolean {
    if (this.#poisoned) throw new StreamViolation("not-well-formed", "ill-formed UTF-8");
    const end = this.#bytes.lastIndexOf(GREATER) + 1;
    if (end === 0) {
      const size = this.#between && this.#sawHeader ? this.#bytes.lengthWithoutSpace() : this.#bytes.length;
      this.#bytes.settle();
      this.#checkSize(size);
      return false;
    }
    const bytes = this.#bytes.take(end);
    try {
      this.#text = utf8.decode(bytes);
    } catch {
      // What comes before the fault is dealt with first, as if it had come alone.
      this.#text = goodPart(bytes);
      this.#poisoned = true;
      if (this.#text === "") throw new StreamViolation("not-well-formed", "ill-formed UTF-8");
    }
    return true;
  }

  /** White space between elements is allowed, means nothing (RFC 6120 §4.6.1) and costs nothing. */
  #skipSpace(): boolean {
    if (!this.#between || !this.#sawHeader) return false;
    const start = this.#text.search(/[^ \t\r\n]/);
    if (start !== 0) this.#text = start < 0 ? "" : this.#text.slice(start);
    if (this.#text === "") return true;
    if (this.#text[0] !== "<") throw new StreamViolation("bad-format", "text between elements");
    return false;
  }

  /** The next piece: at most up to where an event can occur. */
  #cut(): string {
    const end = this.#stack.length === 0 ? this.#endOfTag() : this.#endOfElement();
    const piece = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return piece;
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
  #endOfElement(): number {
    let left = this.#stack.length;
    endOrCData.lastIndex = 0;
    let inCData = this.#inCData;
    for (;;) {
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

  #check(piece: string): void {
    // saxes would see a DTD only at its end. The XML declaration is its to judge.
    if ((this.#between || !this.#sawHeader) && /^[ \t\r\n]*<[!?](?!xml[ \t\r\n])/.test(piece)) {
      throw new StreamViolation("restricted-xml", "DTD, comment or processing instruction");
    }
    this.#between = false;
    const size = octets(piece);
    this.#checkSize(size);
    this.#size += size;
    this.#checkReferences(piece);
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

  #checkSize(more: number): void {
    if (this.#size + more > this.#limits.maxElementBytes) {
      throw new StreamViolation("policy-violation", `more than ${this.#limits.maxElementBytes} octets in one element`);
    }
  }

  #start(): Parser {
    const parser: Parser = new SaxesParser({ xmlns: true, position: false });
    const restricted = () => {
      throw new StreamViolation("restricted-xml", "DTD, comment or processing instruction");
    };
    parser.on("doctype", restricted);
    parser.on("comment", restricted);
    parser.on("processinginstruction", restricted);
    parser.on("xmldecl", (declaration) => {
      if (declaration.version !== "1.0") throw new StreamViolation("not-well-formed", "XML of another version");
      const { encoding = "utf-8" } = declaration;
      if (encoding.toLowerCase() !== "utf-8") throw new StreamViolation("unsupported-encoding", "not UTF-8"); // §11.6
    });
    parser.on("opentagstart", () => {
      this.#attributes = 0;
      this.#elements = this.#stack.length === 0 ? 1 : this.#elements + 1;
      if (this.#elements > this.#limits.maxElements) {
        throw new StreamViolation("policy-violation", `more than ${this.#limits.maxElements} elements in one`);
      }
      if (this.#stack.length >= this.#limits.maxDepth) {
        throw new StreamViolation("policy-violation", `nested deeper than ${this.#limits.maxDepth}`);
      }
    });
    parser.on("attribute", () => {
      if (++this.#attributes > this.#limits.maxAttributes) {
        throw new StreamViolation("policy-violation", `more than ${this.#limits.maxAttributes} attributes`);
      }
    });
    parser.on("opentag", (tag) => {
      if (this.#sawHeader) this.#stack.push({ tag, children: [] });
      else if (tag.isSelfClosing) throw new StreamViolation("bad-format", "a stream that ends where it begins");
      else {
        this.#sawHeader = true;
        this.#event = { type: "open", header: headerOf(tag) };
      }
    });
    const text = (chunk: string) => {
      const parent = this.#stack.at(-1);
      if (parent) appendText(parent.children, chunk);
    };
    parser.on("text", text);
    parser.on("cdata", text);
    parser.on("closetag", () => this.#close());
    return parser;
  }

  #close(): void {
    const done = this.#stack.pop();
    if (done === undefined) {
      this.#event = { type: "close" };
      return;
    }
    const { tag, children } = done;
    const element = this.#adapter.create(tag.local, tag.uri, attributesOf(tag), children);
    const parent = this.#stack.at(-1);
    if (parent) parent.children.push(element);
    else this.#event = { type: "element", element };
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

/** RFC 6120 §4.8: names are compared by namespace, but the prefix of the stream is fixed where it is written. */
function headerOf(tag: SaxesTagNS): StreamHeader {
  const attributes: Record<string, string> = Object.create(null);
  for (const [name, { value, prefix }] of Object.entries(tag.attributes)) {
    if (name !== "xmlns" && prefix !== "xmlns") attributes[name] = value;
  }
  return { attributes, objection: objectionTo(tag) };
}

function objectionTo(tag: SaxesTagNS): StreamHeader["objection"] {
  if (tag.local !== "stream") return "bad-format";
  if (tag.uri !== NS_STREAM) return "invalid-namespace"; // §4.9.3.10
  return (tag.ns[""] ?? "") === NS_CLIENT ? undefined : "invalid-namespace"; // §4.8.2
}

/** Attributes with what their prefixes need to mean the same elsewhere. The object has no prototype (R-LIM-04). */
function attributesOf(tag: SaxesTagNS): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null);
  for (const [name, { value, prefix, uri }] of Object.entries(tag.attributes)) {
    if (name === "xmlns" || prefix === "xmlns") continue;
    attributes[name] = value;
    if (prefix !== "" && prefix !== "xml") attributes[`xmlns:${prefix}`] = uri;
  }
  return attributes;
}

function appendText(children: unknown[], text: string): void {
  if (typeof children.at(-1) === "string") children[children.length - 1] += text;
  else children.push(text);
}

/** saxes names its complaints in words alone; those about what RFC 6120 §11.1 forbids have a condition of their own. */
function asViolation(error: unknown): StreamViolation {
  if (error instanceof StreamViolation) return error;
  const words = error instanceof Error ? error.message : "";
  return /doctype|comment|entity\.|processing instruction/.test(words) && !/malformed character/.test(words)
    ? new StreamViolation("restricted-xml", "DTD, comment, processing instruction or entity")
    : new StreamViolation("not-well-formed", "ill-formed XML");
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

/** What can be decoded, up to the last `>` before the first fault. */
function goodPart(bytes: Uint8Array): string {
  // U+FFFD takes the place of a fault, and is not what was there.
  const repaired = new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  const fault = bytes.findIndex((octet, index) => octet !== repaired[index]);
  return utf8.decode(bytes.subarray(0, bytes.subarray(0, fault).lastIndexOf(GREATER) + 1));
}

/** Octets that wait. Grows by doubling, so that a drip of single octets costs no more than a flood. */
class ByteQueue {
  #buffer: Uint8Array = none;
  #start = 0;
  #end = 0;
  /** False while the buffer is the caller's, perhaps a small part of something big. */
  #own = true;
  /** Up to here there is no `>`. */
  #searched = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  push(chunk: Uint8Array): void {
    if (this.length === 0) {
      this.#buffer = chunk;
      this.#own = false;
      this.#start = this.#searched = 0;
      this.#end = chunk.length;
      return;
    }
    const needed = this.length + chunk.length;
    if (!this.#own || this.#end + chunk.length > this.#buffer.length) {
      const grown = new Uint8Array(this.#own ? needed * 2 : needed);
      grown.set(this.#buffer.subarray(this.#start, this.#end));
      this.#searched -= this.#start;
      this.#end = this.length;
      this.#start = 0;
      this.#buffer = grown;
      this.#own = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Index of the last such octet, counted from the first that waits, or -1. Looks at no octet twice for nothing. */
  lastIndexOf(octet: number): number {
    const fresh = this.#buffer.subarray(Math.max(this.#searched, this.#start), this.#end);
    const found = fresh.lastIndexOf(octet);
    const index = found < 0 ? -1 : found + Math.max(this.#searched, this.#start) - this.#start;
    this.#searched = this.#end;
    return index;
  }

  /** The first `count` octets, no longer waiting. Valid until the next `push`. */
  take(count: number): Uint8Array {
    const taken = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    return taken;
  }

  lengthWithoutSpace(): number {
    let at = this.#start;
    while (at < this.#end && isSpace(this.#buffer[at] as number)) at++;
    this.#start = at;
    return this.length;
  }

  /** Lets go of the caller's memory, for this may wait long. */
  settle(): void {
    if (this.#own) return;
    this.#buffer = this.length === 0 ? none : this.#buffer.slice(this.#start, this.#end);
    this.#end = this.length;
    this.#start = 0;
    this.#searched = this.#end;
    this.#own = true;
  }
}

const none = new Uint8Array(0);

function isSpace(octet: number): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09;
}
