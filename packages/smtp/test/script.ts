import type { ChannelBinding } from "sasl-core";
import { SASLFailure } from "sasl-core";
import type { LineTransport } from "sasl-lines";

/** A transport whose peer says these lines, one for each read, and keeps what is written. */
export class Script implements LineTransport {
  readonly secure: boolean;
  readonly channelBinding: ChannelBinding | undefined = undefined;
  readonly sent: string[] = [];
  /** Octets that have arrived behind the last line. */
  trailing = 0;
  readonly #lines: string[];

  constructor(lines: readonly string[], secure = true) {
    this.#lines = [...lines];
    this.secure = secure;
  }

  get buffered(): number {
    return this.#lines.length === 0 ? this.trailing : 0;
  }

  async readLine(): Promise<string> {
    const line = this.#lines.shift();
    if (line === undefined) throw new SASLFailure("connection-lost", "the script is over");
    return line;
  }

  write(text: string): void {
    this.sent.push(text);
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const b64 = (text: string): string => Buffer.from(text).toString("base64");

/** What a promise came to: its value, or the code of its error. */
export const settled = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: { code?: unknown }) => error.code ?? error,
  );
