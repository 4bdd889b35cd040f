/**
 * A mail fetcher: logs in to an IMAP server and lists the newest subjects.
 *
 *     SASL_PASSWORD=secret node dist/main.js imaps://alice@mail.example.org
 *
 * @module
 */
import { once } from "node:events";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isIP, connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { parseArgs } from "node:util";
import { type AuthenticationResult, type ClientPolicy, type SASLError, type TraceEvent, tracer } from "sasl-core";
import { authenticate, greet } from "sasl-imap";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-imap/mechanisms";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-imap/node";
import { subjectIn } from "./subject.js";

/** What to fetch, and as whom. */
export interface FetchOptions {
  /** `imaps://USER@HOST[:993]` for TLS at once, `imap://USER@HOST[:143]` for STARTTLS. */
  readonly url: string;
  readonly password: string;
  /** Issuer to trust in place of the usual ones, PEM. */
  readonly ca?: string | undefined;
  readonly channelBinding?: ClientPolicy["channelBinding"];
  /** Sees each message of the login, without its secrets. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
  /** How many subjects. Default 10. */
  readonly count?: number | undefined;
}

/** Logs in and reads the newest subjects, newest first. */
export async function fetchSubjects(
  options: FetchOptions,
): Promise<{ login: AuthenticationResult; subjects: string[] }> {
  const { protocol, hostname, port, username } = new URL(options.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const tls = { host, ca: options.ca, ...(isIP(host) ? {} : { servername: host }) };
  const signal = AbortSignal.timeout(30_000); // for the whole run

  // 1. A connection, with TLS from the start or by STARTTLS. Where neither can be had, `greet` throws.
  const direct = protocol === "imaps:";
  const at = { host, port: Number(port || (direct ? 993 : 143)) };
  const socket = direct ? tlsConnect({ ...tls, ...at }) : tcpConnect(at);
  signal.addEventListener("abort", () => socket.destroy());
  await once(socket, direct ? "secureConnect" : "connect", { signal });
  let wire = nodeLineTransport(socket, { signal });
  try {
    const upgrade = (clear: NodeLineTransport) => startTlsClient(clear, tls, { signal });
    const greeting = await greet(wire, direct ? {} : { upgrade });
    wire = greeting.wire;

    // 2. The login, with the strongest of these that the server offers too.
    const credentials = { username: decodeURIComponent(username), password: options.password };
    const mechanisms = [SCRAMPLUS(credentials), SCRAM(credentials), PLAIN(credentials)];
    const login = await authenticate(wire, greeting.announced, mechanisms, {
      policy: { channelBinding: options.channelBinding },
      trace: options.trace && tracer(options.trace),
    });

    // 3. What we came for. From here on this is an ordinary IMAP connection, and ours alone.
    const { lines } = await command(wire, "EXAMINE INBOX");
    const exists = Number(lines.map((line) => /^\* (\d{1,9}) EXISTS/i.exec(line)?.[1]).findLast(Boolean) ?? 0);
    const range = `${Math.max(1, exists - (options.count ?? 10) + 1)}:${exists}`;
    const fetch = `FETCH ${range} (BODY.PEEK[HEADER.FIELDS (SUBJECT)])`;
    const headers = exists === 0 ? [] : (await command(wire, fetch)).literals;
    await command(wire, "LOGOUT");
    return { login, subjects: headers.map(subjectIn).reverse() };
  } finally {
    wire.close();
  }
}

/** Sends a command and reads up to its OK: lines, and the literals whose length stands at the end of a line, as `{42}`. */
async function command(wire: NodeLineTransport, text: string): Promise<{ lines: string[]; literals: string[] }> {
  const lines: string[] = [];
  const literals: string[] = [];
  await wire.write(`x ${text}\r\n`);
  for (;;) {
    const line = await wire.readLine(65_536);
    if (/^x OK/i.test(line)) return { lines, literals };
    if (line.startsWith("x ")) throw new Error(`the server answered ${text} with ${line.slice(2)}`);
    lines.push(line);
    const octets = Number(/\{(\d{1,9})\}$/.exec(line)?.[1] ?? 0);
    if (octets > 65_536) throw new Error("the server sent a header that is too long");
    if (octets > 0) literals.push(new TextDecoder().decode(await wire.readBytes(octets)));
  }
}

const usage = `usage: mail-fetcher imap[s]://USER@HOST[:PORT] [--count N] [--password-file FILE] [--ca FILE]
       [--channel-binding disable|prefer|require] [--trace]     (the password: SASL_PASSWORD or a file)`;

function readOptions(args: string[]): FetchOptions {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ca: text, count: text, "password-file": text, "channel-binding": text, trace: { type: "boolean" } },
  });
  const { ca, count = "10", "password-file": file, "channel-binding": binding = "prefer", trace } = values;
  const [url = ""] = positionals;
  if (!/^imaps?:\/\/[^:@/]+@[^@/]+$/.test(url) || positionals.length > 1) throw new Error("name one server and a user");
  const password = file === undefined ? process.env.SASL_PASSWORD : readFileSync(file, "utf8").replace(/\r?\n$/, "");
  if (!password) throw new Error("there is no password");
  const channelBinding = (["disable", "prefer", "require"] as const).find((each) => each === binding);
  if (!channelBinding) throw new Error("--channel-binding is disable, prefer or require");
  if (!/^[1-9]\d{0,3}$/.test(count)) throw new Error("--count is a number from 1 to 9999");
  const show = (event: TraceEvent) => console.error(event.direction.padEnd(7), event.message, event.text);
  const common = { url, password, ca: ca && readFileSync(ca, "utf8"), channelBinding, trace: trace ? show : undefined };
  return { ...common, count: Number(count) };
}

/** The program. @returns its exit code: 0 done, 1 refused, 2 no login that can be trusted, 3 no connection, 64 usage. */
export async function main(args: string[]): Promise<number> {
  let options: FetchOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`mail-fetcher: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  try {
    const { login, subjects } = await fetchSubjects(options);
    console.error(`logged in as ${login.authcid} with ${login.mechanism}`);
    for (const subject of subjects) console.log(subject);
    return 0;
  } catch (error) {
    const { message, reason, text, cause, kind, code } = error as Partial<SASLError & { reason: string }>;
    const words = [reason ?? message, text, (cause as Error | undefined)?.message].filter(Boolean).join(": ");
    console.error(`mail-fetcher: ${words.replace(/\p{C}/gu, " ")}`);
    if (kind === "AuthenticationFailure") return 1;
    const unreachable = kind === undefined ? code : (cause ?? code === "connection-lost");
    return unreachable ? 3 : 2;
  }
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === import.meta.filename) {
  process.exitCode = await main(process.argv.slice(2));
}
