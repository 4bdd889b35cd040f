/**
 * The one call: pick a mechanism from the features and log in over the stream.
 *
 * @module
 */
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate as authenticateOver,
  type SASLMechanism,
} from "sasl-core";
import { SASLClient } from "./client.js";
import { offerOf } from "./discovery.js";
import { type ElementTransport, protectWith } from "./transport.js";

/**
 * Authenticates on a stream with the strongest mechanism both sides accept. Afterwards restart the stream: a new header,
 * new features (RFC 6120 §6.4.6).
 *
 * @param transport the stream, after its features; it must not be read by anybody else meanwhile.
 * @param features the `features` element just received.
 * @param mechanisms with their credentials: the user name is the local part of the JID (RFC 6120 §6.3.7), the authzid,
 *   if any, a bare JID (§6.3.8).
 * @param options as in `sasl-core`; `service`, `channelBinding` and `serverBindingTypes` are filled in from the stream.
 * @throws {AuthenticationFailure} the credentials were turned down.
 * @throws {SASLFailure} everything else; when it came from the server, `opaqueError` holds an `XMPPFailure`.
 */
export async function authenticate<E>(
  transport: ElementTransport<E>,
  features: E,
  mechanisms: readonly SASLMechanism[],
  options: AuthenticateOptions = {},
): Promise<AuthenticationResult> {
  const { mechanisms: offered, bindingTypes } = offerOf(features, transport.adapter);
  const client = new SASLClient(transport, options.limits);
  const result = await authenticateOver(client, offered, mechanisms, {
    ...options,
    service: options.service ?? "xmpp",
    channelBinding: options.channelBinding ?? transport.channelBinding,
    serverBindingTypes: options.serverBindingTypes ?? bindingTypes,
  });
  if (result.layer) protectWith(transport, result.layer); // RFC 6120 §6.6: right behind the ">" of success
  return result;
}
