/**
 * A chat client: logs in to an XMPP server, sends a message to itself and prints it when it comes back. It logs in with
 * the password once, and after that with a token.
 *
 *     SASL_PASSWORD=secret node dist/main.js xmpp://alice@chat.example.org "Hello, me" --state ~/.chat
 *     node dist/main.js xmpp://alice@chat.example.org "Me again" --state ~/.chat
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { isIP, connect as tcpConnect } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { connect as tlsConnect } from "node:tls";
import { parseArgs } from "node:util";
import { type Element, createElement as xml } from "ltx";
import { type ClientPolicy, type SASLError, type TraceEvent, tracer } from "sasl-core";
import {
  authenticate,
  bind2,
  type FastTokenStore,
  fast,
  memoryFastTokens,
  newUserAgentId,
  sasl2,
  type UserAgent,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { PLAIN, SCRAM, SCRAMPLUS } from "sasl-xmpp/mechanisms";
import { fastTokenFile, SocketStream } from "sasl-xmpp/node";

/** What is kept from one login to the next. */
export interface ChatState {
  /** The same each time: a token works with this id alone. */
  readonly userAgent: UserAgent;
  readonly tokens: FastTokenStore;
}

/** What to say, and as whom. */
export interface ChatOptions {
  /** `xmpp://USER@HOST[:5222]` for STARTTLS, `xmpps://USER@HOST[:5223]` for TLS at once. */
  readonly url: string;
  /** Domain of the account, where the server is another host. */
  readonly domain?: string | undefined;
  /** Left out: the token has to do. */
  readonly password?: string | undefined;
  readonly message: string;
  /** Issuer to trust in place of the usual ones, PEM. */
  readonly ca?: string | undefined;
  readonly channelBinding?: ClientPolicy["channelBinding"];
  /** Sees each message of the login, without its secrets. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
  /** Left out: nothing is kept. */
  readonly state?: ChatState | undefined;
}

/** What came of it. */
export interface ChatResult {
  readonly login: XMPPAuthenticationResult;
  /** Our full address. */
  readonly jid: string;
  /** The message as it came back. */
  readonly heard: string;
  /** What it took from the server's features to a session with an address. */
  readonly roundTrips: number;
  readonly milliseconds: number;
}

/** Nothing but memory, for as long as the program runs. */
export function newChatState(): ChatState {
  return { userAgent: { id: newUserAgentId(), software: "chat-client" }, tokens: memoryFastTokens() };
}

/** A folder of one account and installation, for its owner alone: the token in it is as good as the password. */
export function chatStateIn(folder: string): ChatState {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "user-agent");
  if (!existsSync(path)) writeFileSync(path, newUserAgentId(), { mode: 0o600 });
  const id = readFileSync(path, "utf8").trim();
  return { userAgent: { id, software: "chat-client" }, tokens: fastTokenFile(join(folder, "tokens.json")) };
}

/** Logs in and sends itself a message. */
export async function chat(options: ChatOptions): Promise<ChatResult> {
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
  const user = decodeURIComponent(username);
  const stream = new CountingStream(socket, { domain, from: `${user}@${domain}`, signal });
  try {
    let features = await stream.open();
    if (!direct) features = await stream.startTLS(tls);

    // 2. The login, and with it an address (Bind 2) and a token for the next time (FAST), where the server has them: with
    // the token from the last time, otherwise with the strongest of the mechanisms that the server offers too.
    const { userAgent, tokens } = options.state ?? newChatState();
    const session = bind2({ tag: "chat-client" });
    const token = fast({ store: tokens });
    const { password } = options;
    const credentials = { username: user, password: password ?? "" };
    const begun = performance.now();
    stream.sent = 0;
    const login = await authenticate(
      stream,
      features,
      password === undefined ? [] : [SCRAMPLUS(credentials), SCRAM(credentials), PLAIN(credentials)],
      {
        sasl2: sasl2({ userAgent, inline: options.state ? [token, session] : [session] }),
        policy: { channelBinding: options.channelBinding },
        trace: options.trace && tracer(options.trace),
      },
    );
    await stream.restart(); // reads the features that follow; with SASL1 after a new header, which is a round trip, too

    // 3. What we came for. From here on this is an ordinary XMPP stream, and ours alone.
    const jid = login.inline.get(session)?.jid ?? (await bindResource(stream));
    const milliseconds = performance.now() - begun;
    const roundTrips = stream.sent + (login.profile === "sasl1" ? 1 : 0);
    await stream.send(xml("presence"));
    const id = randomUUID();
    await stream.send(xml("message", { to: jid, type: "chat", id }, xml("body", {}, options.message)));
    const message = await next(stream, (stanza) => stanza.name === "message" && stanza.attrs.id === id);
    return { login, jid, heard: message.getChildText("body") ?? "", roundTrips, milliseconds };
  } finally {
    stream.close();
  }
}

