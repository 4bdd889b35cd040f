/**
 * Setting a connection up: TCP or a local socket, TLS or StartTLS, and the bind of the service. Source: RFC 4513 §3, §5.1.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Connection } from "./connection.js";
import { fault, resultCodes } from "./faults.js";
import type { Settings } from "./options.js";

/**
 * A connection nobody has bound on, TLS begun where there is to be TLS.
 *
 * @throws {SASLFailure} `temporary` when there is none within `connectTimeoutMs`.
 */
export function openConnection(settings: Settings): Promise<Connection> {
  return within(settings.connectTimeoutMs, (opened) => encrypted(settings, opened));
}

/** A connection bound as the service, where it has a name. @throws {SASLFailure} `temporary` */
export function openBoundConnection(settings: Settings): Promise<Connection> {
  return within(settings.connectTimeoutMs, async (opened) => {
    const connection = await encrypted(settings, opened);
    if (settings.bindDn === undefined) return connection;
    const password = await settings.password();
    if (password === "") throw fault("the password of the service is empty"); // R-STO-02
    const code = await connection.bind(settings.bindDn, password);
    if (code !== resultCodes.success) throw fault(`bind as the service: result code ${code}`);
    return connection;
  });
}

/** Sets something up before the time is over; what was opened on the way is closed unless it succeeds. */
async function within<T>(timeoutMs: number, setUp: (opened: (socket: Socket) => void) => Promise<T>): Promise<T> {
  const sockets: Socket[] = [];
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    late = true;
    for (const each of sockets.toReversed()) each.destroy(); // the outermost first
  };
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fault("no connection in time")), timeoutMs);
  });
  const opened = (socket: Socket): void => {
    sockets.push(socket);
    if (late) socket.destroy();
  };
  try {
    return await Promise.race([setUp(opened), timedOut]);
  } catch (error) {
    end();
    throw isFault(error) ? error : fault(`no connection: ${codeOf(error)}`, error);
  } finally {
    clearTimeout(timer);
  }
}

async function encrypted(settings: Settings, opened: (socket: Socket) => void): Promise<Connection> {
  const { target, encryption, timeoutMs } = settings;
  const plain = connectPlain(target);
  opened(plain);
  await ready(plain, "connect");
  plain.setKeepAlive(true, 60_000);
  plain.setNoDelay(true);
  if (encryption === "none") return new Connection(plain, timeoutMs);
  const socket = encryption === "tls" ? plain : await new Connection(plain, timeoutMs).startTls();
  const { servername, ...tls } = settings.tls;
  const host = servername ?? ("host" in target ? target.host : "localhost");
  const ca = settings.caFile === undefined ? tls.ca : await readFile(settings.caFile);
  const secured = connectTls({ ...tls, ca, socket, host, ...(isIP(host) === 0 ? { servername: host } : {}) });
  opened(secured);
  await ready(secured, "secureConnect");
  return new Connection(secured, timeoutMs);
}

/** @throws what went wrong, when the socket closes first. */
function ready(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays: a socket nobody listens to would end the program with its error.
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    socket.once(event, () => resolve());
  });
}

function isFault(error: unknown): boolean {
  return (error as { kind?: unknown } | null)?.kind === "SASLFailure";
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `ENOENT`. */
function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? "closed";
}
