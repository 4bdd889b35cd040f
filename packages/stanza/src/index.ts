/**
 * `sasl-stanza`: logins of stanza by `sasl-core`. For applications; follows semver. Tried with stanza 12.22.1.
 *
 * A mechanism registered at `client.sasl` answers challenges, and never hears what came with success. So nothing is registered
 * there: the stream feature is negotiated here, and stanza goes on only after the mechanism is convinced.
 *
 * @module
 */
import type { AuthenticateOptions, SASLMechanism } from "sasl-core";
import {
  type Attributes,
  authenticate,
  type ElementPairEnd,
  elementPair,
  NS_SASL,
  NS_STREAM,
  SASLFailure,
  type XMLAdapter,
  type XMPPAuthenticationResult,
} from "sasl-xmpp";
import { type Agent, JXT, type Stanzas } from "stanza";

export { AuthenticationFailure, isSASLError, type SASLErrorCode, SASLFailure } from "sasl-core";
export type { XMPPAuthenticationResult, XMPPFailure } from "sasl-xmpp";

/** How the latest login of a client came out: written before stanza emits `auth:success` or `auth:failed`. */
export interface Login {
  /** What was established; `undefined` while nothing is. */
  readonly result: XMPPAuthenticationResult | undefined;
  /** A `SASLFailure` or an `AuthenticationFailure`, or what a credential provider threw; `undefined` where nothing failed. */
  readonly error: unknown;
}

type Element = JXT.XMLElement;

/** Where the elements themselves are in what stanza makes of them: it takes bad base64 for good, and no message for an empty one. */
const ELEMENT = "sourceElement";

/** Order among stream features: that of stanza's own login, before binding and resumption. */
const PRIORITY = 100;

/**
 * Makes a client log in with these mechanisms, at this and every later `connect()`, also those of `autoReconnect`.
 *
 * After a failure stanza emits `auth:failed` and `stream:error`, and disconnects. A server that offers no mechanisms is not
 * bound to, as stanza would.
 *
 * @param client one that is not connected. What is registered at `client.sasl`, and its credentials, count no more.
 * @param mechanisms with their credentials: the user name is the local part of the JID.
 * @param options as for `authenticate` of `sasl-core`; `service`, `host` and what the server can bind to are filled in.
 * @returns the same object always.
 */
export function useSASL(client: Agent, mechanisms: readonly SASLMechanism[], options: AuthenticateOptions = {}): Login {
  const login: { -readonly [Key in keyof Login]: Login[Key] } = { result: undefined, error: undefined };
  let server: ElementPairEnd<Element> | undefined; // the server as the login that is going on sees it

  client.stanzas.define([
    { element: "features", namespace: NS_STREAM, path: "features", fields: { [ELEMENT]: itself } },
    ...["auth", "response", "abort", "challenge", "success", "failure"].map((type) => ({
      element: type,
      namespace: NS_SASL,
      path: "sasl",
      type,
      typeField: "type",
      fields: { [ELEMENT]: itself },
    })),
  ]);
  delete client.features.handlers.sasl;

  // A feature that is always there, so that a list without mechanisms does not lead past the login.
  client.registerFeature(ELEMENT, PRIORITY, (features, done) => {
    if (client.features.negotiated.sasl) return done();
    Object.assign(login, { result: undefined, error: undefined });
    const pair = elementPair(adapter, { secure: isProtected(client.transport) });
    const mine = pair.server;
    server = mine;
    const hear = (said: Stanzas.SASL): void => {
      if (server === mine) void mine.send(elementOf(said));
    };
    client.on("sasl", hear);
    const settle = (tell: () => void): void => {
      mine.close();
      client.off("sasl", hear);
      if (server !== mine) return; // the connection it was about is gone
      server = undefined;
      tell();
    };
    void forward(mine, client);
    const host = client.config.server;
    const stream = { ...pair.client, ...(host !== undefined && { host }) };
    void authenticate(stream, elementOf(features), mechanisms, { ...options, profile: "sasl1" }).then(
      (result) =>
        settle(() => {
          login.result = result;
          client.features.negotiated.sasl = true;
          client.emit("auth:success", client.config.credentials);
          if (client.transport) client.transport.authenticated = true;
          done("restart");
        }),
      (error: unknown) =>
        settle(() => {
          login.error = error;
          client.emit("auth:failed");
          done("disconnect", error instanceof Error ? error.message : undefined);
        }),
    );
  });

  client.on("--reset-stream-features", () => {
    client.features.negotiated.sasl = false;
    if (server) login.error = new SASLFailure("connection-lost", "the connection was closed");
    server?.close();
    server = undefined;
  });

  return login;
}

/** What the client says goes out, until the login is over. */
async function forward(server: ElementPairEnd<Element>, client: Agent): Promise<void> {
  try {
    for (;;) {
      const element = await server.receive();
      await client.send("sasl", { type: element.getName(), [ELEMENT]: element } as Stanzas.SASL);
    }
  } catch {
    // The login is over: stanza itself keeps quiet about what it could not send.
  }
}

/** In and out as it is. */
const itself: JXT.FieldDefinition<Element> = {
  importer: (element) => element,
  exporter(made, element) {
    Object.assign(made.attributes, element.attributes);
    for (const child of element.children) made.appendChild(child);
  },
};

function elementOf(data: object): Element {
  return (data as { readonly [ELEMENT]: Element })[ELEMENT];
}

const adapter: XMLAdapter<Element> = {
  create: (name: string, xmlns: string, attributes: Attributes = {}, children: readonly (Element | string)[] = []) =>
    new JXT.XMLElement(name, { xmlns, ...attributes }, [...children]),
  name: (element) => element.getName(),
  namespace: (element) => element.getNamespace(),
  attribute: (element, name) => (Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined),
  children: (element) => element.children,
};

/** Whether TLS is below. Where a transport does not show its URL it is taken for open. */
function isProtected(transport: Agent["transport"]): boolean {
  const { url, socket } = (transport ?? {}) as { readonly url?: string; readonly socket?: { readonly url?: string } };
  return /^(?:wss|https):/i.test(socket?.url ?? url ?? "");
}
