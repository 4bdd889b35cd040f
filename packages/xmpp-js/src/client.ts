/**
 * A client of xmpp.js that logs in by `authenticate` of `sasl-xmpp`. The hook is the option `credentials` of `@xmpp/client`: a
 * function it awaits where it would log in.
 *
 * @module
 */
import type { SASLMechanism } from "sasl-core";
import type { XMPPAuthenticateOptions, XMPPAuthenticationResult } from "sasl-xmpp";
import type { Entity } from "./library.js";
import { Logins } from "./logins.js";

/** Options of {@link saslClient}: those of `authenticate` of `sasl-xmpp`, for every login. */
export interface SASLClientOptions extends XMPPAuthenticateOptions {
  /** Told after each login what it established, before `online`. */
  readonly onAuthenticated?: ((result: XMPPAuthenticationResult) => void) | undefined;
}

/**
 * In place of `client(options)`: a client whose logins and reconnections authenticate with the mechanisms given, and which is
 * `online` only at a server that proved itself as far as the mechanism can.
 *
 * What goes wrong is the library's event `error`, and `start()` rejects with it. After `connection-lost`, `temporary` and
 * `timed-out` the library reconnects; after everything else the client is `offline`, and `start()` may be called again.
 *
 * @param client the function of `@xmpp/client`.
 * @param options for it. With `username` the stream says who comes, without which there is no SASL2 (XEP-0388 §2.1). A
 *   `password` here is not used.
 * @param mechanisms with their credentials.
 */
export function saslClient<Options extends object, Client extends object>(
  client: (options?: Options) => Client,
  options: Omit<Options, "credentials" | "password">,
  mechanisms: readonly SASLMechanism[],
  settings: SASLClientOptions = {},
): Client {
  const credentials = () => logins.logIn();
  const xmpp = client({ ...options, credentials } as unknown as Options);
  const logins = new Logins(xmpp as unknown as Entity, mechanisms, settings);
  return xmpp;
}
