/**
 * Takes our secrets out of what a peer says, should it send them back: as they are, and inside base64 messages.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A text with everything secret in it replaced by its length. */
export type Mask = (text: string) => string;

/** Parts of a secret this long give it away when they turn up in a message; a shorter secret is looked for as a whole. */
const WINDOW_BYTES = 4;

/** What can be base64, with either alphabet. */
const base64Runs = /[A-Za-z0-9+/_-]{8,}={0,2}/g;

/** The proofs of SCRAM and CRAM-MD5, as they stand at the end of a message. */
const scramProof = /(,p=)([A-Za-z0-9+/]{20,}={0,2})/g;
const cramMd5Proof = / [0-9a-f]{32,128}$/;

/**
 * Makes the mask for a run's secrets. Takes time linear in the text.
 *
 * @param secrets passwords and tokens, in every form they may be sent in; empty ones are passed over.
 */
export function maskFor(secrets: readonly string[]): Mask {
  const forms = [...new Set(secrets.flatMap((secret) => [secret, secret.normalize("NFKC")]))].filter(
    (form) => form !== "",
  );
  if (forms.length === 0) return (text) => text;
  const plain = forms.map(plainPattern);
  const encoded = forms.map((form) => plainPattern(Buffer.from(form, "utf8").toString("base64").replace(/=+$/, "")));
  const windows = new Set(forms.flatMap((form) => windowsOf(Buffer.from(form, "utf8"))));
  const sizes = new Set([...windows].map((window) => window.length));
  return (text) => {
    let clean = text.replace(base64Runs, (run) => (tells(run, windows, sizes) ? lengthOf(run) : run));
    for (const pattern of [...plain, ...encoded]) clean = clean.replace(pattern, lengthOf);
    return clean.replace(scramProof, (_, before: string, proof: string) => before + lengthOf(proof));
  };
}

/** What stands in place of a secret. */
export function lengthOf(text: string): string {
  return `<${text.length} characters>`;
}

/** The text itself in whatever case; a short one as a word alone, or little would be left to read. */
function plainPattern(text: string): RegExp {
  const literal = text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return [...text].length >= WINDOW_BYTES
    ? new RegExp(literal, "giu")
    : new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "giu");
}

/** All parts of a secret to look for, as Latin-1 text. */
function windowsOf(secret: Buffer): string[] {
  const text = secret.toString("latin1");
  if (text.length <= WINDOW_BYTES) return [text];
  return Array.from({ length: text.length - WINDOW_BYTES + 1 }, (_, i) => text.slice(i, i + WINDOW_BYTES));
}

/** Whether a message decodes to something with a part of a secret, or with a proof, wherever in it the base64 began. */
function tells(run: string, windows: ReadonlySet<string>, sizes: ReadonlySet<number>): boolean {
  for (let skip = 0; skip < 4; skip++) {
    const octets = Buffer.from(run.slice(skip), "base64").toString("latin1");
    if (octets.search(scramProof) >= 0 || cramMd5Proof.test(octets)) return true;
    for (const size of sizes) {
      for (let at = 0; at + size <= octets.length; at++) if (windows.has(octets.slice(at, at + size))) return true;
    }
  }
  return false;
}
