/**
 * Which hash `tls-server-end-point` takes over a certificate. Source: RFC 5929 §4.1.
 *
 * That depends on the certificate's signature algorithm, which Node tells from version 24 on only, and without the hash
 * of RSASSA-PSS. So the three steps that lead to it in DER are walked here: a fixed depth, no recursion, no copy.
 *
 * @module
 */
import { createHash } from "node:crypto";

/**
 * Binding data of `tls-server-end-point`: the hash of the whole certificate.
 *
 * @param certificate DER (RFC 5280 §4.1), any bytes at all. Neither changed nor kept.
 * @returns 28 to 64 octets; `undefined` where RFC 5929 §4.1 defines none, see {@link certificateHashName}.
 */
export function certificateHash(certificate: Uint8Array): Uint8Array | undefined {
  const name = certificateHashName(certificate);
  return name === undefined ? undefined : new Uint8Array(createHash(name).update(certificate).digest());
}

/**
 * Name of that hash as `node:crypto` spells it, such as `sha256`.
 *
 * @param certificate DER (RFC 5280 §4.1), any bytes at all. Neither changed nor kept.
 * @returns `undefined` when the signature uses no hash of its own (Ed25519, Ed448) or two different ones (RSASSA-PSS
 *   with another hash in its mask), when the algorithm is not known here, and when this is no certificate.
 */
export function certificateHashName(certificate: Uint8Array): string | undefined {
  const outer = readElement(certificate, SEQUENCE);
  if (outer === undefined || outer.rest.length > 0) return undefined;
  // RFC 5280 §4.1: SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
  const tbsCertificate = readElement(outer.body, SEQUENCE);
  const algorithm = tbsCertificate && readAlgorithm(tbsCertificate.rest);
  if (algorithm === undefined) return undefined;
  const hash = algorithm.oid === RSASSA_PSS ? pssHash(algorithm.parameters) : SIGNATURE_HASHES.get(algorithm.oid);
  // RFC 5929 §4.1: SHA-256 takes the place of MD5 and SHA-1.
  return hash === "md5" || hash === "sha1" ? "sha256" : hash;
}

