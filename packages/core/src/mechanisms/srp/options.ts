/**
 * Option lists: what the server offers and what the client chooses of it. Source: draft-burdis-cat-srp-sasl-08 §4.3, §4.4.
 *
 * Integrity is a condition of every layer here: the draft allows encryption alone, but a buffer of which nothing can be
 * verified is none to go on with (R-GEN-23). With replay detection goes integrity in any case (§4.3).
 *
 * Option lists are in lower case (§4.3, §4.4). Cyrus SASL writes names in capitals, and its layers are not those of the
 * draft; so its lists tell how its buffers look. Both lists are part of the evidence, and nobody else can change them.
 *
 * @module
 */
import { SASLFailure } from "../../errors.js";
import type { LayerBounds } from "../../layer.js";
import { hashCalled, type SrpHash, srpHashes, usualHash } from "./hashes.js";

/** Strength of AES with keys of 128 bits. */
export const aesSsf = 128;

/** What both sides do once they agreed. */
export interface Protection {
  /** For all that is digested in the exchange: mda. */
  readonly hash: SrpHash;
  /** Of the HMAC around each buffer; left out: no layer. */
  readonly integrity: SrpHash | undefined;
  readonly replayDetection: boolean;
  /** AES. */
  readonly confidentiality: boolean;
  /** Whether buffers look as in Cyrus SASL. */
  readonly bare: boolean;
}

/** What a client chose, as its server reads it. */
export interface Choice extends Protection {
  /** Longest buffer the client takes. */
  readonly maxBuffer: number;
}

/** What a client makes of the server's list. */
export interface ClientChoice extends Choice {
  /** o. */
  readonly text: string;
}

/** §3.7. */
const greatestBuffer = 2_147_483_643;

/** Bits of protection. */
export function ssfOf({ integrity, confidentiality }: Pick<Protection, "integrity" | "confidentiality">): number {
  if (integrity === undefined) return 0;
  return confidentiality ? aesSsf : 1;
}

/** L, for an account whose verifier is of this hash. */
export function formatOffer(hash: SrpHash, { minSsf, maxSsf, maxInput }: LayerBounds): string {
  const options = [`mda=${hash.names[0]}`];
  if (maxSsf >= 1) {
    // SHA-1 under the draft's own name for it as well as under the one that Cyrus knows.
    const names = [...srpHashes.map((each) => each.names[0]), "sha-160"];
    for (const name of names) options.push(`integrity=hmac-${name}`);
    options.push("replay_detection");
    if (maxSsf >= aesSsf) options.push("confidentiality=aes");
    if (minSsf >= 1) options.push("mandatory=integrity", "mandatory=replay_detection");
    if (minSsf > 1) options.push("mandatory=confidentiality");
    options.push(`maxbuffersize=${maxInput}`);
  }
  return options.join(",");
}

/**
 * What the client chose.
 *
 * @param text o, as received.
 * @param offer L, as sent.
 * @throws {SASLFailure} `malformed-message` for what was not offered or cannot be; `mechanism-too-weak` where something
 *   mandatory, or the integrity of what is encrypted, is missing.
 */
export function parseChoice(text: string, offer: string): Choice {
  const offered = offer.split(",");
  const { lists, maxBuffer, strange } = read(text);
  if (strange) throw malformed("a choice that was not offered");
  for (const [kind, values] of lists) {
    if (kind === "mandatory" || values.length > 1)
      throw malformed("a choice that can only be made once, or not at all");
    const [value] = values;
    const option = value === undefined ? kind : `${kind}=${value.toLowerCase()}`;
    if (!offered.includes(option)) throw malformed("a choice that was not offered"); // R-SRP-06
  }
  const [hash] = lists.get("mda") ?? [];
  const chosen = {
    hash: hashCalled(hash ?? "sha-160") as SrpHash,
    ...layerOf(lists.get("integrity")?.[0], lists.has("replay_detection"), lists.has("confidentiality")),
  };
  if (!offered.includes(`mda=${chosen.hash.names[0]}`)) throw malformed("a hash that was not offered");
  for (const mandatory of offered.filter((each) => each.startsWith("mandatory="))) {
    if (!lists.has(mandatory.slice("mandatory=".length)) && !implied(mandatory, chosen)) {
      throw new SASLFailure("mechanism-too-weak", "the client left out a layer that is mandatory"); // R-SRP-06
    }
  }
  return { ...chosen, bare: isCyrus(text, chosen), maxBuffer };
}

/** Replay detection brings integrity with it, named or not (§4.3). */
function implied(mandatory: string, { integrity }: Pick<Protection, "integrity">): boolean {
  return mandatory === "mandatory=integrity" && integrity !== undefined;
}

/**
 * What to choose of a server's list: the strongest layer within bounds.
 *
 * @param text L, as received. What nobody knows in it is passed over.
 * @throws {SASLFailure} `no-common-mechanism` where there is no hash in common; `mechanism-too-weak` where a layer is
 *   mandatory or needed, and not to be had within bounds; `malformed-message`.
 */
