/**
 * Channel binding of Node's TLS sockets, and what else a login wants to know about them. Sources: RFC 9266
 * (tls-exporter), RFC 5929 (tls-unique, tls-server-end-point), RFC 7627 (what resumption breaks below TLS 1.3).
 *
 * @module
 */
import type { PeerCertificate, TLSSocket } from "node:tls";
import { type ChannelBinding, channelBinding } from "../channel-binding.js";
import { SASLFailure } from "../errors.js";
import { certificateHash } from "./certificate-hash.js";

/** What {@link tlsChannelBinding} cannot see for itself. */
export interface TLSChannelBindingOptions {
  /** Our end of the connection. Left out: the socket tells. */
  readonly role?: "client" | "server" | undefined;

  /**
   * True when you know that this connection, below TLS 1.3, uses the extended master secret (RFC 7627): because you run
   * both ends, or your TLS stack refuses peers without it. Node does not say. It adds `tls-exporter` on TLS 1.2, and
   * `tls-unique` on resumed sessions. Wrongly set, somebody in the middle can give two connections the same binding
   * data (the triple handshake attack), and the binding no longer proves anything. Without effect on TLS 1.3.
   */
  readonly extendedMasterSecret?: boolean | undefined;
}

/**
 * What a TLS connection can bind to, strongest first:
 *
 * - TLS 1.3: `tls-exporter`, `tls-server-end-point`;
 * - TLS 1.2 and older: `tls-exporter` if `extendedMasterSecret` is asserted, `tls-unique` unless the session was
 *   resumed, `tls-server-end-point`.
 *
 * `tls-exporter` is missing on runtimes whose sockets cannot export, such as Deno's.
 * `tls-server-end-point` is missing where RFC 5929 §4.1 defines no hash (Ed25519), and on a client whose session was
 * resumed, as Node has no server certificate then. A client also finds none after its application called
 * `socket.getPeerX509Certificate()`, which can be called once and empties `getPeerCertificate()` too; the latter may
 * be called at any time.
 *
 * All data is read at once, here, and stays as it is. Call it as soon as the handshake is finished: below TLS 1.3 a
 * renegotiation changes what would be read, and can undo what is said about resumption here. A server's socket is told
 * to refuse one, by `disableRenegotiation()`. On a client that call has no effect in Node; refuse them there by
 * connecting with `secureOptions: crypto.constants.SSL_OP_NO_RENEGOTIATION`.
 *
 * @param socket after `secureConnect` (client) or `secureConnection` (server), and not destroyed.
 * @throws {TypeError} when the handshake is not finished.
 * @throws {SASLFailure} `connection-lost` when the socket is destroyed.
 */
export function tlsChannelBinding(socket: TLSSocket, options: TLSChannelBindingOptions = {}): ChannelBinding {
  const exported = exporter(socket);
  const role = options.role ?? roleOf(socket);
  const endPoint = serverEndPoint(socket, role);
  const version = socket.getProtocol();
  if (version === "TLSv1.3") return channelBinding({ "tls-exporter": exported, "tls-server-end-point": endPoint });

  const legacy = version !== null && LEGACY_VERSIONS.has(version);
  if (legacy && role === "server") socket.disableRenegotiation();
  const extended = options.extendedMasterSecret === true;
  return channelBinding({
    // RFC 9266 §4: on TLS 1.2 only with the extended master secret.
    "tls-exporter": legacy && extended ? exported : undefined,
    // RFC 8446 §C.5: none on TLS 1.3, where Node returns bytes all the same. RFC 7627 §5.4: none after resumption without EMS.
    "tls-unique": legacy && (extended || !socket.isSessionReused()) ? firstFinished(socket, role) : undefined,
    "tls-server-end-point": endPoint,
  });
}

/** What a log line or a command says about a TLS connection. Plain data, no secret. */
export interface TLSFacts {
  /** `TLSv1.3`, `TLSv1.2`, … */
  readonly version: string;
  /** Name as registered with IANA: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /**
   * True when the peer's certificate was checked and found good, on this connection or on the one whose session it
   * continues. On a server: false unless it asked for a certificate and got one. Ask here before believing who a client's
   * certificate says it is (EXTERNAL), for `socket.authorized` is not enough: it is true as well when a client without any
   * certificate resumes a session of TLS 1.3, which everybody can.
   */
  readonly verified: boolean;
  /** True when an earlier session was continued; its certificates were checked then, under the options of then. */
  readonly resumed: boolean;
}

/**
 * Facts of a TLS connection.
 *
 * @param socket after `secureConnect` (client) or `secureConnection` (server).
 * @returns a snapshot; `undefined` when the socket is destroyed.
 */
