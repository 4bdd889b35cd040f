/**
 * SRP: both sides prove that they know the password or its verifier, and nothing that goes over the wire helps to guess it.
 * Source: draft-burdis-cat-srp-sasl-08, expired in 2003 and never an RFC; Cyrus SASL is what speaks it.
 *
 * Off unless named. The draft is SRP-6, where who poses as the server can try two passwords in one exchange; and whoever can
 * change messages on the way gets around its layers in part, see `layer.ts`. Use it within TLS.
 *
 * The client asks for a user name and a password. The server needs a verifier, which is made from name and password: a
 * client has to send the canonical name itself.
 *
 * @module
 */
import { clientMechanism, type SASLMechanism } from "../../client.js";
import type { CredentialProvider } from "../../credentials.js";
import { type Mechanism, withServer } from "../../mechanism.js";
import { srpClient } from "./client.js";
import { groupOf, type SrpGroup, srpGroups, usualBits } from "./groups.js";
import { hashNamed, usualHash } from "./hashes.js";
import { aesSsf } from "./options.js";
import { srpServer as serverHalf } from "./server.js";
import { ServerSessions, SrpSessions, type SrpSessionsOptions } from "./sessions.js";
import { makeVerifier, type SrpVerifier, verifierProperty } from "./verifier.js";

export { type SrpGroup, SrpSessions, type SrpSessionsOptions, type SrpVerifier, srpGroups };

/** Options of {@link SRP}. */
export interface SrpOptions {
  /** The groups a server may propose. Default those of `srpGroups` that have at least 2048 bits. */
  readonly groups?: readonly SrpGroup[] | undefined;
  /**
   * Takes up earlier sessions with servers that offer it: no exponentiation, but no proof either before the first octets have
   * come through the layer. `serverVerified` is then false, and a policy that requires `mutualAuth` fails such a login.
   * Default: every login is a whole one.
   */
  readonly sessions?: SrpSessions | undefined;
}

/** SRP for a client. */
export function SRP(credentials: CredentialProvider, options: SrpOptions = {}): SASLMechanism {
  return clientMechanism([clientHalf(options)], credentials);
}

/** Options of {@link srpServer}. */
export interface SrpServerOptions {
  /**
   * Hash of new verifiers: `SHA-1`, `SHA-256` or `SHA-512`. Default `SHA-1`, which every implementation must have (draft §6.1)
   * and Cyrus SASL has alone of these; nothing here hangs on what is broken in it.
   */
  readonly hash?: "SHA-1" | "SHA-256" | "SHA-512" | undefined;
  /** Length of the group of new verifiers in bits, one of `srpGroups`. Default 2048, the longest that Cyrus SASL knows. */
  readonly groupBits?: number | undefined;
  /**
   * How long a session with a layer can be taken up again, in whole seconds from 1. Its user is let in without a proof, which
   * only the first octets through the layer are; clients of Cyrus SASL cannot log in. Default: none can.
   */
  readonly sessionSeconds?: number | undefined;
  /** Most sessions that are kept; the oldest leave first. Default 10000. */
  readonly maxSessions?: number | undefined;
  /** The time in milliseconds, for tests. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * SRP with settings of one's own. Accounts that lack a verifier look as if they had one of this hash and group.
 *
 * @throws {RangeError} for a hash or group there is not, and times and counts that are none.
 */
export function srpServer(options: SrpServerOptions = {}): Mechanism {
  const { sessionSeconds, maxSessions = 10_000, now = Date.now } = options;
  const hash = hashNamed(options.hash ?? usualHash.digest.name);
  const group = groupOf(options.groupBits ?? usualBits);
  if (hash === undefined || group === undefined) throw new RangeError("SRP has no such hash or group");
  for (const count of [sessionSeconds ?? 1, maxSessions]) {
    if (!(Number.isInteger(count) && count >= 1 && count < 2 ** 32)) throw new RangeError("not a count from 1");
  }
  const sessions = sessionSeconds === undefined ? undefined : new ServerSessions(sessionSeconds, maxSessions, now);
  const side = { hash, group, sessions };
  return withServer({ ...clientHalf({}), dispose: () => sessions?.clear() }, (ctx) => serverHalf(ctx, side), {
    properties: [verifierProperty],
    ownSecrets: [verifierProperty],
    available: (properties) => properties[verifierProperty] !== undefined,
    async setPassword({ name, random }, password, stored) {
      if (name === undefined || stored[verifierProperty] !== undefined) return undefined;
      return { [verifierProperty]: await makeVerifier({ hash, group }, name, password, random(16)) };
    },
  });
}

/** SRP as {@link srpServer} makes it without options. */
export const srp: Mechanism = /* @__PURE__ */ srpServer();

function clientHalf({ groups = srpGroups.filter(({ bits }) => bits >= usualBits), sessions }: SrpOptions): Mechanism {
  return {
    name: "SRP",
    flow: "client-first",
    // Cyrus SASL adds noActive; here that would say as much as a binding to the channel, and there is none.
    security: ["noPlaintext", "noAnonymous", "noDictionary", "forwardSecrecy", "mutualAuth"],
    obsolete: true,
    authzid: true,
    maxSsf: aesSsf,
    needs: "password",
    source: "draft-burdis-cat-srp-sasl-08",
    client: (ctx) => srpClient(ctx, { groups, sessions }),
  };
}
