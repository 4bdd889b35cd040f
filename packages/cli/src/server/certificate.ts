/**
 * A certificate for tests, made when a server starts.
 *
 * @module
 */
import { isIP } from "node:net";

/** A certificate and its key, PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Whoever needs one for longer has a certificate of his own. */
const VALID_DAYS = 30;

/**
 * Makes a self-signed certificate (P-256) for `localhost`, `*.localhost`, 127.0.0.1, ::1 and the names given.
 * Clients that are to trust it are told so: it is its own issuer.
 *
 * @param names further names and addresses.
 */
export async function makeCertificate(names: readonly string[]): Promise<CertificatePair> {
  const { generate } = await import("selfsigned"); // 0.3 s to load, and only here
  const all = [...new Set(["localhost", "*.localhost", "127.0.0.1", "::1", ...names])];
  const now = Date.now();
  const made = await generate([{ name: "commonName", value: names[0] ?? "localhost" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(now - HOUR_MS), // clocks differ
    notAfterDate: new Date(now + VALID_DAYS * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: all.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}
