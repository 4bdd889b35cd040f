/**
 * `sasl login`: can I log in there, how, and what went over the wire?
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  type AuthenticateOptions,
  type Credentials,
  isSASLError,
  type Mechanism,
  type SecurityLayer,
  type Skipped,
  type TraceEvent,
  tracer,
} from "sasl-core";
import { tlsStrength } from "sasl-core/node";
import type { FastToken, XMPPAuthenticationResult } from "sasl-xmpp";
import { chooseMechanisms, needsSecret, withCredentials } from "../client/mechanism-list.js";
import { tlsReport } from "../client/session.js";
import {
  checkXmppOptions,
  knownToken,
  mayUse,
  type XmppOptions,
  type XmppReport,
  xmppLogin,
  xmppWords,
} from "../client/xmpp-login.js";
import { CommandError, describeError, type ExitCode, exitCodes, oneLine, usageError } from "../errors.js";
import { type Mask, maskFor } from "../masking.js";
import { allSkipped, type Choice, whyNone } from "../none-acceptable.js";
import { type Io, inBits, printJson } from "../output.js";
import { askPassword, isTerminal, secretFromFile, secretFromStream } from "../secrets.js";
import { parseTarget, type Target } from "../url.js";
import { type ConnectionOptions, domainOf, openSession, routeTo } from "./connection-options.js";
import { CommandFailure, Follower, within } from "./facts.js";

/** As the argument parser gives them. */
export interface LoginOptions extends ConnectionOptions, XmppOptions {
  readonly mechanism?: readonly string[];
  readonly authzid?: string;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
  readonly tokenFile?: string;
  readonly prep: "saslprep" | "none";
  readonly iterations: { readonly min: number; readonly max: number };
  readonly minSsf?: number;
  readonly maxSsf?: number;
  readonly trace?: boolean;
}

/** How long a polite end may take, in milliseconds. */
const FAREWELL_MS = 2000;

/** Runs the command. @throws {CommandFailure | CommandError} */
export async function login(url: string, options: LoginOptions, io: Io): Promise<ExitCode> {
  const target = parseTarget(url);
  checkXmppOptions(target, options);
  const known = await knownToken(target, domainOf(target, options), options);
  const plan = planSecrets(target, options, io, known?.token);
  const { mechanisms } = plan;
  const named = options.mechanism && mechanisms.map(({ name }) => name);
  // Nobody's time runs while a password is typed; everything else is part of the run.
  const typed = plan.prompt === undefined ? undefined : await askPassword(plan.prompt, io.stdin, io.stderr);
  const signal = AbortSignal.timeout(options.timeout * 1000);
  const follower = new Follower();
  let mask: Mask = maskFor(typed === undefined ? [] : [typed]);
  let tried: string | null = null;
  let codeSent = false;
  const trace = (event: TraceEvent): void => {
    tried = event.mechanism;
    if (options.trace) io.stderr.write(`${traceLine(event, mask)}\n`);
  };
  const choice = (): Choice => ({
    protocol: target.protocol,
    named,
    somebody: plan.somebody,
    hasCertificate: options.cert !== undefined,
    offered: follower.offer?.mechanisms ?? [],
    secure: follower.tls !== null,
  });
  try {
    return await within(signal, options.timeout, follower, async () => {
      const credentials = await readSecrets(target, options, io, typed, follower, signal);
      const secrets = [credentials.password, credentials.token, known?.token?.token].filter(
        (each) => typeof each === "string",
      );
      mask = maskFor(secrets);
      const onSecret = (secret: string): void => {
        secrets.push(secret);
        mask = maskFor(secrets);
      };
      const onCode = (): void => {
        codeSent = true;
      };
      const route = await routeTo(target, options, signal);
      const means = { ...options, prepare: options.prep, named, signal };
      const xmpp =
        target.protocol === "xmpp"
          ? xmppLogin(target, route.name, means, credentials, known, { onSecret, onCode })
          : undefined;
      const session = await openSession(route, follower, xmpp);
      const jid = target.protocol === "xmpp" && target.user !== undefined ? `${target.user}@${route.name}` : undefined;
      const usable = withCredentials(mechanisms, credentials, jid);
      const done = await session.authenticate(
        usable,
        { ...exchangeOptions(target, options, trace), externalSsf: strengthOfTls(session.socket) },
        ({ mechanism, layer: begun }) => options.trace && begun && io.stderr.write(`${layerLine(mechanism, begun)}\n`),
      );
      const { authcid, authzid, layer, ...result } = done;
      const { elapsedMs } = follower;
      const more = await xmpp?.report(done as XMPPAuthenticationResult);
      if (options.trace && more?.profile === "sasl2")
        for (const words of xmppWords(more)) io.stderr.write(`${oneLine(`-- ${words}`)}\n`);
      const report = {
        ok: true,
        protocol: target.protocol,
        mechanism: result.mechanism,
        authcid: authcid ?? null,
        authzid: authzid ?? null,
        serverVerified: result.serverVerified,
        channelBinding: result.channelBinding ?? null,
        tls: tlsReport(session.socket),
        ssf: layer?.ssf ?? 0,
        offered: session.offer.mechanisms,
        skipped: allSkipped(result.skipped, choice()),
        ...more,
        elapsedMs,
      };
      if (options.json) printJson(io, report);
      else io.stdout.write(`${sentence(url, report, more)}\n`);
      await Promise.race([session.end().catch(() => {}), sleep(FAREWELL_MS)]);
      return exitCodes.done;
    });
  } catch (caught) {
    const error = ownErrorIn(caught);
    if (error instanceof CommandError && error.kind === "UsageError") throw error;
    if (options.trace && tried !== null) traceFailure(error, mask, io);
    const chosen = choice();
    const skipped = follower.offer === undefined ? [] : allSkipped(skippedIn(error), chosen);
    const facts = {
      protocol: target.protocol,
      mechanism: tried,
      tls: follower.tls,
      offered: chosen.offered,
      skipped,
      elapsedMs: follower.elapsedMs,
    };
    const { hasCertificate } = chosen;
    const { hint } = follower;
    throw new CommandFailure(error, facts, {
      mask,
      hint,
      hasCertificate,
      mechanism: tried,
      codeSent,
      sasl1: options.sasl1,
      whyNone: whyNone(skipped, chosen),
    });
  } finally {
    follower.destroy();
  }
}

