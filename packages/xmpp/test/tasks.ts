/**
 * A client's and a server's end of a SASL2 task, driven by hand: what each says goes through text, as on a stream.
 *
 * @module
 */
import type { ServerResult } from "sasl-core";
import type { ClientAbout, ClientTask, ServerTask, TaskAbout } from "../src/sasl2/contract.js";
import type { Kit } from "./support.js";

/** Children of a `task-data` on their way to the other end. */
export type Tamper = (xml: string, turn: number) => string;

const SASL2 = "urn:xmpp:sasl:2";

export function clientAbout<E>(
  { adapter, parse }: Kit<E>,
  authentication: string,
  from = "user@example.org",
): ClientAbout<E> {
  return {
    adapter,
    authentication: parse(`<authentication xmlns='${SASL2}'>${authentication}</authentication>`),
    inline: undefined,
    from,
    userAgent: {},
    bindingTypes: ["tls-exporter"],
    bindingRequired: false,
  };
}

export function serverAbout<E>(
  { adapter, parse }: Kit<E>,
  request = "",
  result: Partial<ServerResult> = {},
): TaskAbout<E> {
  const mechanism = result.mechanism ?? "SCRAM-SHA-1-PLUS";
  const authcid = result.authcid ?? "user";
  return {
    adapter,
    host: "example.org",
    request: parse(`<authenticate xmlns='${SASL2}' mechanism='${mechanism}'>${request}</authenticate>`),
    mechanism,
    userAgent: {},
    from: "user@example.org",
    bindingTypes: ["tls-exporter"],
    signal: new AbortController().signal,
    jid: `${authcid}@example.org`,
    result: {
      authcid,
      authzid: authcid,
      channelBinding: "tls-exporter",
      layer: undefined,
      properties: {},
      ...result,
      mechanism,
    },
  };
}

/** Children as the other end reads them. */
export function overTheWire<E>(
  { adapter, parse, serialize }: Kit<E>,
  children: readonly E[],
  tamper: (xml: string) => string = String,
): E[] {
  const element = adapter.create("task-data", SASL2, {}, children);
  return elementsOf(adapter.children(parse(tamper(serialize(element)))));
}

export function elementsOf<E>(children: readonly (E | string)[]): E[] {
  return children.filter((each): each is E & Exclude<E, string> => typeof each !== "string");
}

/** What one end hears, written down. */
export function heard<E>(kit: Kit<E>, xml: string): E[] {
  return elementsOf(kit.adapter.children(kit.parse(`<task-data xmlns='${SASL2}'>${xml}</task-data>`)));
}

/** Both ends to the server's return; `tamper` sees what is said, the client's `next` first. */
export async function perform<E>(
  kit: Kit<E>,
  [client, about]: readonly [ClientTask, ClientAbout<E>],
  [server, admitted]: readonly [ServerTask, TaskAbout<E>],
  tamper: Tamper = String,
): Promise<number> {
  let turn = 0;
  const pass = (children: readonly E[]) => overTheWire(kit, children, (xml) => tamper(xml, turn++));
  const saying = client.perform(server.name, about);
  const first = await saying.next();
  if (first.done) throw new Error("the client has nothing to say");
  const asking = server.perform(admitted, pass(first.value));
  let reply = await asking.next();
  while (!reply.done) {
    const said = await saying.next(pass(reply.value));
    if (said.done) throw new Error("the client has no more to say");
    reply = await asking.next(pass(said.value));
  }
  await saying.return();
  return turn;
}
