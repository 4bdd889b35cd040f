/**
 * `sasl login`: can I log in there, how, and what went over the wire?
 *
 * @module
 */
import {
  type AuthenticateOptions,
  type Credentials,
  isSASLError,
  type Skipped,
  type TraceEvent,
  tracer,
} from "sasl-core";
import { chooseMechanisms, needsSecret, withCredentials } from "../client/mechanism-list.js";
import { tlsReport } from "../client/session.js";
import { describeError, type ExitCode, exitCodes, oneLine, usageError } from "../errors.js";
import { type Io, printJson, withoutSecrets } from "../output.js";
import { askPassword, secretFromFile, secretFromStream } from "../secrets.js";
import { parseTarget, type Target } from "../url.js";
import { type ConnectionOptions, openSession, routeTo } from "./connection-options.js";
import { CommandFailure, Follower, within } from "./facts.js";

/** As the argument parser gives them. */
export interface LoginOptions extends ConnectionOptions {
  readonly mechanism?: readonly string[];
  readonly authzid?: string;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
  readonly tokenFile?: string;
  readonly prep: "saslprep" | "none";
  readonly iterations: { readonly min: number; readonly max: number };
  readonly trace?: boolean;
}

/** How long a polite end may take, in milliseconds. */
const FAREWELL_MS = 2000;

/** Runs the command. @throws {CommandFailure | CommandError} */
export async function login(url: string, options: LoginOptions, io: Io): Promise<ExitCode> {
  const target = parseTarget(url);
  const { credentials, mechanisms } = await prepare(target, options, io);
  const secrets = [credentials.password, credentials.token].filter((secret) => secret !== undefined);
  const signal = AbortSignal.timeout(options.timeout * 1000);
  const route = await routeTo(target, options, signal);
  const follower = new Follower();
  let tried: string | null = null;
  const trace = (event: TraceEvent): void => {
    tried = event.mechanism;
    if (options.trace) io.stderr.write(`${traceLine(event, secrets)}\n`);
  };
  const facts = (): Record<string, unknown> => ({
    protocol: target.protocol,
    mechanism: tried,
    tls: follower.tls,
    offered: follower.offer?.mechanisms ?? [],
  });
  try {
    return await within(signal, options.timeout, follower, async () => {
      const session = await openSession(route, follower);
      const jid = target.protocol === "xmpp" && target.user !== undefined ? `${target.user}@${route.name}` : undefined;
      const usable = withCredentials(mechanisms, credentials, jid);
      const { authcid, authzid, ...result } = await session.authenticate(
        usable,
        exchangeOptions(target, options, trace),
      );
      const { elapsedMs } = follower;
      const report = {
        ok: true,
        protocol: target.protocol,
        mechanism: result.mechanism,
        authcid: authcid ?? null,
        authzid: authzid ?? null,
        serverVerified: result.serverVerified,
        channelBinding: result.channelBinding ?? null,
        tls: tlsReport(session.socket),
        ssf: 0,
        offered: session.offer.mechanisms,
        skipped: result.skipped,
        elapsedMs,
      };
      if (options.json) printJson(io, report);
      else io.stdout.write(`${sentence(url, report)}\n`);
      await Promise.race([session.end().catch(() => {}), sleep(FAREWELL_MS)]);
      return exitCodes.done;
    });
  } catch (error) {
    if (options.trace && tried !== null) traceFailure(error, secrets, io);
    const skipped = skippedIn(error);
    throw new CommandFailure(error, { ...facts(), skipped, elapsedMs: follower.elapsedMs }, secrets);
  } finally {
    follower.destroy();
  }
}

