/**
 * What the demonstration shows.
 *
 * @module
 */
import type { TestServer } from "sasl-cli/server";
import { type AuthenticationResult, isSASLError, type SASLError, type TraceEvent } from "sasl-core";
import { MAX_COLUMNS, type Paint, painter, table, wrap } from "./terminal.js";

/** How one program fared. */
export interface Outcome {
  readonly protocol: string;
  readonly login?: AuthenticationResult;
  readonly error?: unknown;
  /** From connecting to having closed, in milliseconds. */
  readonly timeMs: number;
}

/** What is tried. */
interface Setting {
  readonly user: string;
  /** Names of mechanisms, the strongest first. */
  readonly offered: readonly string[];
  /** Whether the password is a wrong one. */
  readonly wrong: boolean;
}

/** Columns before the text of a message. */
const INDENT = 16;

/** Writes it line by line, in colours where somebody looks. */
export class Screen {
  readonly #out: Pick<NodeJS.WriteStream, "write" | "isTTY">;
  readonly #paint: Paint;
  #programs = 0;

  constructor(out: Pick<NodeJS.WriteStream, "write" | "isTTY">) {
    const { NO_COLOR, TERM } = process.env;
    this.#out = out;
    this.#paint = painter(out.isTTY === true && !NO_COLOR && TERM !== "dumb");
  }

  line(...lines: readonly string[]): void {
    for (const each of lines) this.#out.write(`${each}\n`);
  }

  /** The beginning: what runs where. */
  server({ ports, host }: TestServer, { user, offered, wrong }: Setting): void {
    const paint = this.#paint;
    const fact = (name: string, text: string) => `  ${paint("dim", name.padEnd(12))}${text}`;
    this.line(
      "",
      paint("bold", "SASL for TypeScript: three programs log in to an embedded server"),
      "",
      fact(
        "listens on",
        `${host}: SMTP ${ports.smtp} and XMPP ${ports.xmpp} with STARTTLS, IMAP ${ports.imaps} with TLS`,
      ),
      fact("certificate", "made a moment ago; the programs trust it and no other"),
      fact("keeps", `of ${user}'s password a SCRAM-SHA-256 verifier and nothing else`),
      fact("offers", offered.join(", ")),
      ...(wrong ? [fact("password", "a wrong one")] : []),
    );
  }

  /** Before each program. */
  program({ name, protocol, task, url }: { name: string; protocol: string; task: string; url: string }): void {
    const title = this.#paint("bold", `${++this.#programs}. ${protocol}: the ${name} ${task}`);
    this.line("", title, `   ${this.#paint("dim", url)}`);
  }

  /** Each message of a login: decoded, and without what is secret. */
  readonly message = ({ direction, message, octets, text }: TraceEvent): void => {
    const [side, style] = direction === "send" ? (["C", "cyan"] as const) : (["S", "green"] as const);
    const [first = "", ...more] = wrap(octets === 0 ? "(empty)" : openBinding(text), MAX_COLUMNS - INDENT);
    const head = `   ${this.#paint(style, side)}  ${this.#paint("dim", message.padEnd(INDENT - 6))}`;
    this.line(`${head}${first}`.trimEnd(), ...more.map((each) => " ".repeat(INDENT) + each));
  };

  /** What came of a login that succeeded. */
  done(text: string): void {
    this.#verdict("green", "✓", text);
  }

  /** What came of one that did not. */
  failed(error: unknown): void {
    if (isSASLError(error)) {
      const [first = "", ...more] = wrap(peerSaid(error), MAX_COLUMNS - INDENT);
      this.line(`   ${this.#paint("green", "S")}  ${this.#paint("dim", "failure".padEnd(INDENT - 6))}${first}`);
      this.line(...more.map((each) => " ".repeat(INDENT) + each));
      this.#verdict("red", "✗", `${error.kind}, code "${error.code}": ${error.message}`);
    } else {
      this.#verdict("red", "✗", error instanceof Error ? error.message : String(error));
    }
  }

  /** The end: a table of logins, or of refusals. */
  summary(outcomes: readonly Outcome[]): void {
    const time = ({ timeMs }: Outcome) => `${Math.round(timeMs)} ms`;
    const loggedIn = outcomes.flatMap(({ login, ...rest }) => (login ? [{ login, ...rest }] : []));
    const refused = outcomes.filter(({ login }) => login === undefined);
    if (loggedIn.length > 0) {
      const rows = loggedIn.map((each) => [
        each.protocol,
        each.login.mechanism,
        each.login.channelBinding ?? "none",
        each.login.serverVerified ? "yes" : "no",
        time(each),
      ]);
      const titles = ["protocol", "mechanism", "channel binding", "server verified", "time"];
      this.line("", ...table(titles, rows, this.#paint));
      this.line("", this.#paint("dim", "time: of the whole program, from connecting to having closed"), "");
    }
    if (refused.length > 0) {
      const rows = refused.map((each) => {
        const { kind = "", code = "" } = isSASLError(each.error) ? each.error : {};
        return [each.protocol, kind, code, isSASLError(each.error) ? peerSaid(each.error) : "", time(each)];
      });
      this.line("", ...table(["protocol", "kind", "code", "what the server said", "time"], rows, this.#paint), "");
    }
  }

  #verdict(style: "green" | "red", mark: string, text: string): void {
    const [first = "", ...more] = wrap(text, MAX_COLUMNS - 6);
    this.line(`   ${this.#paint(style, mark)}  ${first}`, ...more.map((each) => `      ${each}`));
  }
}

/** SCRAM's `c` is base64 inside the message: the GS2 header once more, and then the channel-binding data (RFC 5802 §5.1). */
function openBinding(text: string): string {
  return text.replace(/^c=([A-Za-z0-9+/]+=*)/, (whole, base64: string) => {
    const octets = Buffer.from(base64, "base64");
    const header = /^[^,]*,[^,]*,/.exec(octets.toString("latin1"))?.[0];
    return header ? `c=<${header} and ${octets.length - header.length} octets of channel binding>` : whole;
  });
}

/** The server's own words: a line of SMTP or IMAP, the condition of an XMPP failure. */
function peerSaid({ opaqueError, text = "" }: SASLError): string {
  const said =
    typeof opaqueError === "string" ? opaqueError : [conditionOf(opaqueError), text].filter(Boolean).join(": ");
  return said.replace(/\p{C}+/gu, " ") || "nothing";
}

function conditionOf(failure: unknown): string | undefined {
  const condition = typeof failure === "object" && failure !== null ? Reflect.get(failure, "condition") : undefined;
  return typeof condition === "string" ? condition : undefined;
}
