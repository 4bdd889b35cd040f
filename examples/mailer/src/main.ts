/**
 * A mailer: logs in to an SMTP submission server and sends a mail.
 *
 *     SASL_PASSWORD=secret node dist/main.js smtp://alice@mail.example.org --to bob@example.org --subject Lunch
 *
 * @module
 */
import { once } from "node:events";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isIP, connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { parseArgs } from "node:util";
import { type AuthenticationResult, type ClientPolicy, type SASLError, type TraceEvent, tracer } from "sasl-core";
import { authenticate, greet, runCommand } from "sasl-smtp";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-smtp/mechanisms";
import { type NodeLineTransport, nodeLineTransport, startTlsClient } from "sasl-smtp/node";
import { checkMail, formatMail, type Mail } from "./mail.js";

/** What to send, and as whom. */
export interface SendOptions {
  /** `smtp://USER@HOST[:587]` for STARTTLS, `smtps://USER@HOST[:465]` for TLS at once. */
  readonly url: string;
  readonly password: string;
  readonly mail: Mail;
  /** Issuer to trust in place of the usual ones, PEM. */
  readonly ca?: string | undefined;
  readonly channelBinding?: ClientPolicy["channelBinding"];
  /** Sees each message of the login, without its secrets. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
}

/** Logs in and sends one mail. @returns with the login what the server said to the mail. */
export async function sendMail(options: SendOptions): Promise<{ login: AuthenticationResult; accepted: string }> {
  const { protocol, hostname, port, username } = new URL(options.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const tls = { host, ca: options.ca, ...(isIP(host) ? {} : { servername: host }) };
  const signal = AbortSignal.timeout(30_000); // for the whole run

  // 1. A connection, with TLS from the start or by STARTTLS. Where neither can be had, `greet` throws.
  const direct = protocol === "smtps:";
  const at = { host, port: Number(port || (direct ? 465 : 587)) };
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

    // 3. What we came for. From here on this is an ordinary SMTP connection, and ours alone.
    const { from, to } = options.mail;
    await command(wire, `MAIL FROM:<${from}>`);
    await command(wire, `RCPT TO:<${to}>`);
    await command(wire, "DATA");
    await wire.write(formatMail(options.mail));
    const accepted = await command(wire, ".");
    await command(wire, "QUIT");
    return { login, accepted };
  } finally {
    wire.close();
  }
}

/** Sends a command and reads a reply that says yes. */
async function command(wire: NodeLineTransport, text: string): Promise<string> {
  const { code, lines } = await runCommand(wire, text);
  if (code >= 400) throw new Error(`the server answered ${text} with ${code} ${lines.join(" ")}`);
  return lines.join(" ");
}

const usage = `usage: mailer smtp[s]://USER@HOST[:PORT] [--to ADDRESS] [--from ADDRESS] [--subject TEXT] [TEXT]
       [--password-file FILE] [--ca FILE] [--channel-binding disable|prefer|require] [--trace]
       (the password: SASL_PASSWORD or a file; without --to the mail goes to yourself)`;

function readOptions(args: string[]): SendOptions {
  const text = { type: "string" } as const;
  const common = { ca: text, "password-file": text, "channel-binding": text, trace: { type: "boolean" } } as const;
  const flags = { ...common, to: text, from: text, subject: text };
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: flags });
  const { ca, "password-file": file, "channel-binding": binding = "prefer", trace } = values;
  const [url = "", body = "Sent by the example mailer."] = positionals;
  if (!/^smtps?:\/\/[^:@/]+@[^@/]+$/.test(url) || positionals.length > 2) throw new Error("name one server and a user");
  const password = file === undefined ? process.env.SASL_PASSWORD : readFileSync(file, "utf8").replace(/\r?\n$/, "");
  if (!password) throw new Error("there is no password");
  const channelBinding = (["disable", "prefer", "require"] as const).find((each) => each === binding);
  if (!channelBinding) throw new Error("--channel-binding is disable, prefer or require");
  const show = (event: TraceEvent) => console.error(event.direction.padEnd(7), event.message, event.text);
  const { username, hostname } = new URL(url);
  const user = decodeURIComponent(username);
  const domain = isIP(hostname) ? `[${hostname}]` : hostname; // RFC 5321 §4.1.3
  const { from = user.includes("@") ? user : `${user}@${domain}`, to = from, subject = "Hello" } = values;
  const mail = checkMail({ from, to, subject, text: body });
  return { url, password, ca: ca && readFileSync(ca, "utf8"), channelBinding, trace: trace ? show : undefined, mail };
}

/** The program. @returns its exit code: 0 done, 1 refused, 2 no login that can be trusted, 3 no connection, 64 usage. */
export async function main(args: string[]): Promise<number> {
  let options: SendOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`mailer: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  try {
    const { login, accepted } = await sendMail(options);
    console.error(`logged in as ${login.authcid} with ${login.mechanism}`);
    console.log(`sent to ${options.mail.to}: ${accepted}`);
    return 0;
  } catch (error) {
    const { message, reason, text, cause, kind, code } = error as Partial<SASLError & { reason: string }>;
    const words = [reason ?? message, text, (cause as Error | undefined)?.message].filter(Boolean).join(": ");
    console.error(`mailer: ${words.replace(/\p{C}/gu, " ")}`);
    if (kind === "AuthenticationFailure") return 1;
    const unreachable = kind === undefined ? code : (cause ?? code === "connection-lost");
    return unreachable ? 3 : 2;
  }
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === import.meta.filename) {
  process.exitCode = await main(process.argv.slice(2));
}
