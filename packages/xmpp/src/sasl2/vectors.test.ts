/** The examples of XEP-0388, played by our client and by our server. */
import { readFileSync } from "node:fs";
import { clientMechanism, type Mechanism, SASLServer } from "sasl-core";
import { defineMechanism } from "sasl-core/plugin";
import { describe, expect, test } from "vitest";
import { type Kit, kits, type Shape, scripted, shape } from "../../test/support.js";
import {
  authenticate,
  bareJid,
  type ClientInline,
  type ClientTask,
  discoverSASL2,
  elementPair,
  parseFailure,
  parseJid,
  SASL2Stream,
  type ServerInline,
  type ServerTask,
  sasl2,
} from "../index.js";

interface Vectors {
  readonly features: readonly { readonly section: string; readonly xml: string }[];
  readonly failure: { readonly section: string; readonly xml: string };
  readonly flows: readonly { readonly id: string; readonly section: string; readonly messages: readonly string[] }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../../test/vectors/xep-0388.json", import.meta.url), "utf8"),
) as Vectors;

/** Without the layout of the document. */
const flat = (xml: string): string => xml.replace(/>\s+/g, ">").replace(/\s+</g, "<");
const nameOf = (xml: string): string => /^<([\w-]+)/.exec(xml)?.[1] as string;
const dataIn = (xml: string | undefined, name: string): Uint8Array | undefined => {
  const text = new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(xml ?? "")?.[1];
  return text === undefined ? undefined : Buffer.from(text, "base64");
};
const own = ["initial-response", "user-agent", "additional-data", "authorization-identifier"];
const userAgent = { id: "d4565fa7-4d72-4749-b3d3-740edbf87770", software: "AwesomeXMPP", device: "Kiva's Phone" };

/** What an example says, taken apart. */
function parts<E>(kit: Kit<E>, messages: readonly string[]) {
  const { adapter } = kit;
  const elements = messages.map((xml) => ({ name: nameOf(xml), xml, element: kit.parse(xml) }));
  const inside = (element: E): E[] =>
    adapter.children(element).filter((child): child is E & Exclude<E, string> => typeof child !== "string");
  const find = (name: string) => elements.find((each) => each.name === name);
  const request = elements[0] as (typeof elements)[number];
  const success = find("success") as (typeof elements)[number];
  const said = elements.filter(({ name }) => ["authenticate", "challenge", "response"].includes(name));
  const mechanism: Mechanism = replay(
    adapter.attribute(request.element, "mechanism") as string,
    dataIn(request.xml, "initial-response"),
    said.slice(1).map(({ name, xml }) => dataIn(xml, name) as Uint8Array),
    dataIn((find("continue") ?? success).xml, "additional-data"),
  );
  const taskSteps = elements
    .filter(({ name }) => name === "next" || name === "task-data")
    .map((each) => inside(each.element));
  const jid = parseJid(/identifier>([^<]*)</.exec(success.xml)?.[1] as string);
  const more = (element: E) => inside(element).filter((child) => !own.includes(adapter.name(child)));
  return {
    mechanism,
    jid,
    requested: more(request.element),
    granted: more(success.element),
    taskSteps,
    task: adapter.attribute(find("next")?.element ?? request.element, "task"),
    offered: [...(find("continue")?.xml ?? "").matchAll(/<task>([^<]*)/g)].map(([, name]) => name as string),
    text: /<text>([^<]*)/.exec(find("continue")?.xml ?? "")?.[1],
    fromClient: elements.filter(({ name }, index) => isClients(name, index, messages)).map(({ element }) => element),
    fromServer: elements.filter(({ name }, index) => !isClients(name, index, messages)).map(({ element }) => element),
  };
}

function isClients(name: string, index: number, messages: readonly string[]): boolean {
  if (name !== "task-data") return ["authenticate", "response", "next"].includes(name);
  return nameOf(messages[index - 1] as string) === "task-data"; // theirs comes first
}

/** A mechanism that says what the example says, and accepts nothing else. */
function replay(
  name: string,
  initial: Uint8Array | undefined,
  messages: readonly Uint8Array[],
  last: Uint8Array | undefined,
): Mechanism {
  const same = (heard: unknown, wanted: Uint8Array | undefined) =>
    expect(heard && Buffer.from(heard as Uint8Array).toString()).toBe(wanted && Buffer.from(wanted).toString());
  return defineMechanism({
    name: name as never,
    flow: "either",
    security: ["noAnonymous", "mutualAuth"],
    needs: "password",
    source: "an example",
    async *client(ctx) {
      await ctx.credentials("password");
      const out = [initial, ...messages.filter((_, index) => index % 2 === 1)];
      const back = [...messages.filter((_, index) => index % 2 === 0)];
      let heard: Uint8Array | undefined;
      for (const [index, each] of out.entries()) {
        if (index === out.length - 1 && last === undefined) return each as Uint8Array;
        const final = index === out.length - 1;
        heard = (yield final ? ctx.final(each as Uint8Array) : (each as Uint8Array)) as Uint8Array | undefined;
        if (!final && index < back.length) same(heard, back[index]);
      }
      same(heard, last);
      return undefined;
    },
    async *server(ctx) {
      let heard: Uint8Array | undefined;
      if (initial !== undefined) {
        heard = (yield) as Uint8Array;
        same(heard, initial);
      }
      for (let index = 0; index < messages.length; index += 2) {
        heard = (yield messages[index] as Uint8Array) as Uint8Array;
        same(heard, messages[index + 1]);
      }
      const account = await ctx.identify("user");
      return { authcid: account.name, data: last };
    },
  });
}

