/**
 * The configuration of kafkajs, with a login by our mechanisms in it.
 *
 * @module
 */
import kafkajs, { type AuthenticationProviderArgs, type KafkaConfig, type Mechanism } from "kafkajs";
import {
  type AuthenticateOptions,
  type AuthenticationResult,
  authenticate,
  isSASLError,
  type SASLMechanism,
} from "sasl-core";
import { BrokerExchange } from "./exchange.js";

/** Options of the exchange, as `authenticate` of `sasl-core` has them, and what is told back. */
export interface SASLOptions extends AuthenticateOptions {
  /** Told who logged in, and how: for each connection to each broker, and each time a session is renewed. */
  readonly onAuthenticated?: ((result: AuthenticationResult, broker: string) => void) | undefined;
}

/** kafkajs' own error for this; its types leave out what its constructor takes. */
const AuthenticationError = kafkajs.KafkaJSSASLAuthenticationError as unknown as new (
  message: string,
  options: { readonly cause: unknown },
) => Error;

/**
 * Gives a configuration a login. Every connection to a broker makes an exchange of its own, and asks a credential provider
 * anew: tokens stay fresh.
 *
 * A login that fails for good rejects with `KafkaJSSASLAuthenticationError`, which kafkajs does not repeat, and has our
 * error as its `cause`. A connection that was lost stays kafkajs' own error, and is tried again.
 *
 * @param config without `sasl`. `ssl` counts as protection unless it turns the verification of certificates off.
 * @param mechanism the name brokers are asked for, such as `SCRAM-SHA-512`: kafkajs has to know it before it connects.
 * @param mechanisms with their credentials, from `sasl-core/mechanisms`; the one with this name is used.
 */
export function withSASL(
  config: Omit<KafkaConfig, "sasl">,
  mechanism: string,
  mechanisms: readonly SASLMechanism[],
  options: SASLOptions = {},
): KafkaConfig & { readonly sasl: Mechanism } {
  const { ssl } = config;
  const { rejectUnauthorized = process.env.NODE_TLS_REJECT_UNAUTHORIZED !== "0" } = typeof ssl === "object" ? ssl : {};
  const secure = Boolean(ssl) && rejectUnauthorized;
  const name = mechanism.toUpperCase(); // as kafkajs sends it
  const login = async ({ host, port, saslAuthenticate }: AuthenticationProviderArgs): Promise<void> => {
    const exchange = new BrokerExchange(saslAuthenticate, secure);
    try {
      const result = await authenticate(exchange, [name], mechanisms, { service: "kafka", host, ...options });
      options.onAuthenticated?.(result, `${host}:${port}`);
    } catch (error) {
      if (!isSASLError(error)) throw error;
      if (error.code === "connection-lost" && error.cause instanceof Error) throw error.cause;
      throw new AuthenticationError(`SASL ${name}: ${error.text ?? error.message}`, { cause: error });
    }
  };
  return { ...config, sasl: { mechanism, authenticationProvider: (args) => ({ authenticate: () => login(args) }) } };
}