export function chooseFrom(text: string, { minSsf, maxSsf, maxInput }: LayerBounds): ClientChoice {
  const { lists, maxBuffer } = read(text);
  const mda = best(lists.get("mda") ?? [""], "");
  if (mda === undefined) throw new SASLFailure("no-common-mechanism", "the server's hash is none of those known here");
  const replayDetection = maxSsf >= 1 && lists.has("replay_detection");
  const mac = maxSsf >= 1 ? best(lists.get("integrity") ?? [], "hmac-") : undefined;
  const aes = lists.get("confidentiality")?.find((name) => name.toLowerCase() === "aes");
  const confidentiality = maxSsf >= aesSsf && aes !== undefined && (mac !== undefined || replayDetection);
  const chosen = layerOf(mac?.name, replayDetection, confidentiality);
  for (const mandatory of lists.get("mandatory") ?? []) {
    if (!isChosen(mandatory.toLowerCase(), chosen)) {
      throw new SASLFailure("mechanism-too-weak", "the server demands a layer that cannot be had here"); // R-SRP-06
    }
  }
  if (ssfOf(chosen) < minSsf) throw new SASLFailure("mechanism-too-weak", "the server offers no sufficient layer");
  const options = [
    mda.name !== "" && `mda=${mda.name}`,
    mac && `integrity=${mac.name}`,
    replayDetection && "replay_detection",
    confidentiality && `confidentiality=${aes}`,
    chosen.integrity && `maxbuffersize=${maxInput}`,
  ];
  const own = options.filter((each) => typeof each === "string").join(",");
  return { hash: mda.hash, ...chosen, bare: isCyrus(text, chosen), maxBuffer, text: own };
}

/** The best of names that are known, as the server writes it. An empty one stands for what is meant without any. */
function best(names: readonly string[], prefix: string): { name: string; hash: SrpHash } | undefined {
  const known = names.flatMap((name) => {
    const hash = name === "" ? usualHash : hashWith(prefix, name);
    return hash ? [{ name, hash }] : [];
  });
  const rank = ({ hash }: { hash: SrpHash }) => srpHashes.indexOf(hash);
  return known.sort((a, b) => rank(a) - rank(b))[0];
}

function hashWith(prefix: string, name: string): SrpHash | undefined {
  return name.toLowerCase().startsWith(prefix) ? hashCalled(name.slice(prefix.length)) : undefined;
}

/** @param mac the value of `integrity=`, a known one. */
function layerOf(
  mac: string | undefined,
  replayDetection: boolean,
  confidentiality: boolean,
): Pick<Protection, "integrity" | "replayDetection" | "confidentiality"> {
  const named = mac === undefined ? undefined : hashWith("hmac-", mac);
  const integrity = named ?? (replayDetection ? usualHash : undefined); // §4.3: implied
  if (confidentiality && integrity === undefined) {
    throw new SASLFailure("mechanism-too-weak", "encryption without integrity");
  }
  return { integrity, replayDetection, confidentiality };
}

function isChosen(
  mandatory: string,
  chosen: Pick<Protection, "integrity" | "replayDetection" | "confidentiality">,
): boolean {
  if (mandatory === "integrity") return chosen.integrity !== undefined;
  if (mandatory === "replay_detection") return chosen.replayDetection;
  return mandatory === "confidentiality" && chosen.confidentiality;
}

/** A list, read. */
interface Options {
  /** The values of each option that has a meaning, in order; none for `replay_detection`. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly maxBuffer: number;
  /** Whether there are others. */
  readonly strange: boolean;
}

function read(text: string): Options {
  const lists = new Map<string, string[]>();
  let strange = false;
  let maxBuffer: number | undefined;
  for (const option of text.split(",")) {
    const [, name = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(option) ?? [];
    const kind = name.toLowerCase();
    if (kind === "maxbuffersize") {
      if (maxBuffer !== undefined || !/^[0-9]{1,10}$/.test(value ?? "")) throw malformed("not a size of buffers");
      maxBuffer = Number(value);
      if (maxBuffer > greatestBuffer) throw malformed("a size of buffers over the limit"); // §3.7
    } else if (kinds.has(kind) && (value === undefined) === (kind === "replay_detection")) {
      if (value === undefined && lists.has(kind)) throw malformed("replay detection twice");
      const values = lists.get(kind) ?? [];
      lists.set(kind, values);
      if (value !== undefined) values.push(value);
    } else {
      strange ||= option !== "";
    }
  }
  return { lists, maxBuffer: maxBuffer ?? greatestBuffer, strange };
}

const kinds: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "mda",
  "integrity",
  "replay_detection",
  "confidentiality",
  "mandatory",
]);

/** No list of the draft has capitals. Of the hashes here, Cyrus has SHA-1 alone. */
function isCyrus(text: string, { integrity }: Pick<Protection, "integrity">): boolean {
  return /[A-Z]/.test(text) && integrity === usualHash;
}

function malformed(what: string): SASLFailure {
  return new SASLFailure("malformed-message", what);
}
