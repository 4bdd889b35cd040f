/**
 * The exchange with a broker. Source: the Kafka protocol guide, SaslHandshake and SaslAuthenticate.
 *
 * @module
 */
import type { AuthenticationProviderArgs } from "kafkajs";
import { AuthenticationFailure, SASLFailure, type SASLInterface, type SASLReply } from "sasl-core";
import { printable } from "sasl-core/plugin";

/** What is used of kafkajs' errors. */
interface ProtocolError {
  readonly type?: unknown;
  readonly message?: unknown;
}

/**
 * `SASLInterface` over `saslAuthenticate`. The handshake, which names the mechanism, has taken place.
 *
 * Brokers do not say whether an answer is their last. One without octets is: it leaves nothing to reply to. One with octets
 * is a challenge, and where the client has no more to say to it than the empty response, that is not sent: the broker has
 * finished. A mechanism that is not convinced by then fails.
 */
export class BrokerExchange implements SASLInterface {
  readonly secure: boolean;
  readonly #saslAuthenticate: AuthenticationProviderArgs["saslAuthenticate"];

  constructor(saslAuthenticate: AuthenticationProviderArgs["saslAuthenticate"], secure: boolean) {
    this.#saslAuthenticate = saslAuthenticate;
    this.secure = secure;
  }

  async initiate(_mechanism: string, payload: Uint8Array = new Uint8Array(0)): Promise<SASLReply> {
    return this.#say(payload);
  }

  async respond(payload: Uint8Array): Promise<SASLReply> {
    return payload.length === 0 ? { state: "success" } : this.#say(payload);
  }

  /** There is no way to say so; kafkajs closes the connection when the login fails. */
  async abort(): Promise<SASLReply> {
    return { state: "failure" };
  }

  async #say(payload: Uint8Array): Promise<SASLReply> {
    let answer: Uint8Array | undefined;
    try {
      await this.#saslAuthenticate({
        request: { encode: () => withLength(payload) },
        response: {
          decode: async (raw) => raw, // by kafkajs, which wants a promise
          parse: (raw) => {
            answer = withoutLength(raw);
          },
        },
      });
    } catch (error) {
      throw failureOf(error as ProtocolError);
    }
    return answer === undefined || answer.length === 0 ? { state: "success" } : { state: "challenge", payload: answer };
  }
}

/** BYTES of the protocol: a length of 32 bits, and the octets. */
function withLength(octets: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + octets.length);
  bytes.writeInt32BE(octets.length);
  bytes.set(octets, 4);
  return bytes;
}

/** @returns `undefined` for no octets, which is a length of -1. */
function withoutLength(bytes: Buffer): Uint8Array | undefined {
  const length = bytes.readInt32BE();
  return length < 0 ? undefined : bytes.subarray(4, 4 + length);
}

function failureOf(error: ProtocolError): SASLFailure | AuthenticationFailure {
  const text = typeof error.message === "string" ? printable(error.message) : undefined;
  const options = { cause: error, opaqueError: error, text };
  if (error.type === "SASL_AUTHENTICATION_FAILED")
    return new AuthenticationFailure("refused", "the broker refused the credentials", options);
  if (error.type === "ILLEGAL_SASL_STATE")
    return new SASLFailure("unexpected-message", "the broker is at another point of the exchange", options);
  return new SASLFailure("connection-lost", "the broker did not answer", { cause: error });
}