/** What is to be used, and whether somebody has to be asked for a password. */
interface Plan {
  readonly mechanisms: readonly Mechanism[];
  readonly prompt: string | undefined;
  /** Whether there is anybody to log in as. */
  readonly somebody: boolean;
}

/**
 * @param fastToken one of an earlier login makes asking for a password needless.
 * @throws {CommandError} for options that do not go together.
 */
function planSecrets(target: Target, options: LoginOptions, io: Io, fastToken: FastToken | undefined): Plan {
  const { passwordFile, passwordStdin, tokenFile } = options;
  if (passwordFile !== undefined && passwordStdin)
    throw usageError("--password-file and --password-stdin exclude each other");
  const { user } = target;
  const means = { user, hasToken: tokenFile !== undefined, hasCertificate: options.cert !== undefined };
  const mechanisms = chooseMechanisms(options.mechanism, means);
  const named = options.mechanism && mechanisms.map(({ name }) => name);
  const hasFastToken = mayUse(fastToken, named);
  const wantsPassword = needsSecret(mechanisms, "password");
  const given = passwordFile !== undefined || passwordStdin === true;
  if (given && user === undefined) throw usageError("the URL names no user: SCHEME://USER@HOST");
  if (options.mechanism !== undefined && !given && wantsPassword && user === undefined) {
    throw usageError(`${options.mechanism.join(", ")} needs a user: SCHEME://USER@HOST`);
  }
  if (
    named !== undefined &&
    needsSecret(mechanisms, "token") &&
    tokenFile === undefined &&
    !hasFastToken &&
    !wantsPassword
  ) {
    const { fastTokenFile: file } = options;
    const list = named.join(", ");
    const isForFast = file !== undefined && named.every((name) => name.startsWith("HT-"));
    throw usageError(
      isForFast
        ? `${file}: no token for ${list} is in it; a login with the password brings one`
        : `${list} needs a token: --token-file FILE`,
    );
  }
  const otherMeans = means.hasToken || means.hasCertificate;
  const asks =
    !given && !hasFastToken && wantsPassword && user !== undefined && (options.mechanism !== undefined || !otherMeans);
  // A terminal shows what is typed unless it is asked properly.
  const prompts = asks || (passwordStdin === true && isTerminal(io.stdin));
  return {
    mechanisms,
    prompt: prompts ? `Password of ${oneLine(user ?? "")} at ${target.host}:` : undefined,
    somebody: user !== undefined || otherMeans,
  };
}

