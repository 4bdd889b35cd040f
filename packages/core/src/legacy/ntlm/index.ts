/**
 * NTLM, with NTLMv2 answers alone. Source: MS-NLMP; over SASL as Cyrus SASL, GNU SASL and Windows do it: the three
 * messages as they are, the client's first. Obsolete: open to guessing, and whoever reads a server's NT hashes can log in.
 *
 * The client asks for a user name and a password. The server asks for the account's NT hash, or its stored password.
 * There is no security layer: what follows the login is protected by TLS or not at all.
 *
 * @module
 */
import type { Account } from "../../accounts.js";
import { clientMechanism, type SASLMechanism } from "../../client.js";
import { type CredentialNeed, type CredentialProvider, credentialNeed } from "../../credentials.js";
import { SASLFailure } from "../../errors.js";
import { concatBytes, isBytes } from "../../internal/bytes.js";
import {
  type ClientContext,
  type ClientConversation,
  type Heard,
  type Mechanism,
  type ServerContext,
  type ServerConversation,
  withServer,
} from "../../mechanism.js";
import { type AvPairs, av, micProvided, parseAvPairs } from "./av-pairs.js";
import {
  bindingHash,
  bindingType,
  fileTime,
  formatClientChallenge,
  lmAnswerOctets,
  lmv2Answer,
  messagesMic,
  ntAnswerOctets,
  ntHash,
  ntHashOctets,
  ntProof,
  responseKey,
  sessionBaseKey,
} from "./keys.js";
import {
  flag,
  formatAuthenticate,
  formatChallenge,
  formatNegotiate,
  micOf,
  parseAuthenticate,
  parseChallenge,
  parseNegotiate,
  withMic,
} from "./messages.js";
import { decodeUtf16, encodeUtf16 } from "./utf16.js";

/** What NTLM logs in with. */
export interface NtlmCredentials {
  /** Without a `domain` beside it also `DOMAIN\name`, and `name@domain` where the server knows that form. */
  readonly username: string;
  readonly password: string;
  /** As the server writes it: its case matters. Default: none. */
  readonly domain?: string | undefined;
  /** Name of this machine, for the server's log. Default: none. */
  readonly workstation?: string | undefined;
}

const need: CredentialNeed<NtlmCredentials> = /* @__PURE__ */ credentialNeed<NtlmCredentials>(
  "password",
  [["username"], ["password"]],
  "password",
);

/** MS-NLMP §3.1.5.1.1, without what only signing and sealing need. */
const clientFlags = flag.unicode | flag.requestTarget | flag.ntlm | flag.alwaysSign | flag.extendedSessionSecurity;

async function* client(ctx: ClientContext): ClientConversation {
  const negotiate = formatNegotiate({ flags: clientFlags });
  const challengeMessage = received(yield negotiate);
  const challenge = parseChallenge(challengeMessage);
  if (!(challenge.flags & flag.unicode)) throw ctx.fail("malformed-message", "an NTLM server without Unicode");
  const { serverChallenge, targetInfo: told = new Map() } = challenge;
  const timestamp = told.get(av.timestamp);

  const { password, ...names } = await ctx.credentials(need);
  const { domain, user } = await accountNames(ctx, names);
  const key = await responseKey(ctx, await ntHash(await ctx.prepare(password, "query")), user, domain);
  const clientChallenge = ctx.random(8);
  const covered = formatClientChallenge({
    time: timestamp ?? fileTime(Date.now()),
    clientChallenge,
    targetInfo: await answeredInfo(ctx, told),
  });
  const proof = await ntProof(ctx, key, serverChallenge, covered);
  const authenticate = formatAuthenticate({
    flags: challenge.flags & (clientFlags | flag.targetInfo),
    domain,
    user,
    workstation: names.workstation ?? "",
    // MS-NLMP §3.1.5.1.2: with a timestamp there is no LMv2 answer, which would be easier to guess from
    lmAnswer: timestamp ? new Uint8Array(lmAnswerOctets) : await lmv2Answer(ctx, key, serverChallenge, clientChallenge),
    ntAnswer: concatBytes(proof, covered),
  });
  if (timestamp === undefined) return authenticate;
  const sessionKey = await sessionBaseKey(ctx, key, proof);
  return withMic(authenticate, await messagesMic(ctx, sessionKey, negotiate, challengeMessage, authenticate));
}