const NAMES = ["mechanism", "task", "id", "h", "previd"] as const;
/** Children in any order: the document has none. */
function sorted([name, namespace, attributes, ...children]: Shape): unknown[] {
  const inner = children.map((each) => (typeof each === "string" ? each : sorted(each as Shape)));
  return [name, namespace, attributes, ...inner.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))];
}

for (const kit of kits) {
  const { adapter } = kit;
  describe(`XEP-0388 with ${kit.name}`, () => {
    test("features", () => {
      const found = vectors.features.map(({ xml }) => {
        const stream = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>";
        const offer = discoverSASL2(kit.parse(flat(xml).replace("<stream:features>", stream)), adapter);
        return [offer?.mechanisms, offer?.inline.map((each) => adapter.namespace(each))];
      });
      expect(found).toEqual([
        [
          ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"],
          ["urn:xmpp:sm:3", "urn:xmpp:bind:0"],
        ],
        [["PLAIN", "SCRAM-SHA-1"], []],
        [["BLURDYBLOOP"], ["urn:example:megabind"]],
      ]);
    });

    test("failure", () => {
      const error = parseFailure(kit.parse(flat(vectors.failure.xml)), adapter);
      expect(error).toMatchObject({ code: "aborted", text: "This is a terrible example." });
    });

    for (const { id, section, messages: published } of vectors.flows) {
      const messages = published.map(flat);
      // Of elements of their own: a DOM moves what is put elsewhere.
      const another = parts(kit, messages);
      const shapes = {
        fromClient: another.fromClient.map((element) => sorted(shape(kit, element, ...NAMES))),
        fromServer: another.fromServer.map((element) => sorted(shape(kit, element, ...NAMES))),
      };
      const { jid } = another;
      const from = `${jid?.local}@${jid?.domain}`;

      test(`${section} ${id}: our client says what it has to`, async () => {
        const { mechanism, requested, taskSteps, task, fromServer } = parts(kit, messages);
        const transport = { ...scripted(kit, []), from };
        const answers = [...fromServer];
        const sent: unknown[] = [];
        const inline: ClientInline = { request: () => requested as never[], success: () => undefined };
        const performer: ClientTask = {
          handles: (name) => name === task,
          async *perform() {
            for (let step = 0; step < taskSteps.length; step += 2) yield taskSteps[step] as never[];
          },
        };
        const features = adapter.create("features", "x", {}, [
          adapter.create("authentication", "urn:xmpp:sasl:2", {}, [
            adapter.create("mechanism", "urn:xmpp:sasl:2", {}, [mechanism.name]),
          ]),
        ]);
        const result = await authenticate(
          {
            ...transport,
            send: (element) => void sent.push(sorted(shape(kit, element, ...NAMES))),
            receive: async () => answers.shift() as never,
          },
          features,
          [clientMechanism([mechanism], { username: "user", password: "x" })],
          {
            sasl2: sasl2({ userAgent, inline: [inline], tasks: [performer] }),
            // §2.1 has them beside the mechanisms.
            serverBindingTypes: mechanism.name.endsWith("-PLUS") ? ["tls-exporter"] : undefined,
          },
        );
        expect(result.jid).toBe(jid?.resource === undefined ? from : `${from}/${jid.resource}`);
        expect(sent).toEqual(shapes.fromClient);
      });

      test(`${section} ${id}: our server says what it has to`, async () => {
        const { mechanism, granted, taskSteps, offered, text, fromClient } = parts(kit, messages);
        const host = jid?.domain as string;
        const server = new SASLServer({
          mechanisms: [mechanism],
          accounts: { lookup: () => ({}) },
          canonicalizers: [
            { name: "the example's", side: "server", canonicalize: () => jid?.local as string },
            bareJid([host]),
          ],
        });
        const inline: ServerInline = {
          announce: () => [],
          success: (about) => {
            if (jid?.resource !== undefined) about.bind(jid.resource);
            return granted as never[];
          },
        };
        const tasks = offered.map(
          (name): ServerTask => ({
            name,
            text,
            due: () => true,
            async *perform() {
              for (let step = 1; step < taskSteps.length; step += 2) yield taskSteps[step] as never[];
            },
          }),
        );
        const stream = new SASL2Stream({ adapter, host, from }, { inline: [inline], tasks, badUserAgentId: "refuse" });
        const connection = {
          secure: true,
          host,
          successData: true,
          admit: stream.admit.bind(stream),
        };
        await stream.announce(server.mechanisms(connection));
        const pair = elementPair(adapter, { secure: true });
        const [first, ...rest] = fromClient;
        for (const each of rest) await pair.client.send(each);
        const outcome = await stream.serve(pair.server, server.session(connection), first as never);
        expect(outcome).toMatchObject({ ok: true, jid: from, resource: jid?.resource, userAgent });
        const said: unknown[] = [];
        for (const _ of shapes.fromServer) said.push(sorted(shape(kit, await pair.client.receive(), ...NAMES)));
        expect(said).toEqual(shapes.fromServer);
      });
    }
  });
}
