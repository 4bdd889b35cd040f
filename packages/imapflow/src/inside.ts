/**
 * The way inside, for versions without `transport`, and for proxies: one method of the client is taken over. It and the other
 * members named here are none of imapflow's public ones; they are the same from 1.7.8 to 2.10.2 at least.
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { SASLFailure, type SASLMechanism } from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { authenticate, type LineTransport } from "sasl-imap";
import { connectionLost } from "sasl-lines";
import type { SASLOptions } from "./create.js";
import { loggedInAlready } from "./transport.js";

/** A part of a response as imapflow reads it. */
interface Attribute {
  readonly type?: string;
  readonly value?: unknown;
  readonly section?: readonly (Attribute | null)[];
}

interface Response {
  readonly attributes?: readonly (Attribute | null)[];
}

/** What is used of a client. */
interface Inside {
  authenticate: () => Promise<boolean>;
  expectCapabilityUpdate: boolean;
  readonly state: unknown;
  readonly states: { readonly NOT_AUTHENTICATED: unknown };
  readonly capabilities: ReadonlyMap<string, unknown>;
  readonly socket: Socket;
  readonly host: string;
  readonly servername?: string | false;
  exec(
    command: string,
    attributes: readonly Attribute[],
    options: { readonly onPlusTag: (response: Response) => Promise<void> },
  ): Promise<{ readonly response: Response; next(): void }>;
  write(text: string): void;
  setAuthenticationState(): Promise<void>;
  close(): void;
}

/** Takes the place of the login of a client that has not connected yet. */
export function loginInside(client: object, mechanisms: readonly SASLMechanism[], options: SASLOptions): void {
  const inside = client as Inside;
  inside.authenticate = async () => {
    try {
      if (inside.state !== inside.states.NOT_AUTHENTICATED) throw loggedInAlready();
      inside.expectCapabilityUpdate = true; // what was announced before the login is void
      const wire = new CommandTransport(inside, options.allowUnverifiedCertificate === true);
      const host = inside.servername || inside.host;
      const result = await authenticate(wire, inside.capabilities, mechanisms, { host, ...options });
      await inside.setAuthenticationState();
      options.onAuthenticated?.(result);
      return true;
    } catch (error) {
      setImmediate(() => inside.close()); // once `connect()` has rejected
      throw error;
    }
  };
}

/** Lines over imapflow's commands: the first one of an exchange is a command, those that follow are answers to `+`. */
class CommandTransport implements LineTransport {
  readonly secure: boolean;
  readonly channelBinding: LineTransport["channelBinding"];
  readonly #client: Inside;
  readonly #lines: (string | SASLFailure)[] = [];
  #wake: (() => void) | undefined;
  #running = false;

  constructor(client: Inside, allowUnverified: boolean) {
    const { socket } = client;
    this.#client = client;
    const tls = socket instanceof TLSSocket ? socket : undefined;
    this.secure = tls !== undefined && (tls.authorized || allowUnverified);
    this.channelBinding = tls && tlsChannelBinding(tls, { role: "client" });
  }

  write(text: string): void {
    const line = text.slice(0, -2);
    if (this.#running) {
      try {
        this.#client.write(line);
      } catch (cause) {
        throw connectionLost(cause);
      }
      return;
    }
    const [tag = "", command = "", mechanism = "", initial] = line.split(" ");
    const attributes: Attribute[] = [{ type: "ATOM", value: mechanism }];
    // Marked for the log, in which it is hidden.
    if (initial !== undefined) attributes.push(Object.assign({ type: "ATOM", value: initial }, { sensitive: true }));
    const onPlusTag = async (response: Response) => this.#hear(`+ ${textOf(response)}`);
    this.#running = true;
    this.#client.exec(command, attributes, { onPlusTag }).then(
      ({ response, next }) => {
        this.#end(`${tag} OK ${textOf(response)}`);
        next(); // lets imapflow go on reading
      },
      (error: { readonly response?: Response; readonly responseStatus?: unknown }) => {
        const { response, responseStatus } = error;
        const answered = response !== undefined && (responseStatus === "NO" || responseStatus === "BAD");
        this.#end(answered ? `${tag} ${responseStatus} ${textOf(response)}` : connectionLost(error));
      },
    );
  }

  async readLine(maxBytes: number): Promise<string> {
    while (this.#lines.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const line = this.#lines.shift() as string | SASLFailure;
    if (typeof line !== "string") throw line;
    if (line.length > maxBytes) throw new SASLFailure("limit-exceeded", `a line is longer than ${maxBytes} octets`);
    return line;
  }

  #end(line: string | SASLFailure): void {
    this.#running = false;
    this.#hear(line);
  }

  #hear(line: string | SASLFailure): void {
    this.#lines.push(line);
    this.#wake?.();
  }
}

/** The text of a response as it stood on the wire: its code, where it has one, and the rest. */
function textOf({ attributes = [] }: Response): string {
  const text = (attribute: Attribute | null): string => {
    const { value, section } = attribute ?? {};
    if (section !== undefined) return `[${section.map(text).join(" ")}]`;
    return typeof value === "string" ? value : "";
  };
  return attributes
    .map(text)
    .filter((each) => each !== "")
    .join(" ");
}