async function accountNames(
  ctx: ClientContext,
  { username, domain }: Omit<NtlmCredentials, "password">,
): Promise<{ domain: string; user: string }> {
  const slash = domain === undefined ? username.indexOf("\\") : -1;
  const user = await ctx.prepare(username.slice(slash + 1), "query", "name");
  if (user === "") throw ctx.fail("malformed-message", "the user name is empty"); // it would ask for anonymous access
  return { domain: domain ?? username.slice(0, Math.max(slash, 0)), user };
}

/** What the server told about itself, with what this side knows about the connection (R-NTLM-05). */
async function answeredInfo(ctx: ClientContext, told: AvPairs): Promise<AvPairs> {
  const info = new Map(told);
  if (told.has(av.timestamp)) {
    const flags = info.get(av.flags) ?? new Uint8Array(4);
    info.set(av.flags, flags.with(0, (flags[0] as number) | micProvided));
  }
  // Whoever passes the answer on would tell those of the connection it goes to.
  info.delete(av.channelBindings);
  info.delete(av.targetName);
  const data = await ctx.settings.channelBinding?.data(bindingType);
  if (data?.length) info.set(av.channelBindings, await bindingHash(ctx, data));
  if (ctx.host !== undefined) info.set(av.targetName, encodeUtf16(`${ctx.service ?? "host"}/${ctx.host}`));
  return info;
}

/** How an NTLM server presents itself, and whom it lets in. */
export interface NtlmServerOptions {
  /** NetBIOS name of the domain, shown to clients. Default: the computer's name. */
  readonly domain?: string | undefined;
  /** NetBIOS name of the computer. Default: the first label of the server's `host`, in upper case. */
  readonly computer?: string | undefined;
  /**
   * Let in clients that protect their messages with no integrity code (curl and older ones): no timestamp is sent, which
   * would demand one. What is lost: somebody in between can change what the two sides negotiate. Default false.
   */
  readonly allowWithoutMic?: boolean | undefined;
}

function serverWith({ allowWithoutMic = false, ...names }: NtlmServerOptions) {
  return async function* server(ctx: ServerContext): ServerConversation {
    const negotiate = received(yield);
    const offered = parseNegotiate(negotiate).flags;
    if (!(offered & (flag.unicode | flag.oem))) throw ctx.fail("malformed-message", "an NTLM client without text");
    const computer = names.computer ?? (ctx.host ?? "localhost").split(".", 1).join("").slice(0, 15).toUpperCase();
    const domain = names.domain ?? computer;
    const targetInfo = new Map<number, Uint8Array>([
      [av.nbDomainName, encodeUtf16(domain)],
      [av.nbComputerName, encodeUtf16(computer)],
    ]);
    if (ctx.host !== undefined) targetInfo.set(av.dnsComputerName, encodeUtf16(ctx.host));
    if (!allowWithoutMic) targetInfo.set(av.timestamp, fileTime(Date.now()));
    const serverChallenge = ctx.random(8); // R-NTLM-04
    const challenge = formatChallenge({
      flags:
        (offered & flag.unicode || flag.oem) |
        (offered & (flag.requestTarget | flag.alwaysSign | flag.extendedSessionSecurity)) |
        (flag.ntlm | flag.targetTypeServer | flag.targetInfo),
      targetName: domain,
      serverChallenge,
      targetInfo,
    });

    const authenticate = received(yield challenge);
    const { user, domain: userDomain, lmAnswer, ntAnswer } = parseAuthenticate(authenticate);
    if (user === "" && ntAnswer.length === 0) throw ctx.fail("refused", "nobody is let in without a name");
    // R-NTLM-06; an answer of NTLMv1 has 24 octets
    if (ntAnswer.length < ntAnswerOctets || (lmAnswer.length > 0 && lmAnswer.length < lmAnswerOctets)) {
      throw ctx.fail("refused", "there is no NTLMv2 answer");
    }
    const claims = parseAvPairs(ntAnswer.subarray(ntAnswerOctets));
    const flags = claims.get(av.flags);
    const claimed = flags !== undefined && ((flags[0] as number) & micProvided) !== 0;
    const mic = claimed || !allowWithoutMic ? micOf(authenticate) : undefined; // R-NTLM-05; Samba gives one and claims none

    const account = await ctx.identify(user);
    const key = await responseKey(ctx, await storedHash(ctx, account), user, userDomain);
    const proof = await ntProof(ctx, key, serverChallenge, ntAnswer.subarray(16));
    const sessionKey = await sessionBaseKey(ctx, key, proof);
    const unsealed = mic ? withMic(authenticate, new Uint8Array(16)) : authenticate;
    const expected = await messagesMic(ctx, sessionKey, negotiate, challenge, unsealed);
    const proven = ctx.equal(proof, ntAnswer.subarray(0, 16));
    const whole = mic === undefined || ctx.equal(expected, mic);
    if (!proven || !whole) throw ctx.fail("refused", "wrong answer");
    await checkPlace(ctx, claims);
    return { authcid: account.name };
  };
}

