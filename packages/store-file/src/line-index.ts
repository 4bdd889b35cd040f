/**
 * Where each account's lines are in the content of a passwd-file, without holding anything of them but the names.
 */
import { Buffer } from "node:buffer";
import { passwdLineOf } from "sasl-formats";
import { Pace } from "./pace.js";

const lf = 0x0a;
const cr = 0x0d;
const colon = 0x3a;
const hashSign = 0x23;
/** What some editors write in front of UTF-8. It stays where it is, and is part of no name. */
const byteOrderMark: Buffer = Buffer.of(0xef, 0xbb, 0xbf);

/** Clients take no fewer (RFC 7677 §4), and nobody asks for more. */
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 10_000_000;

/** New lines for an account, none to remove it. */
export type LineChanges = ReadonlyMap<string, readonly string[]>;

export class LineIndex {
  readonly content: Buffer;
  /** Start of each line, and at last the end of the content. */
  #starts: Uint32Array = new Uint32Array(1024);
  /** For each line the one before of the same account, or -1. */
  #previous: Int32Array = new Int32Array(1024);
  #lines = 0;
  /** By name: twice the number of its last line, and 1 more when one of its lines is a main one. */
  readonly #last: Map<string, number> = new Map();
  #size = 0;
  readonly #iterations: Set<number> = new Set();

  private constructor(content: Buffer) {
    this.content = content;
  }

  /** @param content neither changed nor copied. */
  static async build(content: Buffer): Promise<LineIndex> {
    const index = new LineIndex(content);
    const pace = new Pace();
    const marked = content.subarray(0, 3).equals(byteOrderMark);
    for (let start = marked ? 3 : 0; start < content.length; ) {
      const newline = content.indexOf(lf, start);
      const end = newline < 0 ? content.length : newline;
      index.#add(start, end);
      start = end + 1;
      const turn = pace.step();
      if (turn !== undefined) await turn;
    }
    index.#starts = index.#starts.slice(0, index.#lines);
    index.#previous = index.#previous.slice(0, index.#lines);
    return index;
  }

  /** How many accounts there are. */
  get size(): number {
    return this.#size;
  }

  /** Iteration counts of verifiers, each once. */
  get iterations(): readonly number[] {
    return [...this.#iterations];
  }

  /** Whether there is an account of this name. */
  has(name: string): boolean {
    return (this.#last.get(name) ?? 0) % 2 === 1;
  }

  /** Names with an account, in the order their first lines were seen. */
  *names(): Generator<string> {
    for (const [name, last] of this.#last) if (last % 2 === 1) yield name;
  }

  /** Numbers of an account's lines, counted from 0, in order; `undefined` for a name without any. */
  linesOf(name: string): readonly number[] | undefined {
    const last = this.#last.get(name);
    if (last === undefined) return undefined;
    const lines: number[] = [];
    for (let line = last >> 1; line >= 0; line = this.#previous[line] ?? -1) lines.push(line);
    return lines.reverse();
  }

  /** A line without its end. */
  text(line: number): string {
    const { content } = this;
    let end = this.#startOf(line + 1);
    if (content[end - 1] === lf) end--;
    if (content[end - 1] === cr) end--;
    return content.toString("utf8", this.#starts[line], end);
  }

  /**
   * The content with other lines for some accounts: in the place of their first ones, or at the end. All other lines, those
   * of nobody too, stay octet by octet.
   */
  async replace(changes: LineChanges): Promise<Buffer> {
    const dropped: (readonly [line: number, insert: string])[] = [];
    const appended: string[] = [];
    const pace = new Pace();
    for (const [name, lines] of changes) {
      const text = lines.map((line) => `${line}\n`).join("");
      const [first, ...others] = this.linesOf(name) ?? [];
      if (first === undefined) appended.push(text);
      else dropped.push([first, text], ...others.map((line) => [line, ""] as const));
      const turn = pace.step();
      if (turn !== undefined) await turn;
    }
    dropped.sort(([a], [b]) => a - b);
    const pieces: Buffer[] = [];
    let from = 0;
    for (const [line, insert] of dropped) {
      pieces.push(this.content.subarray(from, this.#starts[line]));
      if (insert !== "") pieces.push(Buffer.from(insert));
      from = this.#startOf(line + 1);
    }
    pieces.push(this.content.subarray(from));
    if (appended.length > 0 && from < this.content.length && this.content.at(-1) !== lf) pieces.push(Buffer.of(lf));
    pieces.push(Buffer.from(appended.join("")));
    return Buffer.concat(pieces);
  }

  #startOf(line: number): number {
    return line < this.#lines ? (this.#starts[line] ?? 0) : this.content.length;
  }

  #add(start: number, end: number): void {
    const line = this.#lines++;
    if (line === this.#starts.length) {
      this.#starts = grown(this.#starts, new Uint32Array(2 * line));
      this.#previous = grown(this.#previous, new Int32Array(2 * line));
    }
    this.#starts[line] = start;
    this.#previous[line] = -1;
    const { content } = this;
    // Up to the colon behind the name; the marks of comments hold one more.
    const isComment = content[start] === hashSign;
    if (isComment && content[start + 1] !== colon) return;
    const name = content.indexOf(colon, isComment ? start + 2 : start);
    const nameEnd = name < 0 || name > end ? end : name;
    const whose = passwdLineOf(content.toString("utf8", start, nameEnd).replace(/\r$/, ""));
    if (whose === undefined) return;
    const before = this.#last.get(whose.name);
    if (before !== undefined) this.#previous[line] = before >> 1;
    const isMain = whose.main || (before ?? 0) % 2 === 1;
    if (isMain && (before ?? 0) % 2 === 0) this.#size++;
    this.#last.set(whose.name, 2 * line + (isMain ? 1 : 0));
    this.#count(whose.main ? nameEnd + 1 : content.indexOf(colon, nameEnd + 1) + 1, end);
  }

  /** Notes the count of a verifier at this place, if there is one. */
  #count(start: number, end: number): void {
    if (this.content[start] !== 0x7b) return;
    const text = this.content.toString("latin1", start, Math.min(end, start + 48));
    const iterations = Number(/^\{SCRAM-[^}]{1,16}\}([1-9][0-9]{3,7}),/i.exec(text)?.[1] ?? 0);
    if (iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS) this.#iterations.add(iterations);
  }
}

function grown<A extends Uint32Array | Int32Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
