/**
 * `sasl probe`: what does that server offer, and what would this client make of it?
 *
 * @module
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type ChannelBinding, clientMechanism, evaluate, type MechanismInfo, SASLFailure, strengthOf } from "sasl-core";
import { tlsChannelBinding } from "sasl-core/node";
import { whyOnlyNamed } from "../client/mechanism-list.js";
import { type Offer, type Session, tlsReport } from "../client/session.js";
import { type ExitCode, exitCodes, oneLine } from "../errors.js";
import { knownMechanisms, mechanismNamed } from "../known-mechanisms.js";
import { formatTable, type Io, printJson } from "../output.js";
import { parseTarget, type Target } from "../url.js";
import { type ConnectionOptions, openSession, routeTo } from "./connection-options.js";
import { CommandFailure, Follower, within } from "./facts.js";

/** How long a polite end may take, in milliseconds. */
const FAREWELL_MS = 2000;

/** Runs the command. @throws {CommandFailure | CommandError} */
export async function probe(url: string, options: ConnectionOptions, io: Io): Promise<ExitCode> {
  const target = parseTarget(url);
  const signal = AbortSignal.timeout(options.timeout * 1000);
  const route = await routeTo(target, options, signal);
  const follower = new Follower();
  try {
    return await within(signal, options.timeout, follower, async () => {
      const session = await openSession(route, follower);
      const { elapsedMs } = follower;
      const report = { ok: true, ...reportOf(target, session, options), elapsedMs };
      if (options.json) printJson(io, report);
      else io.stdout.write(forPeople(url, report));
      await Promise.race([session.end().catch(() => {}), sleep(FAREWELL_MS)]);
      return exitCodes.done;
    });
  } catch (error) {
    const { before, offer, tls, elapsedMs } = follower;
    const known = {
      protocol: target.protocol,
      tls,
      before: before ? offerReport(before) : null,
      offered: offer?.mechanisms ?? [],
      elapsedMs,
    };
    if (!options.json && before) io.stdout.write(beforeForPeople(url, before));
    throw new CommandFailure(error, known, { hint: follower.hint });
  } finally {
    follower.destroy();
  }
}

interface MechanismReport {
  readonly name: string;
  /** Class of strength; `null` for mechanisms this build does not know. */
  readonly strength: string | null;
  /** Bits of the strongest security layer it can bring, 0 for none; `null` for mechanisms this build does not know. */
  readonly maxSsf: number | null;
  /** Whether it would be bound to this channel. */
  readonly canBind: boolean;
  /** Whether this client would use it, given credentials for it. */
  readonly use: boolean;
  /** Its place in the order this client would try; `null` when it would not. */
  readonly rank: number | null;
  /** Why not; `null` when it would. */
  readonly reason: string | null;
  /** When it was offered. */
  readonly offered: "always" | "before TLS" | "after TLS";
}

interface Report {
  readonly protocol: Target["protocol"];
  readonly tls: ReturnType<typeof tlsReport>;
  readonly certificate: CertificateReport | null;
  readonly before: ReturnType<typeof offerReport> | null;
  readonly after: ReturnType<typeof offerReport>;
  readonly offered: readonly string[];
  readonly mechanisms: readonly MechanismReport[];
  /** Mechanism this client would take first; `null` when it would take none. */
  readonly choice: string | null;
  readonly bindingTypes: { readonly ours: readonly string[]; readonly announced: readonly string[] | null };
}

function reportOf(target: Target, session: Session, options: ConnectionOptions): Report {
  const { socket, before, offer } = session;
  const binding = bindingOf(socket);
  const judged = judge(session, binding, options);
  return {
    protocol: target.protocol,
    tls: tlsReport(socket),
    certificate: certificateOf(socket),
    before: before ? offerReport(before) : null,
    after: offerReport(offer),
    offered: offer.mechanisms,
    mechanisms: judged,
    choice: judged.find(({ rank }) => rank === 1)?.name ?? null,
    bindingTypes: { ours: binding?.types ?? [], announced: offer.bindingTypes ?? null },
  };
}

function offerReport(offer: Offer): Readonly<Record<string, unknown>> & { readonly mechanisms: readonly string[] } {
  return { mechanisms: offer.mechanisms, ...offer.details };
}

function bindingOf(socket: Socket): ChannelBinding | undefined {
  return socket instanceof TLSSocket ? tlsChannelBinding(socket) : undefined;
}

/** What `sasl login` would do with credentials of every kind. */
function judge(
  { socket, before, offer }: Session,
  binding: ChannelBinding | undefined,
  options: ConnectionOptions,
): MechanismReport[] {
  const able = knownMechanisms.filter((each) => whyOnlyNamed(each) === undefined);
  const willing = able.filter((each) => each.needs !== "identity" || options.cert !== undefined);
  const unreachable = () => {
    throw new SASLFailure("no-credentials", "a probe logs nothing in");
  };
  const { candidates, skipped } = evaluate(
    offer.mechanisms,
    willing.map((each) => clientMechanism([each], unreachable)),
    {
      secure: socket instanceof TLSSocket && (socket.authorized || options.insecureTls === true),
      layers: true,
      policy: { requireEncryption: options.allowPlaintext !== true, channelBinding: options.channelBinding },
      channelBinding: binding,
      serverBindingTypes: offer.bindingTypes,
    },
  );
  const reasons = new Map(skipped.map(({ mechanism, reason }) => [mechanism, reason]));
  const order = candidates.map(({ info }) => info.name);
  const gone = before?.mechanisms.filter((name) => !offer.mechanisms.includes(name)) ?? [];
  const names = [...order, ...offer.mechanisms.filter((name) => !order.includes(name)), ...gone];
  return names.map((name) => {
    const info = mechanismNamed(name);
    const at = order.indexOf(name);
    const early = before === undefined || before.mechanisms.includes(name);
    return {
      name,
      strength: info ? strengthOf(info) : null,
      maxSsf: info ? (info.maxSsf ?? 0) : null,
      canBind: binds(info, binding?.types ?? []),
      use: at >= 0,
      rank: at < 0 ? null : at + 1,
      reason: at < 0 ? reasonFor(name, gone.includes(name), reasons.get(name)) : null,
      offered: gone.includes(name) ? "before TLS" : early ? "always" : "after TLS",
    };
  });
}