/** Reads the secrets, before anything is sent: nobody's time runs while a password is typed. */
async function prepare(
  target: Target,
  options: LoginOptions,
  io: Io,
): Promise<{ credentials: Credentials; mechanisms: ReturnType<typeof chooseMechanisms> }> {
  const { passwordFile, passwordStdin, tokenFile, authzid } = options;
  if (passwordFile !== undefined && passwordStdin)
    throw usageError("--password-file and --password-stdin exclude each other");
  const { user } = target;
  const means = { user, hasToken: tokenFile !== undefined, hasCertificate: options.cert !== undefined };
  const mechanisms = chooseMechanisms(options.mechanism, means);
  const wantsPassword = needsSecret(mechanisms, "password");
  const given = passwordFile !== undefined || passwordStdin === true;
  if (given && user === undefined) throw usageError("the URL names no user: SCHEME://USER@HOST");
  if (options.mechanism !== undefined && !given && wantsPassword && user === undefined) {
    throw usageError(`${options.mechanism.join(", ")} needs a user: SCHEME://USER@HOST`);
  }
  if (
    options.mechanism !== undefined &&
    needsSecret(mechanisms, "token") &&
    tokenFile === undefined &&
    !wantsPassword
  ) {
    throw usageError(`${options.mechanism.join(", ")} needs a token: --token-file FILE`);
  }
  const otherMeans = means.hasToken || means.hasCertificate;
  const asks = !given && wantsPassword && user !== undefined && (options.mechanism !== undefined || !otherMeans);
  let password: string | undefined;
  if (passwordFile !== undefined) password = await secretFromFile(passwordFile);
  else if (passwordStdin) password = await secretFromStream(io.stdin);
  else if (asks) password = await askPassword(`Password of ${oneLine(user)} at ${target.host}:`, io.stdin, io.stderr);
  const token = tokenFile === undefined ? undefined : await secretFromFile(tokenFile);
  return { credentials: { username: user, password, token, authzid }, mechanisms };
}

function exchangeOptions(
  target: Target,
  options: LoginOptions,
  trace: (event: TraceEvent) => void,
): AuthenticateOptions {
  const { mechanism, prep, iterations, channelBinding, allowPlaintext, domain, timeout } = options;
  return {
    policy: { requireEncryption: allowPlaintext !== true, channelBinding },
    order: mechanism === undefined ? "strength" : "given",
    host: domain ?? target.host,
    port: target.port,
    prepare: prep,
    iterations,
    limits: { timeoutMs: timeout * 1000 },
    trace: tracer(trace),
  };
}

function sentence(url: string, report: Readonly<Record<string, unknown>>): string {
  const { mechanism, authcid, authzid, serverVerified, channelBinding, elapsedMs } = report;
  const tls = report.tls as ReturnType<typeof tlsReport>;
  const parts = [
    `logged in to ${url}${authcid === null ? "" : ` as ${authcid}`} with ${mechanism}`,
    authzid === null ? undefined : `acting as ${authzid}`,
    channelBinding === null ? "not bound to the channel" : `bound to the channel by ${channelBinding}`,
    serverVerified ? "the server proved itself" : "the server proved nothing but its certificate",
    tls === null ? "no TLS" : `${tls.version} ${tls.cipher}${tls.verified ? "" : ", certificate NOT verified"}`,
    `${elapsedMs} ms`,
  ];
  return oneLine(parts.filter((part) => part !== undefined).join("; "));
}

/** `C: SCRAM-SHA-256 initiate n,,n=alice,r=… (32 octets)`; `S:` for what the server says. */
function traceLine({ direction, mechanism, message, octets, text }: TraceEvent, secrets: readonly string[]): string {
  const side = direction === "send" ? "C" : "S";
  const size = octets === undefined ? "(no message)" : `(${octets} octets)`;
  const shown = text === "" ? "" : `${withoutSecrets(text, secrets)} `;
  return oneLine(`${side}: ${mechanism} ${message} ${shown}${size}`);
}

/** The server's no is not a message of the mechanism, and yet the end of the exchange. */
function traceFailure(error: unknown, secrets: readonly string[], io: Io): void {
  if (!isSASLError(error)) return;
  const { peer } = describeError(error).report;
  if (peer !== undefined) io.stderr.write(`S: failure ${withoutSecrets(peer, secrets)}\n`);
}

function skippedIn(error: unknown): readonly Skipped[] {
  const skipped = typeof error === "object" && error !== null ? Reflect.get(error, "skipped") : undefined;
  return Array.isArray(skipped) ? skipped : [];
}

function sleep(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs).unref());
}
