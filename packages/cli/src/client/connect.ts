/**
 * From a target to a connected socket, with errors that say what to do.
 *
 * @module
 */
import { connect as connectTcpSocket, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTlsSocket, type SecureVersion, type TLSSocket } from "node:tls";
import { CommandError } from "../errors.js";

/** What TLS is to be like. */
export interface TlsSettings {
  /** Issuers to trust in place of the usual ones, PEM. */
  readonly ca?: string | undefined;
  /** Our certificate with its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** True takes any certificate: whoever is in the middle can then read and change everything. */
  readonly insecure: boolean;
  readonly min?: SecureVersion | undefined;
  readonly max?: SecureVersion | undefined;
}

/** Options of Node's TLS for a server whose certificate must be for `name`. */
export function tlsOptions(settings: TlsSettings, name: string): ConnectionOptions {
  const { ca, cert, key, insecure, min, max } = settings;
  return {
    host: name,
    ...(isIP(name) === 0 && { servername: name }), // RFC 6066 §3: no addresses in SNI
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert, key }),
    ...(min !== undefined && { minVersion: min }),
    ...(max !== undefined && { maxVersion: max }),
    rejectUnauthorized: !insecure,
  };
}

/**
 * Connects over TCP.
 *
 * @param signal ends the attempt; the socket is destroyed.
 * @throws {CommandError} exit 3, with the reason.
 */
export function connectTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcpSocket({ host, port, noDelay: true });
  return settled(socket, "connect", signal, (error) => tcpError(error, host, port));
}

/**
 * Begins TLS on a connected socket, before anything was said.
 *
 * @param name what the certificate must be for.
 * @throws {CommandError} exit 3, with the reason; the socket is destroyed.
 */
export function startTls(
  socket: Socket,
  settings: TlsSettings & { readonly name: string; readonly alpn?: string | undefined },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { name, alpn } = settings;
  const secured = connectTlsSocket({ ...tlsOptions(settings, name), ...(alpn && { ALPNProtocols: [alpn] }), socket });
  return settled(secured, "secureConnect", signal, (error) => tlsError(error, name));
}

/** Resolves with the socket once it is ready; on anything else destroys it and rejects. */
function settled<S extends Socket>(
  socket: S,
  ready: "connect" | "secureConnect",
  signal: AbortSignal,
  explain: (error: unknown) => CommandError,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const forget = (): void => {
      socket.off(ready, onReady).off("error", onFail).off("close", onFail);
      signal.removeEventListener("abort", onAbort);
    };
    const onReady = (): void => {
      forget();
      resolve(socket);
    };
    const onFail = (error?: unknown): void => {
      forget();
      socket.on("error", () => {}); // what may still come of it
      socket.destroy();
      reject(explain(error));
    };
    const onAbort = (): void => onFail(signal.reason);
    socket.once(ready, onReady).once("error", onFail).once("close", onFail);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function tcpError(error: unknown, host: string, port: number): CommandError {
  const cause = firstOf(error);
  const code = codeOf(cause);
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  switch (code) {
    case "ENOTFOUND":
    case "ENODATA":
    case "EAI_NONAME":
      return new CommandError("host-not-found", `there is no host ${host}; check the name`, { cause });
    case "EAI_AGAIN":
      return new CommandError("host-not-found", `the name ${host} cannot be looked up at present; check the network`, {
        cause,
      });
    case "ECONNREFUSED":
      return new CommandError("connection-refused", `nothing listens on ${where}; check host and port`, { cause });
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return new CommandError("host-unreachable", `${where} cannot be reached from here (${code})`, { cause });
    case "ETIMEDOUT":
      return new CommandError("timed-out", `${where} does not answer; check host, port and firewalls`, { cause });
    default:
      return new CommandError("connection-lost", `the connection to ${where} failed (${code || "closed"})`, { cause });
  }
}

/** What OpenSSL and Node call a certificate that does not pass, and what to do where trusting an issuer is not it. */
const certificateFaults: ReadonlyMap<string, readonly [what: string, advice?: string]> = new Map([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", ["it is self-signed"]],
  ["SELF_SIGNED_CERT_IN_CHAIN", ["its issuer is not trusted"]],
  ["UNABLE_TO_GET_ISSUER_CERT", ["its issuer is not known"]],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", ["its issuer is not known"]],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", ["its issuer is not known"]],
  ["CERT_UNTRUSTED", ["its issuer is not trusted"]],
  ["CERT_REVOKED", ["it was revoked", "the server needs a new one"]],
  ["CERT_HAS_EXPIRED", ["it has expired", "the server needs a new one, unless this machine's clock is wrong"]],
  ["CERT_NOT_YET_VALID", ["it is not valid yet", "check this machine's clock and the server's"]],
  ["CERT_SIGNATURE_FAILURE", ["its signature is wrong", "somebody may be in the middle"]],
  ["INVALID_CA", ["its issuer is no certification authority", "the server needs another one"]],
  ["INVALID_PURPOSE", ["it is for another purpose", "the server needs one for servers"]],
]);

/** The names a certificate is for, a few of them; empty when the error does not tell. */
function namesIn(error: unknown): string {
  const { subjectaltname: names } = (error as { cert?: { subjectaltname?: unknown } }).cert ?? {};
  if (typeof names !== "string") return "";
  const shown = names.split(", ").map((entry) => entry.replace(/^(?:DNS|IP Address):/, ""));
  return `${shown.slice(0, 5).join(", ")}${shown.length > 5 ? " …" : ""}`;
}

/**
 * Why a TLS handshake failed.
 *
 * @param error what the socket said; `undefined` when it was closed.
 * @param name what the certificate had to be for.
 */
export function tlsError(error: unknown, name: string): CommandError {
  const cause = firstOf(error);
  const code = codeOf(cause);
  const anyway = "--insecure-tls takes any certificate, for tests alone";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH") {
    const names = namesIn(cause);
    const text = `the server's certificate is not for ${name}${names && `, but for ${names}`}; use a name it is for, or check the host; ${anyway}`;
    return new CommandError("certificate-not-trusted", text, { cause });
  }
  const fault = certificateFaults.get(code);
  if (fault !== undefined) {
    const [what, advice = "--ca FILE names an issuer to trust"] = fault;
    const text = `the server's certificate is not trusted: ${what}; ${advice}; ${anyway}`;
    return new CommandError("certificate-not-trusted", text, { cause });
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    const why = "the server does not speak TLS here; for STARTTLS take the scheme without s";
    return new CommandError("tls-failed", why, { cause });
  }
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE/.test(code)) {
    return new CommandError("tls-failed", "no TLS version suits both sides; see --tls-min and --tls-max", { cause });
  }
  const reason = code === "" || code === "ECONNRESET" ? "the server closed the connection" : code;
  return new CommandError("tls-failed", `the TLS handshake failed: ${reason}`, { cause });
}

/** Node tries several addresses and gives all the errors. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}