/** Signature algorithms with one hash, by object identifier (RFC 8017 §C, RFC 5758, RFC 3279 §2.2, NIST CSOR). */
const SIGNATURE_HASHES: ReadonlyMap<string, string> = new Map([
  ["1.2.840.113549.1.1.4", "md5"], // RSA, PKCS #1 v1.5
  ["1.2.840.113549.1.1.5", "sha1"],
  ["1.3.14.3.2.29", "sha1"], // the same, as OIW numbered it
  ["1.2.840.113549.1.1.14", "sha224"],
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.113549.1.1.15", "sha512-224"],
  ["1.2.840.113549.1.1.16", "sha512-256"],
  ["2.16.840.1.101.3.4.3.13", "sha3-224"],
  ["2.16.840.1.101.3.4.3.14", "sha3-256"],
  ["2.16.840.1.101.3.4.3.15", "sha3-384"],
  ["2.16.840.1.101.3.4.3.16", "sha3-512"],
  ["1.2.840.10045.4.1", "sha1"], // ECDSA
  ["1.2.840.10045.4.3.1", "sha224"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["2.16.840.1.101.3.4.3.9", "sha3-224"],
  ["2.16.840.1.101.3.4.3.10", "sha3-256"],
  ["2.16.840.1.101.3.4.3.11", "sha3-384"],
  ["2.16.840.1.101.3.4.3.12", "sha3-512"],
  ["1.2.840.10040.4.3", "sha1"], // DSA
  ["2.16.840.1.101.3.4.3.1", "sha224"],
  ["2.16.840.1.101.3.4.3.2", "sha256"],
  ["2.16.840.1.101.3.4.3.3", "sha384"],
  ["2.16.840.1.101.3.4.3.4", "sha512"],
]);

const RSASSA_PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";

/** The hashes RSASSA-PSS names in its parameters (RFC 4055 §2.1; NIST CSOR). */
const HASHES: ReadonlyMap<string, string> = new Map([
  ["1.3.14.3.2.26", "sha1"],
  ["2.16.840.1.101.3.4.2.4", "sha224"],
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
  ["2.16.840.1.101.3.4.2.5", "sha512-224"],
  ["2.16.840.1.101.3.4.2.6", "sha512-256"],
  ["2.16.840.1.101.3.4.2.7", "sha3-224"],
  ["2.16.840.1.101.3.4.2.8", "sha3-256"],
  ["2.16.840.1.101.3.4.2.9", "sha3-384"],
  ["2.16.840.1.101.3.4.2.10", "sha3-512"],
]);

/** RFC 4055 §3.1: RSASSA-PSS-params ::= SEQUENCE { [0] hash DEFAULT sha1, [1] mask DEFAULT mgf1SHA1, [2] salt, [3] trailer } */
function pssHash(parameters: Uint8Array): string | undefined {
  let fields: Uint8Array = new Uint8Array();
  if (parameters.length > 0) {
    const sequence = readElement(parameters, SEQUENCE);
    if (sequence === undefined) return undefined;
    fields = sequence.body;
  }

  let hash: string | undefined = "sha1";
  if (fields[0] === CONTEXT_0) {
    const field = readElement(fields, CONTEXT_0);
    const algorithm = field && readAlgorithm(field.body);
    if (field === undefined || algorithm === undefined) return undefined;
    hash = HASHES.get(algorithm.oid);
    fields = field.rest;
  }

  let maskHash: string | undefined = "sha1";
  if (fields[0] === CONTEXT_1) {
    const field = readElement(fields, CONTEXT_1);
    const mask = field && readAlgorithm(field.body);
    const algorithm = mask?.oid === MGF1 ? readAlgorithm(mask.parameters) : undefined;
    maskHash = algorithm && HASHES.get(algorithm.oid);
  }

  // RFC 5929 §4.1: undefined for a signature that uses several hash functions.
  return hash === maskHash ? hash : undefined;
}

/** RFC 5280 §4.1.1.2: AlgorithmIdentifier ::= SEQUENCE { algorithm, parameters OPTIONAL } */
function readAlgorithm(bytes: Uint8Array): { oid: string; parameters: Uint8Array } | undefined {
  const sequence = readElement(bytes, SEQUENCE);
  const identifier = sequence && readElement(sequence.body, OBJECT_IDENTIFIER);
  if (identifier === undefined) return undefined;
  const oid = formatOid(identifier.body);
  return oid === undefined ? undefined : { oid, parameters: identifier.rest };
}

/** X.690 §8.19 as dotted decimals, as far as it takes to tell the identifiers above from all others. */
function formatOid(body: Uint8Array): string | undefined {
  if (body.length === 0 || body.length > MAX_OID_BYTES) return undefined;
  const arcs: number[] = [];
  let arc = 0;
  let open = false; // inside an arc of several octets
  for (const octet of body) {
    if (!open && octet === 0x80) return undefined; // not the shortest form
    arc = arc * 128 + (octet & 0x7f);
    open = octet >= 0x80;
    if (open) continue;
    if (arcs.length === 0) {
      const root = Math.min(Math.floor(arc / 40), 2); // §8.19.4: two arcs in one
      arcs.push(root);
      arc -= 40 * root;
    }
    arcs.push(arc);
    arc = 0;
  }
  return open ? undefined : arcs.join(".");
}

interface Element {
  /** The content octets: a view. */
  readonly body: Uint8Array;
  /** What follows the element: a view. */
  readonly rest: Uint8Array;
}

/** One DER element with the tag expected (X.690 §8.1, §10.1): definite lengths in their shortest form alone. */
function readElement(bytes: Uint8Array, tag: number): Element | undefined {
  if (bytes[0] !== tag) return undefined;
  let length = bytes[1];
  let start = 2;
  if (length === undefined || length === 0x80) return undefined; // cut off; indefinite
  if (length > 0x80) {
    const octets = length - 0x80;
    if (octets > MAX_LENGTH_OCTETS || bytes[2] === 0) return undefined;
    length = 0;
    for (start = 2; start < 2 + octets; start++) length = length * 256 + (bytes[start] ?? Number.NaN);
    if (length < 0x80) return undefined;
  }
  const end = start + length;
  // The comparison is false for NaN, that is for a length cut off, too.
  return end <= bytes.length ? { body: bytes.subarray(start, end), rest: bytes.subarray(end) } : undefined;
}

const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
const CONTEXT_0 = 0xa0;
const CONTEXT_1 = 0xa1;
const MAX_OID_BYTES = 16;
/** TLS carries at most 2^24 - 1 octets of certificates (RFC 8446 §4.4.2). */
const MAX_LENGTH_OCTETS = 3;