export function tlsFacts(socket: TLSSocket): TLSFacts | undefined {
  const version = socket.getProtocol();
  const cipher = version === null ? undefined : socket.getCipher();
  if (version === null || !cipher) return undefined;
  return { version, cipher: cipher.standardName, verified: isVerified(socket), resumed: socket.isSessionReused() };
}

/**
 * The version of a TLS connection as four hexadecimal digits, `0304` for TLS 1.3: for `tlsVersion` at both ends (XEP-0515 §4.1).
 *
 * @param socket after `secureConnect` (client) or `secureConnection` (server).
 * @returns `undefined` when the socket is destroyed, and for a version nobody knows here.
 */
export function tlsVersion(socket: TLSSocket): string | undefined {
  return VERSION_NUMBERS.get(socket.getProtocol());
}

/** RFC 8446 §4.2.1, appendix D. */
const VERSION_NUMBERS: ReadonlyMap<string | null, string> = new Map([
  ["TLSv1.3", "0304"],
  ["TLSv1.2", "0303"],
  ["TLSv1.1", "0302"],
  ["TLSv1", "0301"],
]);

/**
 * How strong the encryption of a TLS connection is, in bits: for `ServerConnection.externalSsf`, and so for `minSsf`.
 *
 * @param socket after `secureConnect` (client) or `secureConnection` (server).
 * @returns what an attack on the cipher costs: 256, 128, or less for the ciphers of the past; 0 for no encryption, for RC4
 *   (RFC 7465 forbids it), for a cipher nobody knows here, and when the socket is destroyed.
 */
export function tlsStrength(socket: TLSSocket): number {
  const cipher = socket.getProtocol() === null ? undefined : socket.getCipher();
  if (!cipher) return 0;
  return CIPHER_STRENGTHS.find(([name]) => name.test(cipher.standardName))?.[1] ?? 0;
}

/** By the name registered with IANA, in which key exchange and hash stand as well. */
const CIPHER_STRENGTHS: readonly [cipher: RegExp, bits: number][] = [
  [/_EXPORT/, 40], // whatever the key length: RFC 4346 §A.5
  [/_(?:AES|CAMELLIA|ARIA)_256_|_CHACHA20_/, 256],
  [/_(?:AES|CAMELLIA|ARIA)_128_|_(?:SEED|IDEA|SM4)_/, 128],
  [/_3DES_EDE_/, 112], // NIST SP 800-57 part 1, table 2
  [/_DES_/, 56],
];

/**
 * Node finds no fault with a certificate that is not there if the session was resumed. A client may have seen it when the
 * session began, and has it no more; a server gets it out of the session, if the client ever had one.
 */
function isVerified(socket: TLSSocket): boolean {
  if (!socket.authorized || roleOf(socket) === "client") return socket.authorized;
  return (socket.getPeerCertificate() as Partial<PeerCertificate> | null)?.raw !== undefined;
}

/** Versions that have tls-unique. Named one by one: what a version to come would mean, nobody knows. */
const LEGACY_VERSIONS: ReadonlySet<string> = new Set(["TLSv1", "TLSv1.1", "TLSv1.2"]);

/**
 * RFC 9266 §2: this label, a context of zero length, 32 octets. On TLS 1.2 a context left out gives other octets
 * than an empty one (RFC 5705 §4), so it is always passed.
 */
function exporter(socket: TLSSocket): Uint8Array | undefined {
  if (socket.destroyed) throw new SASLFailure("connection-lost", "the TLS socket is destroyed");
  if (typeof socket.exportKeyingMaterial !== "function") return undefined; // Deno
  try {
    return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_TLS_INVALID_STATE") {
      throw new TypeError("channel binding asked for before the TLS handshake finished", { cause });
    }
    // A plain TypeError of Node, whose socket has lost its handle.
    throw new SASLFailure("connection-lost", "the TLS socket tells nothing any more", { cause });
  }
}

/** Node documents `null` here for servers, and an object, if an empty one, for clients. */
function roleOf(socket: TLSSocket): "client" | "server" {
  return socket.getEphemeralKeyInfo() === null ? "server" : "client";
}

/**
 * RFC 5929 §4.1. These two calls can be repeated, which `getPeerX509Certificate()` cannot, and take a sixth of the time of
 * `getX509Certificate()`. Without a certificate they return an empty object.
 */
function serverEndPoint(socket: TLSSocket, role: "client" | "server"): Uint8Array | undefined {
  const certificate = role === "server" ? socket.getCertificate() : socket.getPeerCertificate();
  const raw = (certificate as Partial<PeerCertificate> | null)?.raw;
  return raw && certificateHash(raw);
}

/** RFC 5929 §3.1: the first Finished of the handshake. A full one is finished by the client first, a resumed one by the server. */
function firstFinished(socket: TLSSocket, role: "client" | "server"): Uint8Array | undefined {
  const first = socket.isSessionReused() ? "server" : "client";
  return first === role ? socket.getFinished() : socket.getPeerFinished();
}
