/**
 * `sasl-xmpp` on the browser's own DOM, parser and WebSocket. `?server=` names a `sasl serve --ws`, with the account of
 * {@link alice}.
 *
 * @module
 */
import { memoryAccounts, SASLServer } from "sasl-core";
import {
  authenticate,
  bind2,
  type ClientStream,
  elementPair,
  enableCarbons,
  fast,
  memoryFastTokens,
  newUserAgentId,
  sasl2,
  serve,
} from "sasl-xmpp";
import {
  hashSha256,
  hashSha512,
  SCRAM,
  SCRAMPLUS,
  type ScramHash,
  scramSha256,
  scramSha512,
} from "sasl-xmpp/mechanisms";
import { domCodec, websocketStream } from "sasl-xmpp/websocket";
import { codeOf, offer, same } from "./checks.js";

const alice = { username: "alice", password: "correct horse battery staple" };
const server = new URLSearchParams(location.search).get("server") ?? "";

/** Elements of the page's own document, and of one that only holds XML. */
const documents: Readonly<Record<string, Document>> = {
  "HTML document": document,
  "XML document": document.implementation.createDocument(null, null),
};
const codecs = Object.entries(documents).map(
  ([name, each]) => [name, domCodec<Element>(new DOMParser(), new XMLSerializer(), each)] as const,
);
const [[, codec]] = codecs as [(typeof codecs)[number]];
const hashes = [hashSha256, hashSha512];

function featuresWith(...mechanisms: string[]): Element {
  const list = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join("");
  return codec.parse(
    `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${list}</mechanisms></stream:features>`,
  );
}

/** Both ends in the page. */
async function inMemory({ adapter }: typeof codec, hash: ScramHash): Promise<void> {
  const ends = elementPair(adapter, { secure: true });
  const sasl = new SASLServer({
    mechanisms: [scramSha256, scramSha512],
    accounts: memoryAccounts({ [alice.username]: alice.password }),
  });
  const session = sasl.session({ secure: true, successData: true });
  const served = ends.server.receive().then((auth) => serve(ends.server, session, auth));
  const result = await authenticate(ends.client, featuresWith(hash.name), [SCRAM(alice, { hashes: [hash] })]);
  await served;
  same("the mechanism", [result.mechanism, result.serverVerified], [hash.name, true]);
  same("who it is", session.result?.authcid, "alice");
}

async function open(secure = true): Promise<{ stream: ClientStream<Element>; features: Element }> {
  const options = { domain: "localhost", from: "alice@localhost", secure };
  const stream = websocketStream(new WebSocket(server, "xmpp"), codec, options);
  return { stream, features: await stream.open() };
}

const nasty: readonly (readonly [what: string, xml: string])[] = [
  ["a DTD", "<!DOCTYPE a><a xmlns='b'/>"],
  ["an entity of its own", "<!DOCTYPE a [<!ENTITY b 'c'>]><a xmlns='b'>&b;</a>"],
  ["a comment", "<a xmlns='b'><!-- c --></a>"],
  ["an instruction", "<a xmlns='b'><?c d?></a>"],
  ["an end that is missing", "<a xmlns='b'><c></a>"],
  ["two roots", "<a xmlns='b'/><a xmlns='b'/>"],
  ["a prefix nobody declared", "<a:b/>"],
  ["an entity nobody declared", "<a xmlns='b'>&nbsp;</a>"],
  ["an error deep inside", "<a xmlns='b'><c><d><e></d></c></a>"],
];

offer({
  ...Object.fromEntries(
    codecs.flatMap(([name, each]) =>
      hashes.map((hash) => [`${hash.name} between elements of an ${name}`, () => inMemory(each, hash)]),
    ),
  ),
  ...Object.fromEntries(
    nasty.map(([what, xml]) => [
      `the parser refuses ${what}`,
      async () => {
        for (const [name, { parse }] of codecs) {
          const code = await codeOf((async () => parse(xml))());
          if (code === "none") throw new Error(`taken with an ${name}`);
        }
      },
    ]),
  ),
  async "success before the server's proof is refused"() {
    const ends = elementPair(codec.adapter, { secure: true });
    const lie = ends.server
      .receive()
      .then(() => ends.server.send(codec.parse("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")));
    same(
      "the code",
      await codeOf(authenticate(ends.client, featuresWith("SCRAM-SHA-256"), [SCRAM(alice)])),
      "peer-not-verified",
    );
    await lie;
  },
  ...Object.fromEntries(
    hashes.map((hash) => [
      `${hash.name} over WebSocket, RFC 6120 and SASL2`,
      async () => {
        for (const profile of ["sasl1", "sasl2"] as const) {
          const { stream, features } = await open();
          const mechanisms = [SCRAM(alice, { hashes: [hash] })];
          const result = await authenticate(stream, features, mechanisms, { profile, sasl2: sasl2() });
          same("the login", [result.mechanism, result.serverVerified, result.profile], [hash.name, true, profile]);
          await stream.restart();
          stream.close();
        }
      },
    ]),
  ),
  async "FAST, Bind 2 and carbons over WebSocket"() {
    const token = fast({ store: memoryFastTokens() });
    const session = bind2({ tag: "page", features: [enableCarbons()] });
    const profile = sasl2({ userAgent: { id: newUserAgentId() }, inline: [token, session] });
    for (const [mechanisms, used] of [
      [[SCRAM(alice)], false],
      [[], true],
    ] as const) {
      const { stream, features } = await open();
      const result = await authenticate(stream, features, mechanisms, { sasl2: profile });
      same("whether by token", result.inline.get(token)?.used, used);
      same("carbons", result.inline.get(session)?.answers, [true]);
      await stream.restart();
      stream.close();
    }
  },
  async "a wrong password over WebSocket"() {
    const { stream, features } = await open();
    const login = authenticate(stream, features, [SCRAM({ ...alice, password: "wrong" })], { sasl2: sasl2() });
    same("the code", await codeOf(login), "refused");
    stream.close();
  },
  async "nothing binds to a channel that pages do not see"() {
    const { stream, features } = await open();
    same("the code", await codeOf(authenticate(stream, features, [SCRAMPLUS(alice)])), "no-common-mechanism");
    stream.close();
  },
  async "nobody there"() {
    const socket = new WebSocket("ws://localhost:9/", "xmpp");
    const stream = websocketStream(socket, codec, { domain: "localhost" });
    same("the code", await codeOf(stream.open()), "connection-lost");
  },
});
