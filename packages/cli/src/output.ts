/**
 * Where a command reads and writes, and how it says things.
 *
 * @module
 */
import type { Readable, Writable } from "node:stream";
import { Table } from "console-table-printer";
import { type ErrorReport, oneLine } from "./errors.js";

/** The command's surroundings; the real ones are those of the process. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Asks a server to stop. Left out: SIGINT, SIGTERM and SIGHUP do. */
  readonly stop?: AbortSignal | undefined;
}

/**
 * One JSON value as one line without its end. What a terminal could take for a command or for the direction of writing,
 * and JSON lets stand, is escaped too.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => {
      return `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }).join(""),
  );
}

/** One JSON value as one line. */
export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${jsonLine(value)}\n`);
}

/** The strength of a security layer, for people. */
export function inBits(ssf: number): string {
  return ssf === 1 ? "1 bit: integrity alone" : `${ssf} bits`;
}

/** An error as the one line it is. */
export function printError(io: Io, command: string, { text, peer }: ErrorReport): void {
  const said = peer === undefined || text.includes(peer) ? "" : ` (the server said: ${peer})`;
  io.stderr.write(`${oneLine(`${command}: ${text}${said}`)}\n`);
}

/** A table for people: one object for each row, its keys are the columns in the order of `titles`. */
export function formatTable<K extends string>(
  titles: Readonly<Record<K, string>>,
  rows: readonly Readonly<Record<K, string>>[],
): string {
  const table = new Table({
    shouldDisableColors: true,
    style: borderless,
    columns: Object.entries(titles).map(([name, title]) => ({
      name,
      title: String(title),
      alignment: "left" as const,
    })),
    rows: rows.map((row) => ({ ...row })),
  });
  const lines = table.render().split("\n");
  return `${lines
    .map((line) => line.trimEnd().slice(1))
    .filter((line) => line !== "")
    .join("\n")}\n`;
}

const noLine = { left: "", right: "", mid: "", other: "" };
const borderless = {
  headerTop: noLine,
  headerBottom: { left: " ", right: "", mid: " ", other: "─" },
  tableBottom: noLine,
  vertical: " ",
};
