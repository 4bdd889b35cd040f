/**
 * Inline features without an engine: what they are told, made from XML, and the examples of their XEPs.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { ServerResult } from "sasl-core";
import type { ClientAbout, ServerAbout, ServerInline, ServerSuccess, UserAgent } from "../src/sasl2/contract.js";
import { type Kit, type Shape, shape } from "./support.js";

export const account = "user@example.com";

/** What a client knows of a server that announces `inline` like this. */
export function clientAbout<E>(kit: Kit<E>, inline: string): ClientAbout<E> {
  const authentication = kit.parse(
    `<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>${inline && `<inline>${inline}</inline>`}</authentication>`,
  );
  const last = kit.adapter.children(authentication)[1] as E | undefined;
  return {
    adapter: kit.adapter,
    authentication,
    inline: last,
    from: account,
    userAgent: {},
    bindingTypes: [],
    bindingRequired: false,
  };
}

/** A `success` with these children behind the identity. */
export function success<E>(kit: Kit<E>, children: string, jid = `${account}/resource`): E {
  const identifier = `<authorization-identifier>${jid}</authorization-identifier>`;
  return kit.parse(`<success xmlns='urn:xmpp:sasl:2'>${identifier}${children}</success>`);
}

/** An `authenticate` with these children. */
export function authenticate<E>(kit: Kit<E>, children: string): E {
  return kit.parse(`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>${children}</authenticate>`);
}

const result: ServerResult = {
  mechanism: "PLAIN",
  authcid: "user",
  authzid: "user",
  channelBinding: undefined,
  layer: undefined,
  properties: {},
};

/** What a server knows before a mechanism begins. */
export function serverAbout<E>(kit: Kit<E>, request: E | undefined, userAgent: UserAgent = {}): ServerAbout<E> {
  const mechanism = request && "PLAIN";
  return { adapter: kit.adapter, host: "example.com", request, mechanism, userAgent, from: account, bindingTypes: [] };
}

/** What became of a login whose mechanism succeeded. */
export interface Served {
  readonly answers: readonly Shape[];
  /** The resources that were bound. */
  readonly bound: readonly string[];
}

/** Plays a server after the mechanism: checks, then success of each feature in order, as an engine does. */
export async function serve<E>(
  kit: Kit<E>,
  features: readonly ServerInline[],
  children: string | E,
  userAgent: UserAgent = {},
): Promise<Served> {
  const request = typeof children === "string" ? authenticate(kit, children) : children;
  const before = serverAbout(kit, request, userAgent);
  for (const each of features) await each.check?.(before);
  const bound: string[] = [];
  const about: ServerSuccess<E> = {
    ...before,
    request,
    mechanism: "PLAIN",
    result,
    jid: account,
    get resource() {
      return bound[0];
    },
    bind: (resource) => void bound.push(resource),
  };
  const answers: Shape[] = [];
  for (const each of features) {
    for (const answer of await each.success(about)) answers.push(shape(kit, answer, ...attributes));
  }
  return { answers, bound };
}

/** All that these features write. */
const attributes = ["var", "h", "previd", "id", "resume", "max", "location", "timestamp"];

/** The announcement of features, as shapes. */
export async function announced<E>(kit: Kit<E>, features: readonly ServerInline[]): Promise<Shape[]> {
  const shapes: Shape[] = [];
  for (const each of features) {
    for (const child of await each.announce(serverAbout(kit, undefined))) shapes.push(shape(kit, child, ...attributes));
  }
  return shapes;
}

/** The shape of XML, without white space between elements. */
export function shapeOf<E>(kit: Kit<E>, xml: string): Shape {
  return shape(kit, kit.parse(xml.replace(/>\s+</g, "><")), ...attributes);
}

/** The example of this id in a XEP's file, with words put in the place of others. */
export function example(xep: string, id: string, replace: Readonly<Record<string, string>> = {}): string {
  const path = new URL(`./vectors/xep-${xep}.json`, import.meta.url);
  const { examples } = JSON.parse(readFileSync(path, "utf8")) as { examples: { id: string; xml: string }[] };
  const found = examples.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no example ${id} in XEP-${xep}`);
  const words = found.xml.replace(/>\s+</g, "><");
  return Object.entries(replace).reduce((xml, [from, to]) => xml.replaceAll(from, to), words);
}

/** What is between a start tag of this name and its end tag. */
export function inside(xml: string, name: string): string {
  const found = new RegExp(`<${name}(?:\\s[^>]*)?>(.*)</${name}>`, "s").exec(xml)?.[1];
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}
