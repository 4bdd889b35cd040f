import { DOMParser } from "@xmldom/xmldom";
import { Element } from "ltx";
import { describe, expect, test } from "vitest";
import { domKit, kits, ltxKit, shape } from "../test/support.js";
import { findChild, textOf } from "./element.js";

const NS = "urn:example:a";

for (const kit of kits) {
  const { adapter, parse, serialize } = kit;

  describe(`adapter for ${kit.name}`, () => {
    test("makes what it reads", () => {
      const child = adapter.create("child", "urn:example:b", { "xml:lang": "de", id: `<&"'>` }, ["a & b"]);
      const made = adapter.create("parent", NS, {}, ["text <", child, ">"]);
      const read = parse(serialize(made));
      const expected = [
        "parent",
        NS,
        {},
        "text <",
        ["child", "urn:example:b", { "xml:lang": "de", id: `<&"'>` }, "a & b"],
        ">",
      ];
      expect(shape(kit, made, "xml:lang", "id")).toEqual(expected);
      expect(shape(kit, read, "xml:lang", "id")).toEqual(expected);
    });

    test("a child in its parent's namespace stays in it", () => {
      const made = adapter.create("a", NS, {}, [adapter.create("b", NS), adapter.create("c", "urn:example:c")]);
      expect(shape(kit, parse(serialize(made)))).toEqual(["a", NS, {}, ["b", NS, {}], ["c", "urn:example:c", {}]]);
    });

    const names: readonly [why: string, xml: string, name: string, namespace: string][] = [
      ["a default namespace", `<a xmlns='${NS}'/>`, "a", NS],
      ["a prefix", `<x:a xmlns:x='${NS}'/>`, "a", NS],
      ["a prefix next to a default", `<x:a xmlns='urn:other' xmlns:x='${NS}'/>`, "a", NS],
      ["no namespace", "<a/>", "a", ""],
    ];
    for (const [why, xml, name, namespace] of names) {
      test(`R-XMPP-16 reads ${why}`, () => {
        const element = parse(xml);
        expect([adapter.name(element), adapter.namespace(element)]).toEqual([name, namespace]);
      });
    }

    const children: readonly [why: string, xml: string, namespace: string][] = [
      ["inherited default", `<p xmlns='${NS}'><c/></p>`, NS],
      ["inherited prefix", `<p xmlns:x='${NS}'><x:c/></p>`, NS],
      ["default taken back", `<p xmlns='${NS}'><c xmlns=''/></p>`, ""],
      ["default not for others' prefixes", `<p xmlns='urn:other' xmlns:x='${NS}'><x:c/></p>`, NS],
      ["prefix declared anew", `<p xmlns:x='urn:other'><x:c xmlns:x='${NS}'/></p>`, NS],
    ];
    for (const [why, xml, namespace] of children) {
      test(`R-XMPP-16 resolves ${why}`, () => {
        expect(findChild(adapter, parse(xml), "c", namespace)).toBeDefined();
      });
    }

    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      test(`R-LIM-04 an attribute ${name} has no effect`, () => {
        const plain = parse("<a/>");
        expect(adapter.attribute(plain, name)).toBeUndefined();
        const named = adapter.create("a", NS, Object.fromEntries([[name, "x"]]));
        expect(Object.getPrototypeOf(named)).toBe(Object.getPrototypeOf(adapter.create("a", NS)));
        expect(adapter.name(named)).toBe("a");
        expect(adapter.namespace(parse(`<a ${name}='x' xmlns='${NS}'/>`))).toBe(NS);
        expect(({} as Record<string, unknown>).x).toBeUndefined();
      });

      test(`R-LIM-04 a prefix ${name} is a prefix`, () => {
        expect(adapter.namespace(parse(`<${name}:a xmlns:${name}='${NS}'/>`))).toBe(NS);
      });
    }

    test("an attribute that is not there is undefined, an empty one is empty", () => {
      const element = parse("<a b=''/>");
      expect(adapter.attribute(element, "b")).toBe("");
      expect(adapter.attribute(element, "c")).toBeUndefined();
    });

    test("an attribute with a prefix comes with its declaration", () => {
      const made = adapter.create("a", NS, { "x:b": "1", "xmlns:x": "urn:example:x" });
      const read = parse(serialize(made));
      expect(adapter.attribute(read, "x:b")).toBe("1");
    });

    test("R-XMPP-19 text is text only where there is nothing else", () => {
      expect(textOf(adapter, parse("<a>b&amp;c</a>"))).toBe("b&c");
      expect(textOf(adapter, parse("<a><![CDATA[<b>]]></a>"))).toBe("<b>");
      expect(textOf(adapter, parse("<a/>"))).toBe("");
      expect(textOf(adapter, parse("<a>b<c/>d</a>"))).toBeUndefined();
    });
  });
}

test("R-XMPP-19 what a DOM keeps besides text and elements is not taken for nothing", () => {
  for (const xml of ["<a>b<!-- c -->d</a>", "<a>b<?c d?></a>"]) {
    const root = new DOMParser().parseFromString(xml, "text/xml").documentElement;
    expect(textOf(domKit.adapter, root as never)).toBeUndefined();
  }
});

test("numbers that ltx keeps as children count as text", () => {
  const element = new Element("a");
  (element.children as unknown[]).push(5, "6");
  expect(textOf(ltxKit.adapter, element)).toBe("56");
});
