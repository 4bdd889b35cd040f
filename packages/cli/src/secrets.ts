/**
 * Passwords and tokens: from a file, from standard input or from a terminal; never from the command line.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { addAbortSignal, type Readable, Writable } from "node:stream";
import { CommandError, usageError } from "./errors.js";
import { unreadable } from "./passwd-file.js";

const MAX_SECRET_BYTES = 65_536;

/** Text of a file that holds one secret, without the line end behind it. @throws {CommandError} */
export async function secretFromFile(path: string, signal?: AbortSignal): Promise<string> {
  let octets: Uint8Array;
  try {
    octets = await readFile(path, { signal });
  } catch (error) {
    throw unreadable(path, error);
  }
  return secretText(octets, path);
}

/** All of a stream as one secret. @param signal ends the wait, and the stream. @throws {CommandError} */
export async function secretFromStream(input: Readable, signal?: AbortSignal): Promise<string> {
  if (signal) addAbortSignal(signal, input);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const octets = Buffer.from(chunk);
    size += octets.length;
    if (size > MAX_SECRET_BYTES) break;
    chunks.push(octets);
  }
  return secretText(size > MAX_SECRET_BYTES ? new Uint8Array(size) : Buffer.concat(chunks), "standard input");
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

/** Asks on a terminal without echo. @throws {CommandError} when there is no terminal, or no answer. */
export async function askPassword(prompt: string, input: Readable, output: Writable): Promise<string> {
  if (!isTerminal(input)) {
    throw usageError("no password: give --password-file FILE or --password-stdin, or run this on a terminal");
  }
  output.write(`${prompt} `);
  try {
    const password = await silentLine(input);
    if (password === "") throw usageError("no password was given");
    return password;
  } finally {
    output.write("\n");
  }
}

/** One line of a terminal, which can be edited while it is typed. Rejects at its end (Ctrl-D) and on Ctrl-C. */
function silentLine(input: Readable): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // As a terminal, whatever the output is: it is the input's echo that is switched off.
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  return new Promise((resolve, reject) => {
    const refuse = (): void => {
      reject(usageError("no password was given"));
      lines.close();
    };
    lines
      .once("line", (line) => {
        resolve(line);
        lines.close();
      })
      .once("SIGINT", refuse)
      .once("error", refuse)
      .once("close", refuse);
  });
}
