import { describe, expect, test } from "vitest";
import { bindingOf, type ScramInputs, scriptOf, verifierOf } from "../../../test/exchanges.js";
import { loadVectors, type Vector } from "../../../test/vectors.js";
import { SASLServer, type SASLServerSession } from "../../index.js";
import type { Mechanism } from "../../mechanism.js";
import { memoryAccounts } from "../../memory-accounts.js";
import { SASLStateMachine } from "../../state-machine.js";
import { playToServer, scriptedServer } from "../../testing.js";
import { hashSha1, hashSha3_512, hashSha224, hashSha256, hashSha384, hashSha512 } from "./hashes.js";
import * as scram from "./index.js";
import { SCRAM, SCRAMPLUS } from "./index.js";
import { parseClientFinal, parseClientFirst } from "./messages.js";

type ScramVector = Vector<ScramInputs, { outcome: string; failing_side?: string; username?: string }>;

const hashes = [hashSha1, hashSha224, hashSha256, hashSha384, hashSha512, hashSha3_512];
const mechanisms = Object.values(scram).filter(
  (each): each is Mechanism => typeof each === "object" && "server" in each,
);

/** Exchanges in which both sides add attributes that ours read and do not write. */
const extended: ReadonlySet<string> = new Set(["xep0474-full-example"]);

const files = [
  "scram-sha-1",
  "scram-sha-1-more",
  "scram-sha-224",
  "scram-sha-224-more",
  "scram-sha-256",
  "scram-sha-256-more",
  "scram-sha-384",
  "scram-sha-384-more",
  "scram-sha-512",
  "scram-sha-512-more",
  "scram-sha3-512",
  "scram-plus",
];

const vectors = files.flatMap((file) =>
  loadVectors<ScramInputs, { outcome: string }>(file)
    .filter(
      ({ result, messages, verified }) => result.outcome === "success" && messages.length > 0 && verified === true,
    )
    .map((vector) => ({ file, name: nameOf(vector, file), vector: vector as ScramVector })),
);

function nameOf(vector: Vector<ScramInputs, unknown>, file: string): string {
  const plain = file.replace("-more", "").toUpperCase();
  return vector.inputs.mechanism ?? (vector.inputs.gs2_flag === "p" ? `${plain}-PLUS` : plain);
}

function clientFor(name: string, inputs: ScramInputs) {
  const { username, password, authzid } = inputs;
  const credentials = { username, password: password ?? "", authzid: authzid ?? undefined };
  const plus = name.endsWith("-PLUS");
  return plus ? SCRAMPLUS(credentials, bindingOf(inputs), { hashes }) : SCRAM(credentials, { hashes });
}

async function playClient(vector: ScramVector, name: string, successData: boolean) {
  const { inputs } = vector;
  const script = scriptOf(vector);
  const last = script.at(-1);
  // A vector that stops with the client's message goes on with the protocol's plain success.
  const wire = scriptedServer(script, { successData: successData && last?.from === "server" });
  const canBind =
    inputs.gs2_flag === "y" ? { types: ["tls-exporter"], data: () => new Uint8Array(1) } : bindingOf(inputs);
  return clientFor(name, inputs).authenticate(new SASLStateMachine(wire), name, {
    offered: [name],
    channelBinding: canBind,
    nonce: () => inputs.client_nonce,
    prepare: inputs.saslprep === false ? "none" : "saslprep",
    iterations: { min: 1 },
  });
}

async function serverFor(vector: ScramVector, name: string): Promise<SASLServerSession> {
  const { inputs } = vector;
  const account = { authPassword: [await verifierOf(inputs, name)] };
  const { username = "user" } = inputs;
  const prepared = inputs.saslprep === false ? username : username.replaceAll("\u00ad", "").normalize("NFKC");
  const server = new SASLServer({
    mechanisms:
      inputs.server_offers_plus || name.endsWith("-PLUS")
        ? mechanisms
        : mechanisms.filter(({ channelBinding }) => !channelBinding),
    accounts: memoryAccounts({ [prepared]: account }),
    nonce: () => inputs.server_nonce,
    prepare: inputs.saslprep === false ? "none" : "saslprep",
    authorize: () => true,
  });
  const { channel_binding, server_offers_plus } = inputs;
  const own = server_offers_plus && !channel_binding ? { type: "tls-exporter", data_b64: "AAAA" } : channel_binding;
  return server.session({
    secure: true,
    successData: true,
    channelBinding: own ? bindingOf({ channel_binding: own }) : undefined,
  });
}

