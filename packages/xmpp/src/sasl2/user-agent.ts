/**
 * What a client says about itself. Source: XEP-0388 §2.3.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { textOf, type XMLAdapter } from "../element.js";
import { NS_SASL2 } from "../namespaces.js";
import { onlyChild } from "./children.js";
import type { UserAgent } from "./contract.js";
import { create } from "./messages.js";

/** RFC 9562 §5.4. */
const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Longest name of a software or device that is taken note of, in UTF-16 units. */
const MAX_NAME_LENGTH = 256;

/**
 * A new id for a {@link UserAgent}: random, and so to be made once for each installation and account, and kept.
 *
 * @returns a UUID v4 in lower case.
 */
export function newUserAgentId(): string {
  const octets = crypto.getRandomValues(new Uint8Array(16));
  octets[6] = ((octets[6] as number) & 0x0f) | 0x40;
  octets[8] = ((octets[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A UUID v4 in lower case; `undefined` for anything else. */
export function parseUserAgentId(text: string | undefined): string | undefined {
  const id = text?.toLowerCase();
  return id !== undefined && uuid4.test(id) ? id : undefined;
}

/** The element, or none where there is nothing to say. */
export function formatUserAgent<E>({ id, software, device }: UserAgent, adapter: XMLAdapter<E>): readonly E[] {
  const children: E[] = [];
  if (software !== undefined) children.push(create(adapter, "software", [software]));
  if (device !== undefined) children.push(create(adapter, "device", [device]));
  if (id === undefined && children.length === 0) return [];
  return [create(adapter, "user-agent", children, id === undefined ? {} : { id })];
}

/**
 * What an `authenticate` element says. Nothing in it is proved.
 *
 * @param strict throws for an id that is no UUID v4; otherwise such an id is none.
 * @throws {SASLFailure} `malformed-message` also for several of what there is to be one of.
 */
export function parseUserAgent<E>(request: E, adapter: XMLAdapter<E>, strict: boolean): UserAgent {
  const element = onlyChild(adapter, request, "user-agent", NS_SASL2);
  if (element === undefined) return {};
  const given = adapter.attribute(element, "id");
  const id = parseUserAgentId(given);
  if (strict && id === undefined && given !== undefined) {
    throw new SASLFailure("malformed-message", "the id of the user agent is no UUID v4");
  }
  const named = (name: string) => {
    const child = onlyChild(adapter, element, name, NS_SASL2);
    const text = child && textOf(adapter, child);
    return text && text.length <= MAX_NAME_LENGTH ? text : undefined;
  };
  return { id, software: named("software"), device: named("device") };
}
