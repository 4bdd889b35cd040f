/**
 * Every type of channel binding a server has, one at a time: the command always takes the strongest, so these logins are
 * made with the packages themselves. The same login with data of another channel must be refused.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { type ChannelBinding, type ChannelBindingType, isSASLError } from "sasl-core";
import { SCRAMPLUS } from "sasl-core/mechanisms";
import { authenticate } from "sasl-xmpp";
import { SocketStream } from "sasl-xmpp/node";
import { passwordOf } from "../accounts.js";
import type { Attempt, Endpoint } from "../types.js";
import { rowName } from "./attempt.js";

const timeoutMs = 10_000;

interface Binding {
  readonly type: ChannelBindingType;
  readonly version: "TLSv1.2" | "TLSv1.3";
}

/** All that RFC 5929 and RFC 9266 define for the two versions and Prosody 13 and `sasl serve` have. */
const bindings: readonly Binding[] = [
  { type: "tls-exporter", version: "TLSv1.3" },
  { type: "tls-server-end-point", version: "TLSv1.3" },
  { type: "tls-server-end-point", version: "TLSv1.2" },
  { type: "tls-unique", version: "TLSv1.2" },
];

/** Attempts at an XMPP endpoint with STARTTLS. */
export function bindingAttempts(endpoint: Endpoint): Attempt[] {
  return bindings.flatMap((binding) => [
    attempt(endpoint, binding, false, "R-CB-07 R-CB-08 R-CBT-04"),
    attempt(endpoint, binding, true, "R-CB-03"),
  ]);
}

function attempt(endpoint: Endpoint, binding: Binding, falsified: boolean, ids: string): Attempt {
  const login = { mechanism: "SCRAM-PLUS", user: "alice" };
  const row = { endpoint, login, expected: { outcome: "accepted" } } as const;
  const { type, version } = binding;
  return {
    name: `${rowName(row)} ${type} ${version}${falsified ? " (data of another channel)" : ""} [${ids}], by sasl-xmpp`,
    async run() {
      const wanted = falsified ? "turned down" : `bound by ${type}`;
      const was = await logIn(endpoint, binding, falsified);
      return was === wanted ? { passed: true } : { passed: false, why: `must be ${wanted}, was ${was}` };
    },
  };
}

/** One login, told in two or three words. */
async function logIn(
  { host, port, ca, domain }: Endpoint,
  { type, version }: Binding,
  falsified: boolean,
): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const stream = new SocketStream(connect(port, host), { domain, signal });
  try {
    await stream.open();
    const features = await stream.startTLS({ ca: readFileSync(ca), minVersion: version, maxVersion: version });
    const all = stream.channelBinding;
    if (!all?.types.includes(type)) return `${type} is not to be had here`;
    const only: ChannelBinding = {
      types: [type],
      async data(wanted) {
        const data = await all.data(wanted);
        return falsified ? data?.map((octet, index) => (index === 0 ? octet ^ 1 : octet)) : data;
      },
    };
    const scram = SCRAMPLUS({ username: "alice", password: passwordOf("alice") });
    const result = await authenticate(stream, features, [scram], { channelBinding: only, signal });
    return result.serverVerified ? `bound by ${result.channelBinding}` : "not verified";
  } catch (error) {
    if (isSASLError(error) && error.opaqueError !== undefined) return "turned down"; // in whatever words
    return error instanceof Error ? error.message : String(error);
  } finally {
    stream.close();
  }
}
