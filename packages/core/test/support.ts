/** One server and one client for each mechanism, which the tests of the whole engine share. */
import type { AccountProperties, AccountStore, TokenVerifier } from "../src/accounts.js";
import { type AuthenticateOptions, type AuthenticationResult, authenticate } from "../src/authenticate.js";
import { channelBinding } from "../src/channel-binding.js";
import type { SASLMechanism } from "../src/client.js";
import type { CredentialProvider } from "../src/credentials.js";
import { isSASLError, type SASLErrorCode } from "../src/errors.js";
import type { SASLInterface, SASLReply } from "../src/interface.js";
import { encodeUtf8 } from "../src/internal/text.js";
import type { Mechanism } from "../src/mechanism.js";
import {
  ANONYMOUS,
  anonymous,
  CRAM_MD5,
  cramMd5,
  EXTERNAL,
  external,
  hashSha1,
  hashSha256,
  LOGIN,
  login,
  OAUTHBEARER,
  oauthbearer,
  PLAIN,
  plain,
  SCRAM,
  SCRAMPLUS,
  scramSha1,
  scramSha256,
  scramSha256Plus,
  XOAUTH2,
  xoauth2,
} from "../src/mechanisms/index.js";
import { memoryAccounts } from "../src/memory-accounts.js";
import { SASLServer, type ServerConnection, type ServerOptions } from "../src/server.js";
import type { SASLServerSession } from "../src/session.js";

/** What the user of these tests has. */
export const user = { username: "tim", password: "tanstaaftanstaaf", token: "mF_9.B5f-4.1JqM" } as const;

/** What both ends of the connection of these tests can be bound to. */
export const binding = channelBinding({ "tls-exporter": encodeUtf8("the exporter of this connection") });

/** A mechanism with the right credentials, and with wrong ones where it has any. */
export interface Pairing {
  readonly name: string;
  readonly mechanism: Mechanism;
  readonly client: (credentials?: CredentialProvider) => SASLMechanism;
  /** Credentials the server refuses; left out where nothing can be wrong. */
  readonly wrong?: CredentialProvider;
}

const wrongPassword = { username: "tim", password: "something else" };
const wrongToken = { username: "tim", token: "another.token" };

/** All mechanisms there are, SCRAM with two of its hashes. */
export const pairings: readonly Pairing[] = [
  { name: "PLAIN", mechanism: plain, client: (c = user) => PLAIN(c), wrong: wrongPassword },
  { name: "LOGIN", mechanism: login, client: (c = user) => LOGIN(c), wrong: wrongPassword },
  { name: "ANONYMOUS", mechanism: anonymous, client: (c = { trace: "sirhc" }) => ANONYMOUS(c) },
  { name: "EXTERNAL", mechanism: external, client: (c = {}) => EXTERNAL(c), wrong: { authzid: "anna" } },
  { name: "CRAM-MD5", mechanism: cramMd5, client: (c = user) => CRAM_MD5(c), wrong: wrongPassword },
  {
    name: "SCRAM-SHA-1",
    mechanism: scramSha1,
    client: (c = user) => SCRAM(c, { hashes: [hashSha1] }),
    wrong: wrongPassword,
  },
  {
    name: "SCRAM-SHA-256",
    mechanism: scramSha256,
    client: (c = user) => SCRAM(c, { hashes: [hashSha256] }),
    wrong: wrongPassword,
  },
  {
    name: "SCRAM-SHA-256-PLUS",
    mechanism: scramSha256Plus,
    client: (c = user) => SCRAMPLUS(c, binding, { hashes: [hashSha256] }),
    wrong: wrongPassword,
  },
  { name: "OAUTHBEARER", mechanism: oauthbearer, client: (c = user) => OAUTHBEARER(c), wrong: wrongToken },
  { name: "XOAUTH2", mechanism: xoauth2, client: (c = user) => XOAUTH2(c), wrong: wrongToken },
];

/** The pairing of one name. */
export function pairing(name: string): Pairing {
  const found = pairings.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no mechanism ${name}`);
  return found;
}

export const acceptToken: TokenVerifier = (token) =>
  token === user.token ? { ok: true, subject: user.username } : { ok: false, status: "invalid_token" };

/** A server with one mechanism, or several, and the user above. */
export function serverWith(mechanisms: readonly Mechanism[], options: Partial<ServerOptions> = {}): SASLServer {
  return new SASLServer({
    mechanisms,
    accounts: memoryAccounts({ [user.username]: user.password }),
    anonymous: "nobody",
    tokens: acceptToken,
    ...options,
  });
}

/** A connection on which everything works. */
export const connection: ServerConnection = {
  secure: true,
  channelBinding: binding,
  external: { names: [user.username] },
};

/** A session at a server with one mechanism. */
export function sessionFor(
  mechanism: Mechanism,
  options: Partial<ServerOptions> = {},
  extra: Partial<ServerConnection> = {},
): SASLServerSession {
  return serverWith([mechanism], options).session({ ...connection, ...extra });
}

/** Logs in with one mechanism, straight into a session. */
export function logIn(
  { name, client }: Pairing,
  wire: SASLInterface,
  options: AuthenticateOptions = {},
  credentials?: CredentialProvider,
): Promise<AuthenticationResult> {
  return authenticate(wire, [name], [client(credentials)], { channelBinding: binding, ...options });
}

/** What a peer's messages lead to at a session: the code of the failure, or `success`. */
export async function codeAfter(
  session: SASLInterface,
  mechanism: string,
  messages: readonly (Uint8Array | string)[],
): Promise<SASLErrorCode | "success" | "challenge"> {
  const [first, ...rest] = messages.map((each) => (typeof each === "string" ? encodeUtf8(each) : each));
  try {
    let reply = await session.initiate(mechanism, first);
    for (const message of rest) reply = await session.respond(message);
    if (reply.state === "failure") throw new Error("failure comes from abort() alone");
    return reply.state;
  } catch (error) {
    if (!isSASLError(error)) throw error;
    return error.code;
  }
}

/** The code something fails with. @throws whatever is no SASL error, and when nothing fails. */
export async function codeOf(promise: Promise<unknown>): Promise<SASLErrorCode> {
  try {
    await promise;
  } catch (error) {
    if (isSASLError(error)) return error.code;
    throw error;
  }
  throw new Error("it did not fail");
}

/** What goes over an interface, and what came of it. */
export interface Record {
  readonly call: "initiate" | "respond" | "abort";
  readonly payload?: Uint8Array | undefined;
}

/** Passes everything on and writes down what the client says; `change` may put another reply in place of the server's. */
export function recorded(
  wire: SASLInterface,
  change: (reply: SASLReply, index: number) => SASLReply | Promise<SASLReply> = (reply) => reply,
): SASLInterface & { readonly calls: Record[] } {
  const calls: Record[] = [];
  let replies = 0;
  return {
    calls,
    secure: wire.secure,
    async initiate(mechanism, payload) {
      calls.push({ call: "initiate", payload });
      return change(await wire.initiate(mechanism, payload), replies++);
    },
    async respond(payload) {
      calls.push({ call: "respond", payload });
      return change(await wire.respond(payload), replies++);
    },
    abort() {
      calls.push({ call: "abort" });
      return wire.abort();
    },
  };
}

/** A store that answers as told, whatever it is asked. */
export function storeOf(lookup: AccountStore["lookup"]): AccountStore {
  return { lookup };
}

/** A store in which everybody has these properties. */
export function everybody(properties: AccountProperties): AccountStore {
  return storeOf(() => properties);
}
