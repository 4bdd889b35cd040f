/**
 * What the tests of the command share: running it in this process, and a server to run it against.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { memoryAccounts } from "sasl-core";
import { generate } from "selfsigned";
import { main } from "../src/main.js";
import { startServer, type TestServer, type TestServerOptions } from "../src/server/index.js";

/** What one run of the command came to. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The first line of standard output as JSON; `undefined` when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it and compare
  readonly json: any;
}

/** Runs the command in this process. */
export async function sasl(
  argv: readonly string[],
  options: { input?: string | Readable; terminal?: boolean; stop?: AbortSignal } = {},
): Promise<Run> {
  const stdout = new Collector();
  const stderr = new Collector();
  const { input = [], terminal = false } = options;
  const given = typeof input === "string" ? Readable.from([Buffer.from(input)]) : Readable.from(input);
  const stdin = terminal ? Object.assign(given, { isTTY: true }) : given;
  const code = await main(argv, { stdin, stdout, stderr, stop: options.stop });
  return { code, stdout: stdout.text, stderr: stderr.text, json: parsed(stdout.text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.split("\n")[0] as string);
  } catch {
    return undefined;
  }
}

/** Keeps what is written. */
export class Collector extends Writable {
  text = "";

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  /** Resolves when the text matches. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match) return match;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** A folder with files, removed by `remove()`. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), "sasl-cli-test-"));

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const password = "correct horse battery staple";

/** The usual server: everybody's password is {@link password}, but that of `bob`, which SASLprep changes. */
export function serveAll(options: Partial<TestServerOptions> = {}): Promise<TestServer> {
  const ports = { imap: 0, imaps: 0, smtp: 0, smtps: 0, xmpp: 0, xmpps: 0 };
  const accounts = memoryAccounts({ alice: password, carol: password, bob: "p\u00e4ssw\u00f6rd\u2011\u2603" });
  return startServer({ ports, accounts, ...options });
}

/** A certification authority and certificates of clients by it, PEM. */
export async function clientCertificates(
  clients: Readonly<Record<string, { commonName: string; emails: readonly string[] }>>,
): Promise<{ ca: string; clients: Record<string, { cert: string; key: string }> }> {
  const common = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
  const ca = await generate([{ name: "commonName", value: "test CA" }], {
    ...common,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  const made: Record<string, { cert: string; key: string }> = {};
  for (const [name, { commonName, emails }] of Object.entries(clients)) {
    const { cert, private: key } = await generate([{ name: "commonName", value: commonName }], {
      ...common,
      ca: { key: ca.private, cert: ca.cert },
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "extKeyUsage", clientAuth: true },
        ...(emails.length > 0
          ? [{ name: "subjectAltName" as const, altNames: emails.map((value) => ({ type: 1 as const, value })) }]
          : []),
      ],
    });
    made[name] = { cert, key };
  }
  return { ca: ca.cert, clients: made };
}

/** A self-signed certificate for one name alone, PEM. */
export async function serverCertificate(name: string): Promise<{ cert: string; key: string }> {
  const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: name }] }],
  });
  return { cert, key };
}
