import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { example } from "../test/inline.js";
import { kits, SASL, shape } from "../test/support.js";
import { announce, discover } from "./discovery.js";
import { discoverSASL2 } from "./sasl2/discovery.js";

const STREAM = "http://etherx.jabber.org/streams";
const features = (content: string): string =>
  `<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>${content}</stream:features>`;

const nothing = {
  mechanisms: [],
  bindingTypes: undefined,
  initialResponse: true,
  startTLS: undefined,
  sasl2: false,
  fast: false,
};

/** What a peer announced, and what that means. Sources: RFC 6120 §9.1.1, §9.1.2; Prosody 13. */
const announced: readonly [what: string, content: string, found: Record<string, unknown>][] = [
  ["nothing", "", {}],
  [
    "RFC 6120 §9.1.1 step 3",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>",
    { startTLS: "required" },
  ],
  ["optional STARTTLS", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", { startTLS: "optional" }],
  [
    "RFC 6120 §9.1.2 step 9",
    `<mechanisms ${SASL}><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>`,
    { mechanisms: ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"] },
  ],
  [
    "a prefix of its own",
    "<s:mechanisms xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'><s:mechanism>PLAIN</s:mechanism></s:mechanisms>",
    { mechanisms: ["PLAIN"] },
  ],
  ["an empty list", `<mechanisms ${SASL}/>`, {}],
  [
    "doubles",
    `<mechanisms ${SASL}><mechanism>A</mechanism><mechanism>A</mechanism></mechanisms>`,
    { mechanisms: ["A"] },
  ],
  ["an empty name", `<mechanisms ${SASL}><mechanism/><mechanism>A</mechanism></mechanisms>`, { mechanisms: ["A"] }],
  ["R-XMPP-10 another namespace", "<mechanisms xmlns='urn:x'><mechanism>PLAIN</mechanism></mechanisms>", {}],
  [
    "R-XMPP-10 names in another namespace",
    `<mechanisms ${SASL}><mechanism xmlns='urn:x'>PLAIN</mechanism><mechanism>A</mechanism></mechanisms>`,
    { mechanisms: ["A"] },
  ],
  ["R-XMPP-19 a name with a child", `<mechanisms ${SASL}><mechanism>PL<b/>AIN</mechanism></mechanisms>`, {}],
  [
    "R-XMPP-10 a list deeper down",
    `<x xmlns='urn:x'><mechanisms ${SASL}><mechanism>A</mechanism></mechanisms></x>`,
    {},
  ],
  [
    "R-CBT-01 binding types",
    "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/><channel-binding type='tls-server-end-point'/><channel-binding/></sasl-channel-binding>",
    { bindingTypes: ["tls-exporter", "tls-server-end-point"] },
  ],
  ["an empty list of binding types", "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'/>", { bindingTypes: [] }],
  ["SASL2", "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism></authentication>", { sasl2: true }],
  [
    "FAST",
    "<authentication xmlns='urn:xmpp:sasl:2'><inline><fast xmlns='urn:xmpp:fast:0'/></inline></authentication>",
    { sasl2: true, fast: true },
  ],
  ["FAST where it does not belong", "<fast xmlns='urn:xmpp:fast:0'/>", {}],
];

for (const kit of kits) {
  const { adapter, parse, serialize } = kit;

  describe(`discover and announce with ${kit.name}`, () => {
    for (const [what, content, found] of announced) {
      test(`reads ${what}`, () => {
        expect(discover(parse(features(content)), adapter)).toEqual({ ...nothing, ...found });
      });
    }

    test("R-XMPP-02 announces nothing when there is nothing", () => {
      expect(announce([], adapter)).toEqual([]);
      expect(announce([], adapter, { bindingTypes: ["tls-exporter"] })).toEqual([]);
    });

    test("announces names, and types beside mechanisms that bind", () => {
      const options = { bindingTypes: ["tls-exporter"] };
      const elements = announce(["SCRAM-SHA-1-PLUS", "PLAIN"], adapter, options);
      expect(elements.map((each) => shape(kit, each, "type"))).toEqual([
        [
          "mechanisms",
          "urn:ietf:params:xml:ns:xmpp-sasl",
          {},
          ["mechanism", "urn:ietf:params:xml:ns:xmpp-sasl", {}, "SCRAM-SHA-1-PLUS"],
          ["mechanism", "urn:ietf:params:xml:ns:xmpp-sasl", {}, "PLAIN"],
        ],
        [
          "sasl-channel-binding",
          "urn:xmpp:sasl-cb:0",
          {},
          ["channel-binding", "urn:xmpp:sasl-cb:0", { type: "tls-exporter" }],
        ],
      ]);
    });

    const published = ["tls-server-end-point", "tls-exporter"];
    const exampleOf = (id: string) => parse(example("0440", id).replace(">", ` xmlns:stream='${STREAM}'>`));

    test("R-CBT-01 XEP-0440 §2: the example with SASL1, read and announced", () => {
      const mechanisms = ["EXTERNAL", "SCRAM-SHA-1-PLUS", "PLAIN"];
      expect(discover(exampleOf("sasl1"), adapter)).toEqual({ ...nothing, mechanisms, bindingTypes: published });
      const ours = announce(mechanisms, adapter, { bindingTypes: published }).map((each) => shape(kit, each, "type"));
      expect(ours.toReversed()).toEqual(shape(kit, exampleOf("sasl1"), "type").slice(3)); // any order will do
    });

    test("R-CBT-01 XEP-0440 §2: the example with SASL2, read", () => {
      const features = exampleOf("sasl2");
      expect(discover(features, adapter)).toEqual({ ...nothing, bindingTypes: published, sasl2: true });
      expect(discoverSASL2(features, adapter)?.mechanisms).toEqual(["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"]);
    });

    test("R-CBT-01 announces no types without a mechanism that binds, nor an empty list of them", () => {
      expect(announce(["PLAIN"], adapter, { bindingTypes: ["tls-exporter"] })).toHaveLength(1);
      expect(announce(["SCRAM-SHA-1-PLUS"], adapter, { bindingTypes: [] })).toHaveLength(1);
    });

    test("reads what it announces", () => {
      const name = fc.stringMatching(/^[A-Z0-9_-]{1,20}$/);
      const type = fc.stringMatching(/^[a-z0-9.-]{1,20}$/);
      fc.assert(
        fc.property(fc.uniqueArray(name, { minLength: 1 }), fc.uniqueArray(type, { minLength: 1 }), (names, types) => {
          const mechanisms = [...names, "X-PLUS"].filter((each, i, all) => all.indexOf(each) === i);
          const content = announce(mechanisms, adapter, { bindingTypes: types }).map(serialize).join("");
          expect(discover(parse(features(content)), adapter)).toEqual({ ...nothing, mechanisms, bindingTypes: types });
        }),
        { numRuns: 50 },
      );
    });

    test("R-LIM-05 takes any element", () => {
      const namespaces = [
        "urn:ietf:params:xml:ns:xmpp-sasl",
        "urn:xmpp:sasl-cb:0",
        "urn:xmpp:sasl:2",
        "urn:xmpp:fast:0",
        "u",
      ];
      const names = ["mechanisms", "mechanism", "channel-binding", "inline", "fast", "constructor", "__proto__"];
      const tree = fc.letrec<{ node: unknown }>((tie) => ({
        node: fc
          .tuple(
            fc.constantFrom(...names),
            fc.constantFrom(...namespaces),
            fc.dictionary(fc.constantFrom("type", "__proto__", "constructor"), fc.constant("x")),
            fc.oneof(
              { depthSize: "small" },
              fc.constant([]),
              fc.array(tie("node") as fc.Arbitrary<unknown>),
              fc.constant(["t"]),
            ),
          )
          .map(([name, namespace, attributes, children]) =>
            adapter.create(name, namespace, attributes, children as never),
          ),
      })).node;
      fc.assert(
        fc.property(fc.array(tree, { maxLength: 4 }), (children) => {
          const found = discover(adapter.create("features", "http://etherx.jabber.org/streams", {}, children), adapter);
          expect(found.mechanisms.every((each) => typeof each === "string" && each !== "")).toBe(true);
        }),
        { numRuns: 100 },
      );
    });
  });
}