/** Whether one of these types is the one that a mechanism is bound to, or any is good. */
function binds(info: MechanismInfo | undefined, types: readonly string[]): boolean {
  const { channelBinding = false } = info ?? {};
  return typeof channelBinding === "string" ? types.includes(channelBinding) : channelBinding && types.length > 0;
}

function reasonFor(name: string, gone: boolean, reason: string | undefined): string {
  if (gone) return "not offered after TLS began";
  const info = mechanismNamed(name);
  if (info === undefined) return "this client does not know it";
  const unnamed = whyOnlyNamed(info);
  if (unnamed !== undefined) return unnamed;
  if (info.needs === "identity") return "needs a client certificate";
  return reason ?? "no reason known";
}

interface CertificateReport {
  readonly subject: string;
  readonly issuer: string;
  readonly names: string;
  /** ISO 8601. */
  readonly validFrom: string;
  readonly validTo: string;
  /** SHA-256, in hexadecimal with colons. */
  readonly fingerprint256: string;
}

function certificateOf(socket: Socket): CertificateReport | null {
  if (!(socket instanceof TLSSocket)) return null;
  const certificate = socket.getPeerCertificate();
  if (certificate.raw === undefined) return null;
  const { subject, issuer, subjectaltname, valid_from, valid_to, fingerprint256 } = certificate;
  return {
    subject: distinguishedName(subject),
    issuer: distinguishedName(issuer),
    names: oneLine(subjectaltname ?? ""),
    validFrom: isoTime(valid_from),
    validTo: isoTime(valid_to),
    fingerprint256,
  };
}

function distinguishedName(name: unknown): string {
  if (typeof name !== "object" || name === null) return "";
  return oneLine(
    Object.entries(name)
      .map(([key, value]) => `${key}=${[value].flat().join("+")}`)
      .join(", "),
  );
}

function isoTime(text: string): string {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? oneLine(text) : time.toISOString();
}

const titles = {
  name: "mechanism",
  strength: "strength",
  maxSsf: "max SSF",
  binds: "binds",
  offered: "offered",
  use: "this client",
} as const;

function forPeople(url: string, report: Report): string {
  const { before, after, tls, certificate, mechanisms, bindingTypes } = report;
  const lines = [`${url}${tls === null ? "" : `: ${tls.version} ${tls.cipher}, certificate ${trust(tls.verified)}`}`];
  if (certificate) {
    lines.push(
      `certificate: ${certificate.subject}; issued by ${certificate.issuer}; ${certificate.names}`,
      `  valid ${certificate.validFrom} to ${certificate.validTo}; SHA-256 ${certificate.fingerprint256}`,
    );
  }
  if (before) lines.push(`before TLS: ${listed(before.mechanisms)}; ${detailText(before)}`);
  lines.push(`${tls ? "with TLS" : "without TLS"}: ${listed(after.mechanisms)}; ${detailText(after)}`);
  const { ours, announced } = bindingTypes;
  lines.push(`channel binding: ours ${listed(ours)}; the server's ${announced ? listed(announced) : "not announced"}`);
  const table = formatTable(
    titles,
    mechanisms.map(({ name, strength, maxSsf, canBind, offered, rank, reason }) => ({
      name,
      strength: strength ?? "unknown",
      maxSsf: maxSsf === null ? "unknown" : String(maxSsf),
      binds: canBind ? "yes" : "no",
      offered,
      use: rank === null ? `no: ${reason}` : `choice ${rank}`,
    })),
  );
  return `${lines.map(oneLine).join("\n")}\n${mechanisms.length > 0 ? `\n${table}` : ""}`;
}

function beforeForPeople(url: string, before: Offer): string {
  return `${oneLine(`${url} before TLS: ${listed(before.mechanisms)}; ${detailText(before.details)}`)}\n`;
}

function trust(verified: boolean): string {
  return verified ? "verified" : "NOT verified";
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(" ");
}

const words: Readonly<Record<string, string>> = {
  startTls: "STARTTLS",
  loginDisabled: "LOGINDISABLED",
  saslIr: "SASL-IR",
  maxMessageBytes: "SIZE",
  maxCommandBytes: "longest command",
  sasl2: "SASL2 (XEP-0388)",
  fast: "FAST (XEP-0484)",
  inlineFeatures: "inline features",
  bindFeatures: "sessions begin with",
  fastMechanisms: "mechanisms of FAST",
  upgrades: "upgrades",
  capabilities: "capabilities",
  extensions: "extensions",
};

function detailText(details: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(details).flatMap(([key, value]) => {
    const word = words[key];
    return word === undefined || value === null ? [] : [`${word} ${shown(value)}`];
  });
  return parts.join(", ");
}

function shown(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.join(" ") || "none" : String(value);
}

function sleep(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs).unref());
}
