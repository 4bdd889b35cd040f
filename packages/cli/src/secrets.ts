/**
 * Passwords and tokens: from a file, from standard input or from a terminal; never from the command line.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { CommandError, usageError } from "./errors.js";
import { unreadable } from "./passwd-file.js";

const MAX_SECRET_BYTES = 65_536;

/** Text of a file that holds one secret, without the line end behind it. @throws {CommandError} */
export async function secretFromFile(path: string): Promise<string> {
  let octets: Uint8Array;
  try {
    octets = await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  return secretText(octets, path);
}

/** All of a stream as one secret. @throws {CommandError} */
export async function secretFromStream(input: Readable): Promise<string> {
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

/** Asks on a terminal without echo. @throws {CommandError} when there is no terminal to ask on. */
export async function askPassword(prompt: string, input: Readable, output: Writable): Promise<string> {
  if ((input as { isTTY?: boolean }).isTTY !== true) {
    throw usageError("no password: give --password-file FILE or --password-stdin, or run this on a terminal");
  }
  const { read } = await import("read");
  let password: string;
  try {
    password = await read({ prompt, silent: true, input, output });
  } catch {
    throw usageError("no password was given");
  } finally {
    output.write("\n");
  }
  if (password === "") throw usageError("no password was given");
  return password;
}
