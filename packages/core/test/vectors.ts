/**
 * The vectors in `vectors/`, typed just far enough: every file has the same frame, its inputs and results are its own.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** One SASL message; base64 and framing of the protocol are gone. */
export interface VectorMessage {
  /** Who says it: the client or the server. */
  readonly from: "C" | "S";
  /** The payload in Base64; `""` is an empty message that is sent, `null` stands for any. */
  readonly b64: string | null;
  /** The same payload as text, where it is UTF-8. For people. */
  readonly text?: string;
  readonly note?: string;
}

/** One exchange or one computation, from a document or computed after one. */
export interface Vector<Inputs = Record<string, unknown>, Result = Record<string, unknown>> {
  /** Unique in its file; starts with `computed-` where no document publishes it. */
  readonly id: string;
  /** Document and section. */
  readonly source: string;
  /** What goes in. `null` or absent: not used. */
  readonly inputs: Inputs;
  readonly messages: readonly VectorMessage[];
  /** Intermediate values on the way to the messages. */
  readonly derived?: Readonly<Record<string, unknown>>;
  /** Values the messages carry. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** The same exchange as lines of one protocol. */
  readonly wire?: { readonly protocol: string; readonly lines: readonly string[] };
  readonly result: Result;
  /** `"syntax"`: only the form was checked. `false`: the note says why. */
  readonly verified: boolean | "syntax";
  readonly computed?: boolean;
  readonly note?: string;
}

/** What an exchange comes to. */
export interface Outcome {
  readonly outcome: "success" | "failure" | "error" | "undefined";
}

/** One file of vectors. */
export interface VectorFile<Inputs = Record<string, unknown>, Result = Record<string, unknown>> {
  readonly mechanism: string;
  readonly note?: string;
  readonly verified_how?: string;
  readonly vectors: readonly Vector<Inputs, Result>[];
}

/**
 * The vectors of one file.
 *
 * @param name the file's name without `.json`, such as `"plain-more"`.
 * @throws when there is no such file.
 */
export function loadVectors<Inputs = Record<string, unknown>, Result = Record<string, unknown>>(
  name: string,
): readonly Vector<Inputs, Result>[] {
  return (loadVectorData(name) as VectorFile<Inputs, Result>).vectors;
}

/** The whole content of one file, for those that are no list of vectors (`"otp-words"`). */
export function loadVectorData(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), "utf8"));
}
