/** The four mechanisms under the suite for mechanisms, on a toy realm, with every corruption of every message. */
import { describe, test } from "vitest";
import { binding } from "../../../test/support.js";
import { type ToyOptions, toyKerberos } from "../../../test/toy-kerberos.js";
import type { Mechanism } from "../../mechanism.js";
import { memoryAccounts } from "../../memory-accounts.js";
import { type MechanismCheckOptions, mechanismChecks } from "../../testing.js";
import {
  type GssOptions,
  gs2Krb5Mechanism,
  gs2Krb5PlusMechanism,
  gssapiMechanism,
  gssSpnegoMechanism,
} from "./index.js";

const common: MechanismCheckOptions = {
  seed: 20_261_122,
  credentials: { username: "tim" },
  wrong: { username: "eve" },
  server: { accounts: memoryAccounts({ tim: "x" }), service: "imap", host: "mail.example.com" },
  connection: { channelBinding: binding },
};
const open = { ...common, connection: { secure: false, layers: true } };

type Row = readonly [
  what: string,
  make: (options: GssOptions) => Mechanism,
  options: MechanismCheckOptions,
  toy?: ToyOptions,
];

const subjects: readonly Row[] = [
  ["GSSAPI", gssapiMechanism, common],
  ["GSSAPI with a layer", gssapiMechanism, open],
  ["GSSAPI with integrity alone", gssapiMechanism, open, { flags: { confidentiality: false } }],
  ["GSSAPI in three messages", gssapiMechanism, common, { threeWay: true }],
  ["GS2-KRB5", gs2Krb5Mechanism, { ...common, connection: {} }],
  ["GS2-KRB5 in three messages", gs2Krb5Mechanism, { ...common, connection: {} }, { threeWay: true }],
  ["GS2-KRB5-PLUS", gs2Krb5PlusMechanism, common],
  ["GSS-SPNEGO", gssSpnegoMechanism, common],
  ["GSS-SPNEGO with a layer", gssSpnegoMechanism, open],
  ["GSS-SPNEGO in three messages", gssSpnegoMechanism, open, { threeWay: true }],
];

/** Plays one first message twice, which a replay cache is there to notice. */
const playedTwice = /the first message where it belongs/;

for (const [what, make, options, toy] of subjects) {
  describe(what, () => {
    const checks = (replayCache: boolean) =>
      mechanismChecks(make({ provider: toyKerberos({ ...toy, replayCache }) }), options);
    const forgetful = checks(false);
    for (const [index, check] of checks(true).entries()) {
      const { name, run } = playedTwice.test(check.name) ? (forgetful[index] as typeof check) : check;
      test(name, { timeout: 60_000 }, run);
    }
  });
}
