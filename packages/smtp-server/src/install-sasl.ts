/**
 * AUTH of smtp-server by `sasl-smtp`. Source: RFC 4954 §3, §4, §6, §9.
 *
 * smtp-server's own mechanisms stand in a table of the whole program, of which there are two, one for ESM and one for
 * CommonJS, and its list of them is the same on all connections. So both commands are replaced on each connection of the one
 * server instead: AUTH, and EHLO as far as it announces AUTH. The members used are those of its type declarations.
 *
 * @module
 */
import { TLSSocket } from "node:tls";
import {
  AuthenticationFailure,
  isSASLError,
  type SASLServer,
  type ServerConnection,
  type ServerResult,
} from "sasl-core";
import { tlsChannelBinding, tlsStrength, tlsVersion } from "sasl-core/node";
import type { ConnectionFacts } from "sasl-lines";
import { serve } from "sasl-smtp";
import type { SMTPServer, SMTPServerSession } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { ConnectionWire } from "./connection-wire.js";

/** How logins go on beside the `SASLServer`'s own options. */
export interface InstallOptions {
  /**
   * What `session.user` is to be; asked before success is told. Nothing, `false` and the like turn the login down, and so
   * does what it throws: an error of `sasl-core` with its own reply, everything else as a temporary failure. Default:
   * `result.authzid`, a string.
   */
  readonly user?: ((result: ServerResult, session: SMTPServerSession) => unknown) | undefined;
  /**
   * What to know about a connection beside what its socket tells, such as who a verified client certificate stands for.
   * Asked each time something is announced or decided; keep it quick.
   */
  readonly connection?:
    | ((session: SMTPServerSession, socket: SMTPConnection["_socket"]) => Omit<ConnectionFacts, "admit">)
    | undefined;
  /** Failed attempts after which the connection is closed, at least 3 (RFC 4954 §9). Default 3. */
  readonly maxAttempts?: number | undefined;
  /** Longest line of an exchange, in octets; smtp-server's own `maxCommandLength`, default 16384, counts beside it. Default 12288. */
  readonly maxLineBytes?: number | undefined;
}

/** What is used without being documented. Where it is gone, logins would be smtp-server's own, and `onAuth` asked. */
const used = ["handler_AUTH", "handler_EHLO", "send", "close", "_isSupported", "_transmissionType"] as const;

/**
 * Lets clients log in to a server of smtp-server by a `SASLServer`: its mechanisms, accounts, throttle and outcomes. Call it
 * once for a server, before `listen`. `authMethods` and `onAuth` count no more, except for LOGIN of XCLIENT, which is asked
 * of `onAuth` as before. Other servers of the program stay as they are.
 *
 * Before TLS nothing is announced and AUTH answered with 538 while STARTTLS is on offer, as smtp-server does it, unless
 * `allowInsecureAuth` is set; the `SASLServer`'s policy counts then, which keeps passwords off unprotected connections.
 *
 * @returns the same server.
 * @throws {RangeError} for fewer than 3 attempts.
 * @throws {TypeError} when the server has one already, or is of a version whose insides are others.
 */
export function installSASL<S extends SMTPServer>(server: S, sasl: SASLServer, options: InstallOptions = {}): S {
  const { maxAttempts = 3 } = options;
  if (!(maxAttempts >= 3)) throw new RangeError("maxAttempts must be at least 3");
  const { connections } = server;
  if (!(connections instanceof Set) || used.some((name) => typeof SMTPConnection.prototype[name] !== "function")) {
    throw new TypeError("this version of smtp-server is not one that SASL can be installed in");
  }
  if (Object.hasOwn(connections, "add")) throw new TypeError("this server has its SASL already");
  // Every connection comes by here before it reads or says anything.
  connections.add = (connection) => {
    takeOver(connection, sasl, { ...options, maxAttempts });
    return Set.prototype.add.call(connections, connection) as typeof connections;
  };
  return server;
}

function takeOver(
  connection: SMTPConnection,
  sasl: SASLServer,
  options: InstallOptions & { readonly maxAttempts: number },
): void {
  const { handler_EHLO: hello } = connection;
  const { user = ({ authzid }: ServerResult) => authzid, maxAttempts, maxLineBytes } = options;
  let failures = 0;

  connection.handler_EHLO = (command, callback) => {
    // It reads the list at once and nowhere else. R-SMTP-01: as things are now.
    connection._server.options.authMethods = [...(mustBeginTls(connection) ? [] : sasl.mechanisms(facts()))];
    hello.call(connection, command, callback);
  };

  connection.handler_AUTH = (command, callback) => {
    const refusal = objection(connection);
    if (refusal !== undefined) {
      connection.send(...refusal, false);
      return callback();
    }
    const wire = new ConnectionWire(connection, callback);
    void login(wire, command.toString().replace(/^auth *| *$/gi, ""))
      .catch((error: unknown) => {
        connection._server.logger.error({ err: error, tnx: "auth", cid: connection.id }, "AUTH failed");
        connection.close();
      })
      .finally(() => wire.done());
  };

  /** Runs one exchange. @throws {Error} for a connection that is of no use any more, unless it is just gone. */
  async function login(wire: ConnectionWire, args: string): Promise<void> {
    let admitted: unknown;
    const session = sasl.session({
      ...facts(),
      admit: async (result) => {
        admitted = await user(result, connection.session);
        // Nobody for smtp-server, which would have said yes and meant no.
        if (!admitted) throw new AuthenticationFailure("authorization-refused", "the application knows no such user");
      },
    });
    const outcome = await serve(wire, session, args, { maxLineBytes }).catch((error: unknown) => {
      if (isSASLError(error) && error.code === "connection-lost") return undefined;
      throw error;
    });
    if (outcome?.ok) {
      connection.session.user = admitted; // no command is read before this has been said
      connection.session.transmissionType = connection._transmissionType();
    } else if (outcome?.ok === false && ++failures >= maxAttempts) {
      connection.send(421, "4.7.0 Too many attempts", false); // R-SMTP-20; it closes the connection
    }
  }

  function facts(): ServerConnection {
    const { secure, remoteAddress: remote, session, _socket: socket } = connection;
    const tls = secure && socket instanceof TLSSocket ? socket : undefined;
    return {
      secure,
      remote,
      ...(tls && {
        channelBinding: tlsChannelBinding(tls, { role: "server" }),
        externalSsf: tlsStrength(tls),
        tlsVersion: tlsVersion(tls),
      }),
      ...options.connection?.(session, socket),
    };
  }
}

/** Why no exchange may begin now. */
function objection(connection: SMTPConnection): [code: number, text: string] | undefined {
  const { user, envelope } = connection.session;
  if (mustBeginTls(connection)) return [538, "5.7.11 TLS is needed first"];
  if (user) return [503, "5.5.1 Already authenticated"]; // R-SMTP-02
  if (envelope?.mailFrom) return [503, "5.5.1 A mail transaction is going on"];
  return undefined;
}

/** smtp-server's own rule. */
function mustBeginTls(connection: SMTPConnection): boolean {
  const { hideSTARTTLS, allowInsecureAuth } = connection._server.options;
  return !connection.secure && connection._isSupported("STARTTLS") && !hideSTARTTLS && !allowInsecureAuth;
}
