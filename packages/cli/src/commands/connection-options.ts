/**
 * The options `login` and `probe` share, from text to meaning.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureVersion } from "node:tls";
import { openImap } from "../client/imap.js";
import type { Progress, Route, Session, TlsMode } from "../client/session.js";
import { openSmtp } from "../client/smtp.js";
import { openXmpp } from "../client/xmpp.js";
import type { XmppLogin } from "../client/xmpp-login.js";
import { CommandError, usageError } from "../errors.js";
import { unreadable } from "../files.js";
import type { Target } from "../url.js";

/** As the argument parser gives them. */
export interface ConnectionOptions {
  readonly domain?: string;
  readonly ca?: string;
  readonly insecureTls?: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly tls?: TlsMode;
  readonly tlsMin?: "1.2" | "1.3";
  readonly tlsMax?: "1.2" | "1.3";
  readonly channelBinding: "disable" | "prefer" | "require";
  readonly allowPlaintext?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

/**
 * The way to a server.
 *
 * @throws {CommandError} for options that do not go together and files that cannot be read.
 */
export async function routeTo(target: Target, options: ConnectionOptions, signal: AbortSignal): Promise<Route> {
  const { tlsMin, tlsMax, insecureTls = false } = options;
  if (tlsMin !== undefined && tlsMax !== undefined && tlsMin > tlsMax) {
    throw usageError(`--tls-min ${tlsMin} is above --tls-max ${tlsMax}`);
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw usageError("--cert and --key go together");
  }
  const [ca, cert, key] = await Promise.all([
    options.ca === undefined ? undefined : readCertificates(options.ca),
    options.cert === undefined ? undefined : readCertificates(options.cert),
    options.key === undefined ? undefined : readPem(options.key),
  ]);
  if (cert !== undefined && key !== undefined) checkPair(cert, key, options);
  const tls = { ca, cert, key, insecure: insecureTls, min: version(tlsMin ?? "1.2"), max: version(tlsMax) };
  const mode = options.tls ?? (target.directTls ? "implicit" : "starttls");
  return { target, mode, tls, name: domainOf(target, options), signal };
}

function version<V extends "1.2" | "1.3" | undefined>(given: V): SecureVersion | undefined {
  return given === undefined ? undefined : `TLSv1.${given === "1.3" ? "3" : "2"}`;
}

/** What the certificate must be for: in XMPP the domain of the account (RFC 6120 §13.7.2.1), otherwise the host. */
export function domainOf({ protocol, host }: Target, { domain }: ConnectionOptions): string {
  return protocol === "xmpp" ? (domain ?? host) : host;
}

/**
 * Opens the connection a route leads to, in the protocol of its target.
 *
 * @param login how to log in, in XMPP; left out, nobody will.
 */
export function openSession(route: Route, progress: Progress, login?: XmppLogin): Promise<Session> {
  switch (route.target.protocol) {
    case "imap":
      return openImap(route, progress);
    case "smtp":
      return openSmtp(route, progress);
    case "xmpp":
      return openXmpp(route, progress, route.name, login ? undefined : route.target.user, login);
  }
}

/** A PEM file with one or more certificates. @throws {CommandError} */
export async function readCertificates(path: string): Promise<string> {
  const pem = await readPem(path);
  try {
    new X509Certificate(pem);
  } catch {
    throw new CommandError("malformed-file", `${path}: no certificate in PEM form`);
  }
  return pem;
}

/** A PEM file. @throws {CommandError} */
export async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @throws {CommandError} when key and certificate do not belong together. */
export function checkPair(cert: string, key: string, files: { readonly cert?: string; readonly key?: string }): void {
  try {
    createSecureContext({ cert, key });
  } catch {
    throw new CommandError("malformed-file", `${files.key}: no private key in PEM form that fits ${files.cert}`);
  }
}