describe.each(vectors)("$name, $vector.id", ({ name, vector }) => {
  const { inputs } = vector;
  const complete = vector.messages.length === 4;

  if (vector.derived?.auth_message) {
    test("R-SCRAM-09 R-SCRAM-10 what is parsed gives the signed text back", () => {
      const [first, second, third] = vector.messages.map(({ text }) => text ?? "");
      const signed = `${parseClientFirst(first as string).bare},${second},${parseClientFinal(third as string).withoutProof}`;
      expect(signed).toBe(vector.derived?.auth_message);
    });
  }
  if (extended.has(vector.id)) return; // neither of our halves sends extensions of its own

  if (!inputs.client_final_extensions && inputs.password) {
    test.each([true, false])("R-SCRAM-01 the client replays it, success data: %s", async (successData) => {
      const outcome = await playClient(vector, name, successData);
      expect(outcome).toMatchObject({ mechanism: name, serverVerified: true, authcid: inputs.username });
      expect(outcome.channelBinding).toBe(name.endsWith("-PLUS") ? inputs.channel_binding?.type : undefined);
    });
  }

  if (!inputs.server_first_extensions && inputs.password && complete) {
    test.each([true, false])("R-SCRAM-01 the server replays it, initial response: %s", async (initialResponse) => {
      const session = await serverFor(vector, name);
      expect(await playToServer(session, name, scriptOf(vector), { initialResponse })).toEqual({ state: "success" });
      expect(session.result?.mechanism).toBe(name);
    });
  }
});

const negative = loadVectors<ScramInputs, ScramVector["result"]>("scram-negative") as readonly ScramVector[];

describe("exchanges that must be refused", () => {
  const ids: Readonly<Record<string, string>> = {
    "computed-server-nonce-does-not-begin-with-the-client-nonce": "R-SCRAM-12",
    "computed-server-adds-nothing-to-the-nonce": "R-SCRAM-12",
    "computed-iteration-count-zero": "R-SCRAM-14",
    "computed-iteration-count-with-leading-zero": "R-SCRAM-14",
    "computed-iteration-count-huge": "R-SCRAM-15",
    "computed-salt-empty": "R-SCRAM-16",
    "computed-salt-not-base64": "R-SCRAM-16",
    "computed-attributes-out-of-order": "R-SCRAM-07",
    "computed-mandatory-extension-from-the-server": "R-SCRAM-08",
    "computed-mandatory-extension-from-the-client": "R-SCRAM-08",
    "computed-wrong-server-signature": "R-SCRAM-20",
    "computed-success-without-server-final": "R-SCRAM-20",
    "computed-success-after-client-first": "R-GEN-11",
    "computed-client-final-nonce-differs": "R-SCRAM-13",
    "computed-c=-is-not-the-GS2-header-sent": "R-SCRAM-18 R-CB-10",
    "computed-y-although-the-server-offered-PLUS": "R-CB-02",
    "computed-p=-with-a-mechanism-that-is-not-PLUS": "R-CB-04",
    "computed-n-with-a-PLUS-mechanism": "R-CB-04",
    "computed-unknown-binding-type": "R-CB-03",
    "computed-binding-octets-differ": "R-SCRAM-18",
    "computed-username-escape-=2D": "R-SCRAM-05",
    "computed-username-with-bare-=": "R-SCRAM-05",
    "computed-username-prohibited-by-SASLprep": "R-SCRAM-23",
    "computed-malformed-client-final-proof-too-short": "R-SCRAM-17",
    "computed-malformed-client-final-attribute-after-the-proof": "R-SCRAM-19",
    "computed-malformed-client-first-empty-client-first": "R-SCRAM-02",
    "computed-malformed-client-first-space-in-nonce": "R-SCRAM-11",
    "computed-wrong-password": "R-SCRAM-22",
  };

  for (const vector of negative) {
    const name = vector.inputs.mechanism ?? "SCRAM-SHA-256";
    const title = `${ids[vector.id] ?? "R-SCRAM-07"} ${vector.id.replace("computed-", "")}`;
    const known = vector.result.failing_side === "client";

    if (known) {
      test.each([true, false])(`${title}: the client refuses, success data: %s`, async (successData) => {
        await expect(playClient(vector, name, successData)).rejects.toMatchObject({
          code: expect.stringMatching(clientCodes),
        });
      });
    } else {
      test(`${title}: the server refuses`, async () => {
        const session = await serverFor(withOwnBinding(vector), name);
        // A server may say `e=` first or fail plainly (RFC 5802 §5.1); ours says it for mandatory extensions alone.
        const saysError = vector.id === "computed-mandatory-extension-from-the-client";
        const script = scriptOf(vector).filter(
          ({ from }, i, all) => saysError || from === "client" || i < all.length - 1,
        );
        const played = await playToServer(session, name, script);
        expect(played).toMatchObject({ state: "failure", code: expect.stringMatching(serverCodes) });
        expect(session.result).toBeUndefined();
      });
    }
  }
});

const clientCodes = /^(malformed-message|incorrect-encoding|peer-not-verified|limit-exceeded|refused)$/;
const serverCodes = /^(malformed-message|incorrect-encoding|refused)$/;

/** Where a vector's client names a type or data that are not the server's, the server has ones of its own. */
function withOwnBinding(vector: ScramVector): ScramVector {
  const name = vector.inputs.mechanism ?? "";
  const binding =
    vector.inputs.channel_binding ?? (name.endsWith("-PLUS") ? { type: "tls-other", data_b64: "AAAA" } : undefined);
  if (binding?.type !== "tls-other") return vector;
  return { ...vector, inputs: { ...vector.inputs, channel_binding: { ...binding, type: "tls-unique" } } };
}
