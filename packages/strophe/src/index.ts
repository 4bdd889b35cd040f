/**
 * `sasl-strophe`: logins of strophe.js by `sasl-core`. For applications; follows semver. Tried with strophe.js 5.0.0.
 * The members of strophe.js, written out, make it longer than an adapter is.
 *
 * strophe.js lets a mechanism class answer challenges, but keeps the server's last word from it and goes on by itself. So
 * nothing is registered there: `connection.authenticate`, which strophe.js calls once the features are there, is replaced,
 * and strophe.js is told of a success only after the mechanism is convinced.
 *
 * @module
 */
import type { AuthenticateOptions, SASLMechanism } from "sasl-core";
import {
  authenticate,
  discover,
  domAdapter,
  type ElementPairEnd,
  elementPair,
  isSASLError,
  NS_STREAM,
  SASLFailure,
  type XMLAdapter,
  type XMPPAuthenticationResult,
  type XMPPFailure,
} from "sasl-xmpp";

export { AuthenticationFailure, isSASLError, type SASLErrorCode, SASLFailure } from "sasl-core";
export type { XMPPAuthenticationResult, XMPPFailure } from "sasl-xmpp";

/**
 * What is used of a `Strophe.Connection`. Written out, because compilers that want file extensions (`nodenext`) cannot read
 * the declarations of strophe.js 5; its own type fits where they can.
 */
export interface StropheConnection {
  readonly service: string;
  readonly domain: string | null;
  readonly connected: boolean;
  readonly disconnecting: boolean;
  mechanisms: Record<string, object>;
  handlers: { readonly user: boolean }[];
  addHandlers: { readonly user: boolean }[];
  authenticate(matched: readonly object[]): void;
  disconnect(reason?: string): void;
  send(element: Element): void;
  deleteHandler(handler: object): void;
  _sasl_data: object;
  _sasl_mechanism: object | null;
  _addSysHandler(handle: (element: Element) => boolean, ...match: readonly [null, null, null, null]): object;
  _connect_cb(request: Element | { getResponse(): Element | null }, ...rest: readonly unknown[]): void;
  _sasl_success_cb(success: Element): boolean;
  _sasl_failure_cb(failure: Element | null): boolean;
  _doDisconnect(condition?: string | null): void;
}

/** How the latest login of a connection came out: written before strophe.js calls the connection's callback. */
export interface Login {
  /** What was established; `undefined` while nothing is. */
  readonly result: XMPPAuthenticationResult | undefined;
  /** A `SASLFailure` or an `AuthenticationFailure`, or what a credential provider threw; `undefined` where nothing failed. */
  readonly error: unknown;
}

/**
 * Makes a connection log in with these mechanisms, at this and every later `connect()`.
 *
 * After a failure the status is `AUTHFAIL`, with the server's `failure` element where there is one, and the connection is
 * closed unless the callback did so, or connected again. Legacy authentication (XEP-0078), which strophe.js falls back to,
 * is never tried: it shows the password to whoever takes the mechanisms off the list.
 *
 * @param connection one that is not connected. Its option `mechanisms`, and the password given to `connect`, count no more.
 * @param mechanisms with their credentials: the user name is the local part of the JID.
 * @param options as for `authenticate` of `sasl-core`; `service`, `host` and what the server can bind to are filled in.
 * @returns the same object always.
 */
