/**
 * Parses one thing of a stream: its header, or one element. The parser is saxes; here it is kept within limits, away
 * from what RFC 6120 §11.1 forbids, and made to build elements through the application's adapter. One is made for each
 * element and let go with it, so that a connection that waits holds no parser.
 *
 * @module
 */
import { SaxesParser, type SaxesTagNS } from "saxes";
import type { XMLAdapter } from "../element.js";
import { NS_CLIENT, NS_STREAM } from "../namespaces.js";
import { StreamViolation } from "./conditions.js";
import type { StreamEvent, StreamHeader, XMLLimits } from "./framing.js";

/** What of a header holds for everything in the stream. */
export interface StreamScope {
  /** Name of the root as written, prefix and all. */
  readonly name: string;
  /** Namespaces by prefix; the empty prefix is the default. */
  readonly namespaces: ReadonlyMap<string, string>;
}

interface OpenElement<E> {
  readonly tag: SaxesTagNS;
  readonly children: (E | string)[];
}

/** For one header (without a scope) or one element (within the scope of its stream). */
export class ElementParser<E> {
  readonly #adapter: XMLAdapter<E>;
  readonly #limits: XMLLimits;
  readonly #saxes: SaxesParser<{ xmlns: true; position: false }>;
  readonly #stack: OpenElement<E>[] = [];
  #attributes = 0;
  #elements = 0;
  #event: StreamEvent<E> | undefined;
  #scope: StreamScope | undefined;

  constructor(adapter: XMLAdapter<E>, limits: XMLLimits, scope?: StreamScope) {
    this.#adapter = adapter;
    this.#limits = limits;
    this.#scope = scope;
    this.#saxes = new SaxesParser({
      xmlns: true,
      position: false,
      fragment: scope !== undefined,
      ...(scope && { resolvePrefix: (prefix: string) => scope.namespaces.get(prefix) }),
    });
    this.#listen();
  }

  /** Elements that are open now. */
  get depth(): number {
    return this.#stack.length;
  }

  /** What was found; nothing may be written after that. */
  get event(): StreamEvent<E> | undefined {
    return this.#event;
  }

  /** The scope given, or the one the header made. */
  get scope(): StreamScope | undefined {
    return this.#scope;
  }

  /**
   * Takes a part of what is parsed, cut anywhere.
   *
   * @throws {StreamViolation}
   */
  write(part: string): void {
    try {
      this.#saxes.write(part);
    } catch (error) {
      throw asViolation(error);
    }
  }

  #listen(): void {
    const saxes = this.#saxes;
    const restricted = () => {
      throw new StreamViolation("restricted-xml", "DTD, comment or processing instruction");
    };
    saxes.on("doctype", restricted);
    saxes.on("comment", restricted);
    saxes.on("processinginstruction", restricted);
    if (this.#scope === undefined) saxes.on("xmldecl", checkDeclaration);
    saxes.on("opentagstart", () => this.#begin());
    saxes.on("attribute", () => {
      if (++this.#attributes > this.#limits.maxAttributes) {
        throw new StreamViolation("policy-violation", `more than ${this.#limits.maxAttributes} attributes`);
      }
    });
    saxes.on("opentag", (tag) => this.#open(tag));
    const text = (chunk: string) => {
      const parent = this.#stack.at(-1);
      if (parent) appendText(parent.children, chunk);
    };
    saxes.on("text", text);
    saxes.on("cdata", text);
    saxes.on("closetag", () => this.#close());
  }

  #begin(): void {
    const { maxElements, maxDepth } = this.#limits;
    this.#attributes = 0;
    if (++this.#elements > maxElements) {
      throw new StreamViolation("policy-violation", `more than ${maxElements} elements in one`);
    }
    if (this.#stack.length >= maxDepth) throw new StreamViolation("policy-violation", `nested deeper than ${maxDepth}`);
  }

  #open(tag: SaxesTagNS): void {
    if (this.#scope) {
      this.#stack.push({ tag, children: [] });
    } else if (tag.isSelfClosing) {
      throw new StreamViolation("bad-format", "a stream that ends where it begins");
    } else {
      this.#scope = scopeOf(tag);
      this.#event = { type: "open", header: headerOf(tag) };
    }
  }

  #close(): void {
    const { tag, children } = this.#stack.pop() as OpenElement<E>;
    const element = this.#adapter.create(tag.local, tag.uri, attributesOf(tag), children);
    const parent = this.#stack.at(-1);
    if (parent) parent.children.push(element);
    else this.#event = { type: "element", element };
  }
}

/** Kept as long as the stream lasts: with constants for what every stream has, or each would keep its header's text. */
function scopeOf(tag: SaxesTagNS): StreamScope {
  const usual = (text: string): string => usualTexts.find((each) => each === text) ?? text;
  const namespaces = Object.entries(tag.ns).map(([prefix, uri]) => [usual(prefix), usual(uri)] as const);
  return { name: usual(tag.name), namespaces: new Map(namespaces) };
}

const usualTexts: readonly string[] = ["stream:stream", "stream", NS_STREAM, NS_CLIENT];

/** RFC 6120 §11.5, §11.6. */
function checkDeclaration({ version, encoding = "utf-8" }: { version?: string; encoding?: string }): void {
  if (version !== "1.0") throw new StreamViolation("not-well-formed", "XML of another version");
  if (encoding.toLowerCase() !== "utf-8") throw new StreamViolation("unsupported-encoding", "not UTF-8");
}

/** Names are compared by namespace, whatever the prefix (RFC 6120 §11.3). */
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
  return /doctype|comment|undefined entity|processing instruction/.test(words)
    ? new StreamViolation("restricted-xml", "DTD, comment, processing instruction or entity")
    : new StreamViolation("not-well-formed", "ill-formed XML");
}
