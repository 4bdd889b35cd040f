/**
 * Literals of Lua, as far as Prosody writes them: nothing is evaluated, and a text that is more than a literal is refused.
 * Source: Lua 5.4 Reference Manual §3.1, §3.4.9; `util.serialization` of Prosody.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { FormatError } from "./parts.js";

/** A string of Lua is octets; a table has its fields by name, those without one by number. */
export type LuaValue = Uint8Array | number | boolean | null | ReadonlyMap<string, LuaValue>;

const MAX_DEPTH = 16;

/**
 * Reads `return { … };`, at most 1 million characters.
 *
 * @throws {FormatError} for anything but one literal; the time taken grows with the length alone.
 */
export function parseLua(text: string): LuaValue {
  if (text.length > 1_000_000) throw new FormatError("a Lua file that is too long");
  const reader = new Reader(text);
  if (!reader.take(/return\b/y)) throw reader.fault("return");
  const value = reader.value(0);
  reader.take(/;/y);
  if (!reader.atEnd()) throw reader.fault("the end");
  return value;
}

/** A string literal in ASCII, as Prosody writes it: controls, quotes and what is no ASCII as `\ddd`. */
export function formatLuaString(octets: Uint8Array): string {
  return `"${Array.from(octets, escaped).join("")}"`;
}

const shortEscapes: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["b", 8],
  ["t", 9],
  ["n", 10],
  ["v", 11],
  ["f", 12],
  ["r", 13],
  ["\\", 0x5c],
  ['"', 0x22],
  ["'", 0x27],
  ["\n", 10],
]);

const quotedOctets: ReadonlySet<number> = new Set([0x22, 0x27, 0x5c]);

function escaped(octet: number): string {
  if (octet < 0x20 || octet > 0x7e) return `\\${String(octet).padStart(3, "0")}`;
  return quotedOctets.has(octet) ? `\\${String.fromCharCode(octet)}` : String.fromCharCode(octet);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The match of a sticky pattern here, after spaces; what it matched is behind us then. */
  take(pattern: RegExp, spaces = true): RegExpExecArray | null {
    if (spaces) this.take(/[ \t\r\n]*/y, false);
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  atEnd(): boolean {
    this.take(/(?:)/y);
    return this.#at === this.#text.length;
  }

  fault(expected: string): FormatError {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new FormatError(`not ${expected}, which a Lua literal has to have here (line ${line})`);
  }

  value(depth: number): LuaValue {
    if (this.take(/\{/y)) return this.#table(depth + 1);
    const quote = this.take(/["']/y);
    if (quote !== null) return this.#string(quote[0]);
    const word = this.take(/(?:true|false|nil)\b/y);
    if (word !== null) return word[0] === "nil" ? null : word[0] === "true";
    const number = this.take(/-?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?(?![\w.])/y);
    if (number !== null) return Number(number[0]);
    throw this.fault("a value");
  }

  #table(depth: number): ReadonlyMap<string, LuaValue> {
    if (depth > MAX_DEPTH) throw new FormatError("Lua tables that are nested too deep");
    const fields = new Map<string, LuaValue>();
    let position = 1;
    while (!this.take(/\}/y)) {
      const name = this.#fieldName() ?? String(position++);
      fields.set(name, this.value(depth));
      if (this.take(/[;,]/y)) continue;
      if (this.take(/\}/y)) break;
      throw this.fault("; or }");
    }
    return fields;
  }

  #fieldName(): string | undefined {
    if (!this.take(/\[/y)) {
      const name = this.take(/([A-Za-z_]\w*)[ \t\r\n]*=(?!=)/y);
      return name?.[1];
    }
    const key = this.value(MAX_DEPTH);
    if (!this.take(/\][ \t\r\n]*=/y)) throw this.fault("] =");
    if (key instanceof Uint8Array) return Buffer.from(key).toString("latin1");
    if (typeof key === "number") return String(key);
    throw this.fault("a string or a number between [ and ]");
  }

  #string(quote: string): Uint8Array {
    const plain = quote === '"' ? /[^"\\\r\n]+/y : /[^'\\\r\n]+/y;
    const parts: Uint8Array[] = [];
    for (;;) {
      const run = this.take(plain, false);
      if (run !== null) parts.push(Buffer.from(run[0]));
      else if (this.take(/["']/y, false)) return Uint8Array.from(Buffer.concat(parts));
      else parts.push(this.#escape());
    }
  }

  #escape(): Uint8Array {
    const decimal = this.take(/\\(\d{1,3})/y, false);
    const hex = decimal === null ? this.take(/\\x([0-9A-Fa-f]{2})/y, false) : null;
    const short = hex === null && decimal === null ? this.take(/\\([\s\S])/y, false) : null;
    const octet = decimal ? Number(decimal[1]) : hex ? Number(`0x${hex[1]}`) : shortEscapes.get(short?.[1] ?? "");
    if (octet === undefined || octet > 255) throw this.fault("an escape or the end of a string");
    return Uint8Array.of(octet);
  }
}
