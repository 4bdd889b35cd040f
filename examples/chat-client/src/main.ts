/**
 * A chat client: logs in to an XMPP server, sends a message to itself and prints it when it comes back.
 *
 *     SASL_PASSWORD=secret node dist/main.js xmpp://alice@chat.example.org "Hello, me"
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isIP, connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { parseArgs } from "node:util";
import { type Element, createElement as xml } from "ltx";
import { type AuthenticationResult, type ClientPolicy, type SASLError, type TraceEvent, tracer } from "sasl-core";
import { authenticate } from "sasl-xmpp";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-xmpp/mechanisms";
import { SocketStream } from "sasl-xmpp/node";

/** What to say, and as whom. */
export interface ChatOptions {
  /** `xmpp://USER@HOST[:5222]` for STARTTLS, `xmpps://USER@HOST[:5223]` for TLS at once. */
  readonly url: string;
  /** Domain of the account, where the server is another host. */
  readonly domain?: string | undefined;
  readonly password: string;
  readonly message: string;
  /** Issuer to trust in place of the usual ones, PEM. */
  readonly ca?: string | undefined;
  readonly channelBinding?: ClientPolicy["channelBinding"];
  /** Sees each message of the login, without its secrets. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
}

/** Logs in and sends itself a message. @returns with the login our full address, and the message as it came back. */
export async function chat(options: ChatOptions): Promise<{ login: AuthenticationResult; jid: string; heard: string }> {
  const { protocol, hostname, port, username } = new URL(options.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const { domain = host } = options;
  const tls = { host: domain, ca: options.ca, ...(isIP(domain) ? {} : { servername: domain }) };
  const signal = AbortSignal.timeout(30_000); // for the whole run

  // 1. A stream, with TLS from the start or by STARTTLS. Where neither can be had, `startTLS` throws.
  const direct = protocol === "xmpps:";
  const at = { host, port: Number(port || (direct ? 5223 : 5222)) };
  const socket = direct
    ? tlsConnect({ ...tls, socket: tcpConnect(at), ALPNProtocols: ["xmpp-client"] })
    : tcpConnect(at);
  signal.addEventListener("abort", () => socket.destroy());
  await once(socket, direct ? "secureConnect" : "connect", { signal });
  const stream = new SocketStream(socket, { domain, signal });
  try {
    let features = await stream.open();
    if (!direct) features = await stream.startTLS(tls);

    // 2. The login, with the strongest of these that the server offers too. The stream starts anew after it.
    const credentials = { username: decodeURIComponent(username), password: options.password };
    const login = await authenticate(
      stream,
      features,
      [SCRAMPLUS(credentials), SCRAM(credentials), PLAIN(credentials)],
      {
        policy: { channelBinding: options.channelBinding },
        trace: options.trace && tracer(options.trace),
      },
    );
    await stream.restart();

    // 3. What we came for. From here on this is an ordinary XMPP stream, and ours alone.
    const bound = await request(stream, xml("bind", { xmlns: "urn:ietf:params:xml:ns:xmpp-bind" }));
    const jid = bound.getChild("bind")?.getChildText("jid") ?? "";
    await stream.send(xml("presence"));
    const id = randomUUID();
    await stream.send(xml("message", { to: jid, type: "chat", id }, xml("body", {}, options.message)));
    const message = await next(stream, (stanza) => stanza.name === "message" && stanza.attrs.id === id);
    return { login, jid, heard: message.getChildText("body") ?? "" };
  } finally {
    stream.close();
  }
}

/** Asks the server something (RFC 6120 §8.2.3). */
async function request(stream: SocketStream, question: Element): Promise<Element> {
  const id = randomUUID();
  await stream.send(xml("iq", { type: "set", id }, question));
  const answer = await next(stream, (stanza) => stanza.name === "iq" && stanza.attrs.id === id);
  if (answer.attrs.type !== "result") throw new Error(`the server refused ${question.name}`);
  return answer;
}

/** The next stanza that we wait for. A product hands the others to those whom they concern; here they are dropped. */
async function next(stream: SocketStream, wanted: (stanza: Element) => boolean): Promise<Element> {
  for (;;) {
    const stanza = await stream.receive();
    if (wanted(stanza)) return stanza;
  }
}

const usage = `usage: chat-client xmpp[s]://USER@HOST[:PORT] [--domain DOMAIN] [TEXT] [--password-file FILE] [--ca FILE]
       [--channel-binding disable|prefer|require] [--trace]     (the password: SASL_PASSWORD or a file)`;

function readOptions(args: string[]): ChatOptions {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ca: text, domain: text, "password-file": text, "channel-binding": text, trace: { type: "boolean" } },
  });
  const { ca, domain, "password-file": file, "channel-binding": binding = "prefer", trace } = values;
  const [url = "", message = "Hello, me"] = positionals;
  if (!/^xmpps?:\/\/[^:@/]+@[^@/]+$/.test(url) || positionals.length > 2) throw new Error("name one server and a user");
  const password = file === undefined ? process.env.SASL_PASSWORD : readFileSync(file, "utf8").replace(/\r?\n$/, "");
  if (!password) throw new Error("there is no password");
  const channelBinding = (["disable", "prefer", "require"] as const).find((each) => each === binding);
  if (!channelBinding) throw new Error("--channel-binding is disable, prefer or require");
  const show = (event: TraceEvent) => console.error(event.direction.padEnd(7), event.message, event.text);
  const common = { url, password, ca: ca && readFileSync(ca, "utf8"), channelBinding, trace: trace ? show : undefined };
  return { ...common, domain, message };
}

/** The program. @returns its exit code: 0 done, 1 refused, 2 no login that can be trusted, 3 no connection, 64 usage. */
export async function main(args: string[]): Promise<number> {
  let options: ChatOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`chat-client: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  try {
    const { login, jid, heard } = await chat(options);
    console.error(`logged in as ${jid} with ${login.mechanism}`);
    console.log(heard.replace(/\p{C}/gu, " "));
    return 0;
  } catch (error) {
    const { message, reason, text, cause, kind, code } = error as Partial<SASLError & { reason: string }>;
    const words = [reason ?? message, text, (cause as Error | undefined)?.message].filter(Boolean).join(": ");
    console.error(`chat-client: ${words.replace(/\p{C}/gu, " ")}`);
    if (kind === "AuthenticationFailure") return 1;
    const unreachable = kind === undefined ? code : (cause ?? code === "connection-lost");
    return unreachable ? 3 : 2;
  }
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === import.meta.filename) {
  process.exitCode = await main(process.argv.slice(2));
}
