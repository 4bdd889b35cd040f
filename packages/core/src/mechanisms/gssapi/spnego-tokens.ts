/**
 * The messages of SPNEGO. Source: RFC 4178 §4.2; MS-SPNG §2.2.1 for what Windows adds.
 *
 * @module
 */
import {
  addTokenHeader,
  context,
  DerReader,
  der,
  malformed,
  oidContent,
  oidText,
  only,
  removeTokenHeader,
  tagEnumerated,
  tagOctetString,
  tagOid,
  tagSequence,
} from "./der.js";
import { spnegoOid } from "./provider.js";

/** The initiator's first message. */
export interface NegTokenInit {
  /** Mechanisms as dotted OIDs, the best first; at least one. */
  readonly mechTypes: readonly string[];
  /** Their list in DER, which the MICs are made over (RFC 4178 §5). */
  readonly mechTypeList: Uint8Array;
  /** Token of the first of them. */
  readonly mechToken: Uint8Array | undefined;
}

/** RFC 4178 §4.2.2, negState: the number is the index. */
const negStates = ["accept-completed", "accept-incomplete", "reject", "request-mic"] as const;
export type NegState = (typeof negStates)[number];

/** Every further message, of both sides. */
export interface NegTokenResp {
  readonly negState?: NegState | undefined;
  readonly supportedMech?: string | undefined;
  readonly responseToken?: Uint8Array | undefined;
  readonly mechListMic?: Uint8Array | undefined;
}

/** More mechanisms than anybody has. */
const maxMechTypes = 32;

/** RFC 4178 §4.1, MechTypeList. */
export function formatMechTypeList(mechTypes: readonly string[]): Uint8Array {
  return der(tagSequence, ...mechTypes.map((oid) => der(tagOid, oidContent(oid))));
}

/** RFC 4178 §4.2.1, in the header of RFC 2743 §3.1. */
export function formatInit(mechTypeList: Uint8Array, mechToken: Uint8Array): Uint8Array {
  const fields = [der(context(0), mechTypeList), octets(2, mechToken)];
  return addTokenHeader(spnegoOid, der(context(0), der(tagSequence, ...fields)));
}

/** @throws {SASLFailure} `malformed-message`. */
export function parseInit(token: Uint8Array): NegTokenInit {
  const inner = removeTokenHeader(spnegoOid, token);
  if (inner === undefined) throw malformed();
  const fields = new DerReader(only(tagSequence, only(context(0), inner)));
  const mechTypeList = fields.take(context(0));
  const list = new DerReader(only(tagSequence, mechTypeList));
  const mechTypes: string[] = [];
  while (!list.empty) {
    if (mechTypes.length === maxMechTypes) throw malformed();
    mechTypes.push(oidText(list.take(tagOid)));
  }
  if (mechTypes.length === 0) throw malformed();
  fields.optional(context(1)); // RFC 4178 §4.2.1: reqFlags are not protected, and not to be looked at
  const mechToken = fields.optional(context(2));
  fields.optional(context(3)); // MS-SPNG §2.2.1: negHints; or a MIC, which cannot be made before there is a context
  fields.optional(context(4));
  fields.end();
  return { mechTypes, mechTypeList, mechToken: mechToken && only(tagOctetString, mechToken) };
}

/** RFC 4178 §4.2.2. */
export function formatResp({ negState, supportedMech, responseToken, mechListMic }: NegTokenResp): Uint8Array {
  const fields: Uint8Array[] = [];
  if (negState) fields.push(der(context(0), der(tagEnumerated, Uint8Array.of(negStates.indexOf(negState)))));
  if (supportedMech) fields.push(der(context(1), der(tagOid, oidContent(supportedMech))));
  if (responseToken) fields.push(octets(2, responseToken));
  if (mechListMic) fields.push(octets(3, mechListMic));
  return der(context(1), der(tagSequence, ...fields));
}

/** @throws {SASLFailure} `malformed-message`. */
export function parseResp(token: Uint8Array): NegTokenResp {
  const fields = new DerReader(only(tagSequence, only(context(1), token)));
  const state = fields.optional(context(0));
  const mech = fields.optional(context(1));
  const response = fields.optional(context(2));
  const mic = fields.optional(context(3));
  fields.end();
  return {
    negState: state && parseState(only(tagEnumerated, state)),
    supportedMech: mech && oidText(only(tagOid, mech)),
    responseToken: response && only(tagOctetString, response),
    mechListMic: mic && only(tagOctetString, mic),
  };
}

function parseState(content: Uint8Array): NegState {
  const state = content.length === 1 ? negStates[content[0] as number] : undefined;
  if (state === undefined) throw malformed();
  return state;
}

function octets(n: number, content: Uint8Array): Uint8Array {
  return der(context(n), der(tagOctetString, content));
}