export function useSASL(
  connection: StropheConnection,
  mechanisms: readonly SASLMechanism[],
  options: AuthenticateOptions = {},
): Login {
  const login: { -readonly [Key in keyof Login]: Login[Key] } = { result: undefined, error: undefined };
  const { _connect_cb, _doDisconnect } = connection;
  let features: Element;
  let server: ElementPairEnd<Element> | undefined; // the server as the login that is going on sees it

  // Called with the features, over BOSH in a `body`, before strophe.js looks for mechanisms that it has.
  connection._connect_cb = (request, ...rest) => {
    server?.close();
    server = undefined;
    Object.assign(login, { result: undefined, error: undefined });
    // What strophe.js waited for on a connection that was not ended: features here must not lead on to CONNECTED.
    for (const list of ["handlers", "addHandlers"] as const) {
      connection[list] = connection[list].filter(({ user }) => user);
    }
    connection.mechanisms = {};
    const found = featuresIn(request);
    if (found) {
      features = found;
      // As it has all that are offered, it goes on to `authenticate`.
      for (const name of discover(found, adapterFor(found)).mechanisms) {
        connection.mechanisms[name] = { mechname: name };
      }
    }
    _connect_cb.call(connection, request, ...rest);
  };

  connection.authenticate = () => {
    const pair = elementPair(adapterFor(features), { secure: isProtected(connection.service) });
    const mine = pair.server;
    server = mine;
    // A handler of the system's, because those of users hear nothing before the end of a login.
    const handler = connection._addSysHandler((element) => deliver(mine, element), null, null, null, null);
    const stream = { ...pair.client, ...(connection.domain !== null && { host: connection.domain }) };
    const settle = (tell: () => void): void => {
      mine.close();
      if (server !== mine || !connection.connected) return; // the connection it was about is gone
      server = undefined;
      connection.deleteHandler(handler);
      tell();
    };
    void forward(mine, connection);
    void authenticate(stream, features, mechanisms, { ...options, profile: "sasl1" }).then(
      (result) =>
        settle(() => {
          login.result = result;
          goOn(connection, features);
        }),
      (error: unknown) =>
        settle(() => {
          login.error = error;
          giveUp(connection, error);
        }),
    );
  };

  connection._doDisconnect = (condition) => {
    if (server) login.error = new SASLFailure("connection-lost", "the connection was closed");
    server?.close();
    server = undefined;
    _doDisconnect.call(connection, condition);
  };

  return login;
}

/** What strophe.js does after a success: it starts the stream anew. */
function goOn(connection: StropheConnection, features: Element): void {
  connection._sasl_data = {}; // no signature for it to look for: that is done
  connection._sasl_mechanism = null;
  connection._sasl_success_cb(features);
}

function giveUp(connection: StropheConnection, error: unknown): void {
  const said = isSASLError(error) ? (error.opaqueError as XMPPFailure<Element> | undefined) : undefined;
  connection._sasl_mechanism = null;
  connection._sasl_failure_cb(said?.element ?? null);
  // strophe.js would stay. The callback may have left, or connected again.
  if (connection.connected && !connection.disconnecting) {
    connection.disconnect(isSASLError(error) ? error.code : "authentication failed");
  }
}

/** What the client says goes out, as long as the connection is the same. */
async function forward(server: ElementPairEnd<Element>, connection: StropheConnection): Promise<void> {
  try {
    for (;;) {
      const element = await server.receive();
      if (!connection.connected) break;
      connection.send(element);
    }
  } catch {
    // The login is over, or the connection cannot be written to.
  }
  server.close();
}

/** Whether more is wanted. */
function deliver(server: ElementPairEnd<Element>, element: Element): boolean {
  try {
    void server.send(element);
    return true;
  } catch {
    return false; // the login is over
  }
}

function featuresIn(request: Element | { getResponse(): Element | null }): Element | undefined {
  try {
    const stream = "getResponse" in request ? request.getResponse() : request;
    return stream?.getElementsByTagNameNS(NS_STREAM, "features")[0];
  } catch {
    return undefined; // not XML, which strophe.js finds out and tells
  }
}

/** strophe.js writes the attributes there are, and no namespaces besides. */
function adapterFor(features: Element): XMLAdapter<Element> {
  const adapter = domAdapter<Element>(features.ownerDocument);
  return {
    ...adapter,
    create: (name, namespace, attributes, children) =>
      adapter.create(name, namespace, { xmlns: namespace, ...attributes }, children),
  };
}

/** Whether TLS is below; a path over BOSH has the protocol of the page. */
function isProtected(service: string): boolean {
  return ["wss:", "https:"].includes(new URL(service, globalThis.location?.href).protocol);
}