/** Reads what stands in files and comes on standard input. @throws {CommandError} */
async function readSecrets(
  { user }: Target,
  { passwordFile, passwordStdin, tokenFile, authzid }: LoginOptions,
  { stdin }: Io,
  typed: string | undefined,
  follower: Follower,
  signal: AbortSignal,
): Promise<Credentials> {
  let password = typed;
  if (passwordFile !== undefined) {
    follower.onStage("reading --password-file");
    password = await secretFromFile(passwordFile, signal);
  } else if (passwordStdin && typed === undefined) {
    follower.onStage("reading the password from standard input", "it ends where standard input ends");
    password = await secretFromStream(stdin, signal);
  }
  if (tokenFile !== undefined) follower.onStage("reading --token-file");
  const token = tokenFile === undefined ? undefined : await secretFromFile(tokenFile, signal);
  return { username: user, password, token, authzid };
}

function exchangeOptions(
  target: Target,
  options: LoginOptions,
  trace: (event: TraceEvent) => void,
): AuthenticateOptions {
  const { mechanism, prep, iterations, channelBinding, allowPlaintext, minSsf, maxSsf, domain, timeout } = options;
  return {
    policy: { requireEncryption: allowPlaintext !== true, channelBinding, minSsf, maxSsf },
    order: mechanism === undefined ? "strength" : "given",
    host: domain ?? target.host,
    port: target.port,
    prepare: prep,
    iterations,
    limits: { timeoutMs: timeout * 1000 },
    trace: tracer(trace),
  };
}

/** What TLS is worth; `undefined` where there is none. */
function strengthOfTls(socket: Socket): number | undefined {
  return socket instanceof TLSSocket ? tlsStrength(socket) : undefined;
}

function sentence(url: string, report: Readonly<Record<string, unknown>>, more: XmppReport | undefined): string {
  const { mechanism, authcid, authzid, serverVerified, channelBinding, ssf, elapsedMs } = report;
  const tls = report.tls as ReturnType<typeof tlsReport>;
  const parts = [
    `logged in to ${url}${authcid === null ? "" : ` as ${authcid}`} with ${mechanism}`,
    authzid === null ? undefined : `acting as ${authzid}`,
    ...(more ? xmppWords(more) : []),
    channelBinding === null ? "not bound to the channel" : `bound to the channel by ${channelBinding}`,
    serverVerified
      ? "the server proved itself"
      : `the server proved nothing${tls?.verified ? " but its certificate" : ""}`,
    tls === null ? "no TLS" : `${tls.version} ${tls.cipher}${tls.verified ? "" : ", certificate NOT verified"}`,
    ssf === 0 ? undefined : `a security layer of ${inBits(ssf as number)}`,
    `${elapsedMs} ms`,
  ];
  return oneLine(parts.filter((part) => part !== undefined).join("; "));
}

/** `C: SCRAM-SHA-256 initiate n,,n=alice,r=… (32 octets)`; `S:` for what the server says. */
function traceLine({ direction, mechanism, message, octets, text }: TraceEvent, mask: Mask): string {
  const side = direction === "send" ? "C" : "S";
  const size = octets === undefined ? "(no message)" : `(${octets} octets)`;
  const shown = text === "" ? "" : `${mask(text)} `;
  return oneLine(`${side}: ${mechanism} ${message} ${shown}${size}`);
}

/** Neither side says that it begins. */
function layerLine(mechanism: string, { ssf }: SecurityLayer): string {
  return `-- ${mechanism} from here on a security layer of ${inBits(ssf)}`;
}

/** The server's no is not a message of the mechanism, and yet the end of the exchange. */
function traceFailure(error: unknown, mask: Mask, io: Io): void {
  if (!isSASLError(error)) return;
  const { peer } = describeError(error, { mask }).report;
  if (peer !== undefined) io.stderr.write(`S: failure ${peer}\n`);
}

/** An error of the command itself, such as of a file read on the way, out of what the login made of it. */
function ownErrorIn(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof CommandError) return at;
  return error;
}

function skippedIn(error: unknown): readonly Skipped[] {
  const skipped = typeof error === "object" && error !== null ? Reflect.get(error, "skipped") : undefined;
  return Array.isArray(skipped) ? skipped : [];
}

function sleep(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs).unref());
}
