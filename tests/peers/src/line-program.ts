/**
 * A program that is told lines and answers each with one: how authentication helpers are spoken to.
 *
 * @module
 */
import { createInterface } from "node:readline";
import type { Children } from "./children.js";

const patienceMs = 10_000;

/** A program at work. */
export class LineProgram {
  readonly #ask: (line: string) => Promise<string>;
  readonly #end: () => void;

  constructor(children: Children, command: string, args: readonly string[]) {
    const child = children.start(command, args);
    const waiting: ((line: string | undefined) => void)[] = [];
    const unread: string[] = [];
    let stderr = "";
    let ended = false;
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-2_000);
    });
    child.stdin.on("error", () => {}); // it may have ended
    child.on("error", () => {});
    createInterface({ input: child.stdout }).on("line", (line) => {
      const next = waiting.shift();
      if (next === undefined) unread.push(line);
      else next(line);
    });
    child.once("close", () => {
      ended = true;
      for (const each of waiting.splice(0)) each(undefined);
    });
    this.#ask = (line) =>
      new Promise((resolve, reject) => {
        const fail = (why: string): void => reject(new Error(`${command} ${why}: ${stderr.trim()}`));
        const timer = setTimeout(() => fail("does not answer"), patienceMs);
        const hear = (answer: string | undefined): void => {
          clearTimeout(timer);
          if (answer === undefined) fail("has ended");
          else resolve(answer);
        };
        child.stdin.write(`${line}\n`);
        if (unread.length > 0 || ended) hear(unread.shift());
        else waiting.push(hear);
      });
    this.#end = () => {
      child.stdin.end();
      child.kill();
    };
    this.tell = (line) => void child.stdin.write(`${line}\n`);
  }

  /** Says a line that is not answered. */
  readonly tell: (line: string) => void;

  /** Says a line. @returns the answer. @throws {Error} when none comes. */
  ask(line: string): Promise<string> {
    return this.#ask(line);
  }

  end(): void {
    this.#end();
  }
}
