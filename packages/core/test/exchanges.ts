/** Vectors as scripts, and the pieces the vector tests share. */
import type { ScramVerifier } from "../src/accounts.js";
import { type ChannelBinding, channelBinding } from "../src/channel-binding.js";
import { decodeBase64 } from "../src/internal/base64.js";
import { encodeUtf8 } from "../src/internal/text.js";
import { scramHashNamed } from "../src/mechanisms/scram/hashes.js";
import { keysFromPassword, verifierFromKeys } from "../src/mechanisms/scram/keys.js";
import type { ScriptMessage } from "../src/testing.js";
import { saslprep } from "../src/text/saslprep.js";
import type { Vector } from "./vectors.js";

/** What SCRAM vectors go in with. */
export interface ScramInputs {
  readonly username: string;
  readonly password: string | null;
  readonly authzid?: string | null;
  readonly client_nonce: string;
  readonly server_nonce: string;
  readonly salt_b64: string;
  readonly iterations: number;
  readonly gs2_flag: "n" | "y" | "p";
  readonly channel_binding?: { readonly type: string; readonly data_b64: string } | null;
  readonly saslprep?: boolean;
  readonly mechanism?: string;
  readonly stored_password?: string;
  readonly server_first_extensions?: string;
  readonly client_final_extensions?: string;
  readonly server_offers_plus?: boolean;
}

export function scriptOf(vector: Pick<Vector, "messages">): ScriptMessage[] {
  return vector.messages.map(({ from, b64 }) => ({
    from: from === "C" ? "client" : "server",
    bytes: b64 === null ? undefined : decodeBase64(b64),
  }));
}

export function bindingOf(inputs: Pick<ScramInputs, "channel_binding">): ChannelBinding | undefined {
  const given = inputs.channel_binding;
  return given ? channelBinding({ [given.type]: decodeBase64(given.data_b64) }) : undefined;
}

/** The verifier an account of a vector would have stored. */
export async function verifierOf(inputs: ScramInputs, mechanism: string): Promise<ScramVerifier> {
  const hash = scramHashNamed(mechanism.replace(/^SCRAM-/, "").replace(/-PLUS$/, ""));
  if (hash === undefined) throw new Error(`no hash for ${mechanism}`);
  const password = inputs.stored_password ?? inputs.password ?? "pencil";
  const prepared = inputs.saslprep === false ? password : await saslprep(password, "stored");
  const { digest } = hash;
  const crypto = {
    hash: (d: typeof digest, data: Uint8Array) => d.hash(data),
    hmac: (d: typeof digest, key: Uint8Array, data: Uint8Array) => d.hmac(key, data),
    pbkdf2: (d: typeof digest, p: Uint8Array, s: Uint8Array, i: number) => d.pbkdf2(p, s, i),
  };
  const keys = await keysFromPassword(
    crypto,
    digest,
    encodeUtf8(prepared),
    decodeBase64(inputs.salt_b64 ?? "W22ZaJ0SNY7soEsUEjb6gQ=="),
    inputs.iterations ?? 4096,
  );
  return verifierFromKeys(crypto, digest, keys);
}
