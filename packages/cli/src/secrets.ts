/**
 * Passwords and tokens: from a file, from standard input or from a terminal; never from the command line.
 *
 * @module
 */
import { constants, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { addAbortSignal, type Readable, Writable } from "node:stream";
import { CommandError, usageError } from "./errors.js";
import { unreadable } from "./files.js";
import type { Io } from "./output.js";

const MAX_SECRET_BYTES = 65_536;

/** Text of a file that holds one secret, without the line end behind it. @throws {CommandError} */
export async function secretFromFile(path: string, signal?: AbortSignal): Promise<string> {
  let octets: Uint8Array;
  try {
    const pipe = (await stat(path)).isFIFO() ? openPipe(path) : undefined;
    if (pipe) return await secretFromStream(pipe, signal, path);
    octets = await readFile(path, { signal });
  } catch (error) {
    throw error instanceof CommandError ? error : unreadable(path, error);
  }
  return secretText(octets, path);
}

/** A thread that waits until somebody opens the other end would outlast the run: nothing can stop it. */
function openPipe(path: string): Readable {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

/**
 * All of a stream as one secret.
 *
 * @param signal ends the wait, and the stream.
 * @param where what to call it in errors.
 * @throws {CommandError}
 */
export async function secretFromStream(
  input: Readable,
  signal?: AbortSignal,
  where: string = "standard input",
): Promise<string> {
  if (signal) addAbortSignal(signal, input);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const octets = Buffer.from(chunk);
    size += octets.length;
    if (size > MAX_SECRET_BYTES) break;
    chunks.push(octets);
  }
  return secretText(size > MAX_SECRET_BYTES ? new Uint8Array(size) : Buffer.concat(chunks), where);
}

function secretText(octets: Uint8Array, where: string): string {
  if (octets.length > MAX_SECRET_BYTES) {
    throw new CommandError("malformed-file", `${where}: a secret of more than ${MAX_SECRET_BYTES} octets`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new CommandError("malformed-file", `${where}: the secret is not UTF-8`);
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new CommandError("malformed-file", `${where}: the secret is empty`);
  return secret;
}

/** Whether there is somebody at the other end who could be asked. */
export function isTerminal(input: Readable): boolean {
  return (input as { isTTY?: boolean }).isTTY === true;
}

/** Where a password comes from, as the argument parser gives it. */
export interface SecretOptions {
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
}

/** The password from where the options say, or else asked for. @throws {CommandError} */
export async function passwordOf(options: SecretOptions, prompt: string, io: Io): Promise<string> {
  return (await givenPassword(options, io)) ?? (await askPassword(prompt, io.stdin, io.stderr));
}

/** A password that becomes somebody's: asked for twice. @throws {CommandError} */
export async function newPassword(options: SecretOptions, prompt: string, io: Io): Promise<string> {
  const given = await givenPassword(options, io);
  if (given !== undefined) return given;
  const [first, second] = await askPasswords([prompt, "The same again:"], io.stdin, io.stderr);
  if (first !== second) throw usageError("the two passwords are not the same; nothing was changed");
  return first as string;
}

async function givenPassword({ passwordFile, passwordStdin }: SecretOptions, io: Io): Promise<string | undefined> {
  if (passwordFile !== undefined && passwordStdin) {
    throw usageError("--password-file and --password-stdin exclude each other");
  }
  if (passwordFile !== undefined) return secretFromFile(passwordFile);
  return passwordStdin ? secretFromStream(io.stdin) : undefined;
}

/** Asks on a terminal without echo. @throws {CommandError} when there is no terminal, or no answer. */
export async function askPassword(prompt: string, input: Readable, output: Writable): Promise<string> {
  const [password] = await askPasswords([prompt], input, output);
  return password as string;
}

/** As many answers as prompts. */
async function askPasswords(prompts: readonly string[], input: Readable, output: Writable): Promise<string[]> {
  if (!isTerminal(input)) {
    throw usageError("no password: give --password-file FILE or --password-stdin, or run this on a terminal");
  }
  const lines = new SilentLines(input);
  const answers: string[] = [];
  try {
    for (const prompt of prompts) {
      output.write(`${prompt} `);
      const password = await lines.next().finally(() => output.write("\n"));
      if (password === "") throw usageError("no password was given");
      answers.push(password);
    }
    return answers;
  } finally {
    lines.close();
  }
}

/** Lines of a terminal, which can be edited while they are typed. */
class SilentLines {
  readonly #lines: Interface;
  /** Typed ahead. */
  readonly #ready: string[] = [];
  #ended = false;
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;

  constructor(input: Readable) {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const end = (): void => {
      this.#ended = true;
      this.#waiting?.reject(usageError("no password was given"));
      this.close();
    };
    // As a terminal, whatever the output is: it is the input's echo that is switched off.
    this.#lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 })
      .on("line", (line) => {
        if (this.#waiting) this.#waiting.resolve(line);
        else this.#ready.push(line);
        this.#waiting = undefined;
      })
      .once("SIGINT", end)
      .once("error", end)
      .once("close", end);
  }

  /** Rejects at the end of the input (Ctrl-D) and on Ctrl-C. */
  next(): Promise<string> {
    const line = this.#ready.shift();
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve, reject) => {
      if (this.#ended) reject(usageError("no password was given"));
      else this.#waiting = { resolve, reject };
    });
  }

  close(): void {
    this.#lines.close();
  }
}