/** The account's NT hash, or one that nobody can have made an answer with. One is made for every account, which takes as long. */
async function storedHash(ctx: ServerContext, { properties }: Account): Promise<Uint8Array> {
  const { ntHash: stored, userPassword } = properties;
  const made = await ntHash(userPassword === undefined ? ctx.nonce() : await ctx.prepare(userPassword, "stored"));
  if (stored === undefined) return made;
  if (!isBytes(stored) || stored.length !== ntHashOctets) {
    throw new SASLFailure("temporary", "the account's NT hash is malformed"); // R-STO-04
  }
  return stored;
}

/** Whether the client, which has proved itself, meant this channel and this server: no other passes its answer on (R-NTLM-05). */
async function checkPlace(ctx: ServerContext, claims: AvPairs): Promise<void> {
  const bound = claims.get(av.channelBindings);
  const data = bound?.some((octet) => octet !== 0) ? await ctx.channelBinding?.data(bindingType) : undefined;
  if (bound && data?.length) {
    if (!ctx.equal(bound, await bindingHash(ctx, data))) throw ctx.fail("refused", "the client is on another channel");
    ctx.bound(bindingType);
  }
  const [, host] = /^[^/]+\/([^/:]+)/.exec(decodeUtf16(claims.get(av.targetName) ?? new Uint8Array(0))) ?? [];
  if (host !== undefined && ctx.host !== undefined && host.toLowerCase() !== ctx.host.toLowerCase()) {
    throw ctx.fail("refused", "the client means another host");
  }
}

function received(message: Heard): Uint8Array {
  if (message === undefined) throw new SASLFailure("unexpected-message", "a message is missing");
  return message;
}

const clientHalf: Mechanism = {
  name: "NTLM",
  flow: "client-first",
  security: ["noPlaintext", "noAnonymous"],
  needsProtection: true, // answers are open to guessing, and to being passed on
  obsolete: true,
  needs: need,
  source: "MS-NLMP",
  client,
};

/**
 * What the server half looks at. An NT hash is worth as much as the password to whoever reads the store, so that it is
 * written only where the password itself might be.
 */
const stored: Required<Pick<Mechanism, "properties" | "available" | "setPassword" | "ownSecrets">> = {
  properties: ["ntHash", "userPassword"],
  ownSecrets: ["ntHash"],
  available: (properties) => properties.ntHash !== undefined || properties.userPassword !== undefined,
  async setPassword({ plaintext }, password, { userPassword, ntHash: hash }) {
    if (!plaintext || userPassword !== undefined || hash !== undefined) return undefined;
    return { ntHash: await ntHash(password) };
  },
};

/** NTLM with the server's defaults. Accounts have their NT hash, 16 octets, in `ntHash`, or their password in `userPassword`. */
export const ntlm: Mechanism = /* @__PURE__ */ ntlmServer();

/** NTLM for a server that has a domain of its own, or clients that are older. Needs the package `hash-wasm`. */
export function ntlmServer(options: NtlmServerOptions = {}): Mechanism {
  return withServer(clientHalf, serverWith(options), stored);
}

/** NTLM for a client, for servers that have nothing better. Makes NTLMv2 answers and no others. Needs the package `hash-wasm`. */
export function NTLM(credentials: CredentialProvider<NtlmCredentials>): SASLMechanism {
  return clientMechanism([clientHalf], credentials);
}

export { ntHash };