/** Up to the session each element sent is answered: as many as there are round trips. */
class CountingStream extends SocketStream {
  sent = 0;

  override send(element: Element): Promise<void> {
    this.sent++;
    return super.send(element);
  }
}

/** RFC 6120 §7, at servers without Bind 2. */
async function bindResource(stream: SocketStream): Promise<string> {
  const bound = await request(stream, xml("bind", { xmlns: "urn:ietf:params:xml:ns:xmpp-bind" }));
  return bound.getChild("bind")?.getChildText("jid") ?? "";
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
       [--channel-binding disable|prefer|require] [--state FOLDER] [--reconnect] [--trace]
       (the password: SASL_PASSWORD or a file; not needed where FOLDER has a token)`;

interface ProgramOptions extends ChatOptions {
  readonly reconnect: boolean;
}

function readOptions(args: string[]): ProgramOptions {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ca: text,
      domain: text,
      "password-file": text,
      "channel-binding": text,
      state: text,
      reconnect: { type: "boolean" },
      trace: { type: "boolean" },
    },
  });
  const { ca, domain, "password-file": file, "channel-binding": binding = "prefer", trace } = values;
  const { state: folder, reconnect = false } = values;
  const [url = "", message = "Hello, me"] = positionals;
  if (!/^xmpps?:\/\/[^:@/]+@[^@/]+$/.test(url) || positionals.length > 2) throw new Error("name one server and a user");
  const password = file === undefined ? process.env.SASL_PASSWORD : readFileSync(file, "utf8").replace(/\r?\n$/, "");
  if (!password && folder === undefined) throw new Error("there is no password");
  const channelBinding = (["disable", "prefer", "require"] as const).find((each) => each === binding);
  if (!channelBinding) throw new Error("--channel-binding is disable, prefer or require");
  const show = (event: TraceEvent) => console.error(event.direction.padEnd(7), event.message, event.text);
  const state = folder === undefined ? (reconnect ? newChatState() : undefined) : chatStateIn(folder);
  const common = { url, ca: ca && readFileSync(ca, "utf8"), channelBinding, trace: trace ? show : undefined };
  return { ...common, password: password || undefined, domain, message, state, reconnect };
}

/** The program. @returns its exit code: 0 done, 1 refused, 2 no login that can be trusted, 3 no connection, 64 usage. */
export async function main(args: string[]): Promise<number> {
  let options: ProgramOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`chat-client: ${(error as Error).message}\n${usage}`);
    return 64;
  }
  try {
    for (let left = options.reconnect ? 2 : 1; left > 0; left--) {
      const { login, jid, heard, roundTrips, milliseconds } = await chat(options);
      const means = login.mechanism.startsWith("HT-") ? "the token" : "the password";
      console.error(`logged in as ${jid} with ${login.mechanism}`);
      console.error(
        `by ${means} in ${roundTrips} round trip${roundTrips === 1 ? "" : "s"}, ${milliseconds.toFixed(1)} ms`,
      );
      console.log(heard.replace(/\p{C}/gu, " "));
    }
    return 0;
  } catch (error) {
    const { message, reason, text, cause, kind, code } = error as Partial<SASLError & { reason: string }>;
    const words = [reason ?? message, text, (cause as Error | undefined)?.message].filter(Boolean).join(": ");
    const advice = kind === "AuthenticationFailure" ? "; check the user name and the password" : "";
    const hasNothing = code === "no-common-mechanism" && options.password === undefined;
    const line = hasNothing ? "there is no token to log in with: give the password once" : `${words}${advice}`;
    console.error(`chat-client: ${line.replace(/\p{C}/gu, " ")}`);
    if (kind === "AuthenticationFailure") return 1;
    const unreachable = kind === undefined ? code : (cause ?? code === "connection-lost");
    return unreachable ? 3 : 2;
  }
}

const started = process.argv[1] ?? "";
if (existsSync(started) && realpathSync(started) === import.meta.filename) {
  process.exitCode = await main(process.argv.slice(2));
}
