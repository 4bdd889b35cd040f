import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytes, kits, ltxKit, shape } from "../../test/support.js";
import type { StreamCondition } from "./conditions.js";
import { StreamViolation } from "./conditions.js";
import type { XMLLimits } from "./framing.js";
import { parseElement, XMLStreamReader } from "./reader.js";

const OPEN =
  "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

/** Everything a reader reports for these pieces: events as plain data, the condition last if there is one. */
function read(pieces: readonly Uint8Array[], limits?: Partial<XMLLimits>, kit = ltxKit): unknown[] {
  const reader = new XMLStreamReader(kit.adapter, limits);
  const seen: unknown[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let event = reader.next(); event || reader.busy; event = reader.next()) {
        if (event === undefined) continue;
        if (event.type === "element") seen.push(shape(kit, event.element, "a"));
        else if (event.type === "open") seen.push([event.header.attributes.to, event.header.objection]);
        else seen.push("close");
      }
    }
  } catch (error) {
    expect(error).toBeInstanceOf(StreamViolation);
    seen.push((error as StreamViolation).condition);
    expect(() => reader.next()).toThrow(error as Error);
  }
  return seen;
}

const readText = (xml: string, limits?: Partial<XMLLimits>): unknown[] => read([bytes(xml)], limits);
const opened = ["localhost", undefined];

describe("XMLStreamReader", () => {
  for (const kit of kits) {
    test(`reads a session with ${kit.name}`, () => {
      const xml = `<?xml version='1.0'?>${OPEN}<a xmlns='urn:a'>1<b a='2'>ü€😀</b></a> \n<c/><x:d xmlns:x='urn:d'/></stream:stream>`;
      expect(read([bytes(xml)], undefined, kit as typeof ltxKit)).toEqual([
        opened,
        ["a", "urn:a", {}, "1", ["b", "urn:a", { a: "2" }, "ü€😀"]],
        ["c", "jabber:client", {}],
        ["d", "urn:d", {}],
        "close",
      ]);
    });
  }

  const sessions: readonly [what: string, xml: string, limits?: Partial<XMLLimits>][] = [
    [
      "a session",
      `<?xml version="1.0" encoding="UTF-8"?>\n${OPEN} <a xmlns='u'>t<b a='>/>'/>ü😀&amp;&#x41;</a>\r\n<c/></stream:stream>`,
    ],
    ["CDATA with tags in it", `${OPEN}<a><![CDATA[</a> /> > ]] ü]]></a><b/>`],
    ["prefixes", `${OPEN}<x:a xmlns:x='urn:1'><x:b xmlns:x='urn:2'/><b xmlns=''/></x:a><a/>`],
    ["R-XMPP-15 a comment", `${OPEN}<a/><!-- x --><b/>`],
    ["R-XMPP-15 a DTD", `<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y "z">]>${OPEN}`],
    ["R-XMPP-16 a wrong end tag", `${OPEN}<a><b></a></b>`],
    ["R-XMPP-16 an end too much", `${OPEN}<a/></stream:stream></a>`],
    ["R-XMPP-17 a long element", `${OPEN}<a>${"x".repeat(60)}</a><b>${"y".repeat(120)}</b>`, { maxElementBytes: 180 }],
    ["R-XMPP-17 a long element of long characters", `${OPEN}<a>${"€".repeat(60)}</a>`, { maxElementBytes: 180 }],
    ["R-XMPP-17 much white space", `${OPEN}${" ".repeat(400)}<a/>${"\n".repeat(400)}<b/>`, { maxElementBytes: 180 }],
  ];
  for (const [what, xml, limits] of sessions) {
    test(`R-LIM-06 reads the same split at any offset: ${what}`, () => {
      const all = bytes(xml);
      const whole = read([all], limits);
      expect(whole[0]).not.toBeUndefined();
      for (let at = 1; at < all.length; at++) {
        expect(read([all.slice(0, at), all.slice(at)], limits)).toEqual(whole);
      }
      expect(
        read(
          Array.from(all, (octet) => Uint8Array.of(octet)),
          limits,
        ),
      ).toEqual(whole);
    });
  }

  const illFormedUtf8: readonly [why: string, octets: readonly number[]][] = [
    ["a stray continuation octet", [0x80]],
    ["a lead octet alone", [0xc3]],
    ["an overlong form", [0xc0, 0xbc]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a code point too big", [0xf4, 0x90, 0x80, 0x80]],
    ["ISO 8859-1", [0xfc]],
    ["0xFF", [0xff]],
    ["the beginning of U+FFFD", [0xef, 0xbf]],
  ];
  for (const [why, octets] of illFormedUtf8) {
    test(`R-XMPP-16 refuses ${why}, and reads what came before`, () => {
      const before = bytes(`${OPEN}<a>ü</a><b>`);
      const after = bytes("</b><c/>");
      const all = Uint8Array.from([...before, ...octets, ...after]);
      const expected = [opened, ["a", "jabber:client", {}, "ü"], "not-well-formed"];
      expect(read([all])).toEqual(expected);
      for (let at = 1; at < all.length; at++) expect(read([all.slice(0, at), all.slice(at)])).toEqual(expected);
    });
  }

  const hostile: readonly [why: string, xml: string, condition: StreamCondition][] = [
    ["R-XMPP-15 a DTD", `<!DOCTYPE stream>${OPEN}`, "restricted-xml"],
    [
      "R-XMPP-15 a DTD with entities",
      `<!DOCTYPE s [<!ENTITY a "${"b".repeat(50)}"><!ENTITY c "&a;&a;">]>${OPEN}<a>&c;</a>`,
      "restricted-xml",
    ],
    ["R-XMPP-15 a DTD that never ends", "<!DOCTYPE s [<!ENTITY a 'b'>", "restricted-xml"],
    ["R-XMPP-15 a DTD after the declaration", `<?xml version='1.0'?>\n<!DOCTYPE s>${OPEN}`, "restricted-xml"],
    ["R-XMPP-15 a DTD in the stream", `${OPEN}<!DOCTYPE s>`, "restricted-xml"],
    ["R-XMPP-15 a DTD in an element", `${OPEN}<a><!DOCTYPE s></a>`, "restricted-xml"],
    ["R-XMPP-15 a comment before the header", `<!-- hi -->${OPEN}`, "restricted-xml"],
    ["R-XMPP-15 a comment between elements", `${OPEN}<!-- hi -->`, "restricted-xml"],
    ["R-XMPP-15 a comment in an element", `${OPEN}<a>b<!-- c -->d</a>`, "restricted-xml"],
    ["R-XMPP-15 an instruction before the header", `<?php x ?>${OPEN}`, "restricted-xml"],
    ["R-XMPP-15 an instruction between elements", `${OPEN}<?php x ?>`, "restricted-xml"],
    ["R-XMPP-15 an instruction in an element", `${OPEN}<a><?php x ?></a>`, "restricted-xml"],
    ["R-XMPP-15 an entity nobody declared", `${OPEN}<a>&nbsp;</a>`, "restricted-xml"],
    ["R-XMPP-15 an entity in an attribute", `${OPEN}<a b='&nbsp;'/>`, "restricted-xml"],
    ["R-XMPP-15 an entity named like an object's property", `${OPEN}<a>&__proto__;&constructor;</a>`, "restricted-xml"],
    ["R-XMPP-15 CDATA between elements", `${OPEN}<![CDATA[x]]><a/>`, "restricted-xml"],
    ["R-XMPP-16 a declaration twice", `<?xml version='1.0'?><?xml version='1.0'?>${OPEN}`, "not-well-formed"],
    ["R-XMPP-16 a declaration in the stream", `${OPEN}<?xml version='1.0'?>`, "not-well-formed"],
    ["R-XMPP-16 another encoding", `<?xml version='1.0' encoding='ISO-8859-1'?>${OPEN}`, "unsupported-encoding"],
    ["R-XMPP-16 another version", `<?xml version='1.1'?>${OPEN}`, "not-well-formed"],
    ["R-XMPP-16 an end tag of another element", `${OPEN}<a></b>`, "not-well-formed"],
    ["R-XMPP-16 an end of the stream inside an element", `${OPEN}<a></stream:stream>`, "not-well-formed"],
    ["R-XMPP-16 a prefix nobody declared", `${OPEN}<x:a/>`, "not-well-formed"],
    ["R-XMPP-16 a prefix of a sibling", `${OPEN}<x:a xmlns:x='u'/><x:b/>`, "not-well-formed"],
    ["R-XMPP-16 an attribute's prefix nobody declared", `${OPEN}<a x:b='c'/>`, "not-well-formed"],
    ["R-XMPP-16 an attribute twice", `${OPEN}<a b='1' b='2'/>`, "not-well-formed"],
    [
      "R-XMPP-16 an attribute twice by namespace",
      `${OPEN}<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>`,
      "not-well-formed",
    ],
    ["R-XMPP-16 xmlns bound to something else", `${OPEN}<a xmlns:xml='urn:x'/>`, "not-well-formed"],
    ["R-XMPP-16 an attribute without quotes", `${OPEN}<a b=c/>`, "not-well-formed"],
    ["R-XMPP-16 an attribute without value", `${OPEN}<a b/>`, "not-well-formed"],
    ["R-XMPP-16 < in an attribute", `${OPEN}<a b='<'/>`, "not-well-formed"],
    ["R-XMPP-16 ]]> in text", `${OPEN}<a>]]></a>`, "not-well-formed"],
    ["R-XMPP-16 a lone &", `${OPEN}<a>b & c</a>`, "not-well-formed"],
    ["R-XMPP-16 U+0000", `${OPEN}<a>\0</a>`, "not-well-formed"],
    ["R-XMPP-16 a control character", `${OPEN}<a>\x1b</a>`, "not-well-formed"],
    ["R-XMPP-16 U+FFFE", `${OPEN}<a>\ufffe</a>`, "not-well-formed"],
    ["R-XMPP-16 a reference to U+0000", `${OPEN}<a>&#0;</a>`, "not-well-formed"],
    ["R-XMPP-16 a reference to a surrogate", `${OPEN}<a>&#xD800;</a>`, "not-well-formed"],
    ["R-XMPP-16 a reference out of range", `${OPEN}<a>&#x110000;</a>`, "not-well-formed"],
    ["R-XMPP-16 a name that starts with a digit", `${OPEN}<1a/>`, "not-well-formed"],
    ["R-XMPP-16 text instead of a stream", "GET / HTTP/1.1\r\nA: <b>\r\n", "not-well-formed"],
    ["text between elements", `${OPEN}<a/>hello<b/>`, "bad-format"],
    ["text after the header", `${OPEN}hello<b/>`, "bad-format"],
    ["a second root", `${OPEN}</stream:stream>${OPEN}`, "not-well-formed"],
    ["R-XMPP-17 too much in one element", `${OPEN}<a>${"x".repeat(98_304)}</a>`, "policy-violation"],
    ["R-XMPP-17 too much without an end", `${OPEN}<a>${"x".repeat(200_000)}`, "policy-violation"],
    ["R-XMPP-17 too much in an attribute", `${OPEN}<a b='${"x".repeat(98_304)}'/>`, "policy-violation"],
    ["R-XMPP-17 a header too long", `<stream:stream xmlns='${"x".repeat(98_304)}'>`, "policy-violation"],
    ["R-XMPP-17 too deep", `${OPEN}${"<a>".repeat(33)}`, "policy-violation"],
    ["R-XMPP-17 too many elements", `${OPEN}<a>${"<b/>".repeat(1000)}</a>`, "policy-violation"],
    [
      "R-XMPP-17 too many attributes",
      `${OPEN}<a ${Array.from({ length: 65 }, (_, i) => `b${i}='c'`).join(" ")}/>`,
      "policy-violation",
    ],
    [
      "R-XMPP-17 too many declarations",
      `${OPEN}<a ${Array.from({ length: 65 }, (_, i) => `xmlns:b${i}='c'`).join(" ")}/>`,
      "policy-violation",
    ],
  ];
  for (const [why, xml, condition] of hostile) {
    test(`refuses ${why} with ${condition}`, () => {
      expect(readText(xml).at(-1)).toBe(condition);
    });
  }

  test("R-XMPP-17 takes elements of 10000 octets, 32 levels and 64 attributes", () => {
    const deep = `${"<a>".repeat(32)}${"</a>".repeat(32)}`;
    const wide = `<b ${Array.from({ length: 64 }, (_, i) => `c${i}='d'`).join(" ")}/>`;
    const seen = readText(`${OPEN}<c>${"x".repeat(10_000)}</c>${deep}${wide}`);
    expect(seen.map((each) => (each as string[])[0])).toEqual(["localhost", "c", "a", "b"]);
  });

  const headers: readonly [why: string, xml: string, objection: string][] = [
    [
      "another element",
      "<stream:strom xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
      "bad-format",
    ],
    ["another stream namespace", "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>", "invalid-namespace"],
    ["no stream namespace", "<stream xmlns='jabber:client'>", "invalid-namespace"],
    [
      "another content namespace",
      "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
      "invalid-namespace",
    ],
    ["no content namespace", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", "invalid-namespace"],
  ];
  for (const [why, xml, objection] of headers) {
    test(`objects to a header with ${why}`, () => expect(readText(xml)).toEqual([[undefined, objection]]));
  }

  test("R-XMPP-16 takes a header with another prefix", () => {
    expect(readText(OPEN.replaceAll("stream:", "s:").replace("xmlns:stream", "xmlns:s"))).toEqual([opened]);
  });

  test("R-LIM-04 attributes named like properties of objects stay names", () => {
    const reader = new XMLStreamReader(ltxKit.adapter);
    reader.push(bytes(OPEN.replace("to=", "__proto__='x' constructor='y' to=")));
    const event = reader.next();
    if (event?.type !== "open") throw new Error("no header");
    expect(Object.getPrototypeOf(event.header.attributes)).toBeNull();
    expect(Object.keys(event.header.attributes).sort()).toEqual(["__proto__", "constructor", "to", "version"]);
    expect(readText(`${OPEN}<a __proto__='x' constructor='y'><__proto__/></a>`).at(-1)).toEqual([
      "a",
      "jabber:client",
      {},
      ["__proto__", "jabber:client", {}],
    ]);
  });

  for (const split of [false, true]) {
    test(`R-LIM-06 takes white space before a restarted header for the end of what came before${split ? ", apart" : ""}`, () => {
      const reader = new XMLStreamReader(ltxKit.adapter);
      reader.push(bytes(`${OPEN}<a/>\r\n`));
      expect([reader.next()?.type, reader.next()?.type, reader.next()]).toEqual(["open", "element", undefined]);
      if (!split) reader.push(bytes("\n"));
      reader.restart();
      if (split) {
        reader.push(bytes(" \n"));
        expect(reader.next()).toBeUndefined();
      }
      reader.push(bytes(`<?xml version='1.0'?>${OPEN}<b/>`));
      expect([reader.next()?.type, reader.next()?.type]).toEqual(["open", "element"]);
    });
  }

  test("refuses white space before the first XML declaration", () => {
    expect(readText(`\n<?xml version='1.0'?>${OPEN}`)).toEqual(["not-well-formed"]);
  });

  test("refuses what is no XML at its first octet, without waiting for more", () => {
    expect(read([Uint8Array.of(0x16, 3, 1)])).toEqual(["not-well-formed"]); // TLS
    expect(readText("GET / HTTP/1.1\r\n")).toEqual(["not-well-formed"]);
    expect(readText("<")).toEqual([]);
  });

  test("R-XMPP-11 looks at nothing behind an element before it was reported, and starts anew where it stands", () => {
    const reader = new XMLStreamReader(ltxKit.adapter);
    reader.push(bytes(`${OPEN}<auth/>${OPEN.replace("localhost", "second")}<iq/>`));
    expect(reader.next()?.type).toBe("open");
    expect(reader.next()?.type).toBe("element");
    expect(reader.pending).toBe(true);
    reader.restart();
    const event = reader.next();
    expect(event?.type === "open" && event.header.attributes.to).toBe("second");
    expect(reader.next()?.type).toBe("element");
    expect(reader.pending).toBe(false);
  });

  test("R-XMPP-20 forgets what was left when told so", () => {
    const reader = new XMLStreamReader(ltxKit.adapter);
    reader.push(bytes(`${OPEN}<starttls/><auth>`));
    reader.next();
    reader.next();
    expect(reader.pending).toBe(true);
    reader.discard();
    expect(reader.pending).toBe(false);
    reader.restart();
    reader.push(bytes(OPEN));
    expect(reader.next()?.type).toBe("open");
  });

  test("R-LIM-03 keeps a copy of what waits, not the memory it came in", () => {
    const slab = new Uint8Array(65_536).fill(0x20);
    const reader = new XMLStreamReader(ltxKit.adapter);
    slab.set(bytes("<stre"), 0);
    reader.push(slab.subarray(0, 5));
    expect(reader.next()).toBeUndefined();
    slab.fill(0);
    reader.push(bytes(OPEN.slice(5)));
    expect(reader.next()?.type).toBe("open");
  });

  test("R-LIM-05 any octets end in events or a typed error", () => {
    const fragment = fc.constantFrom(
      "<",
      ">",
      "/>",
      "</a>",
      "<a>",
      "<a",
      " b='",
      "'",
      "&",
      ";",
      "<!",
      "<?",
      "]]>",
      "ü",
      "<![CDATA[",
      " ",
      "x",
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fragment.map(bytes), fc.uint8Array({ maxLength: 4 })), { maxLength: 30 }),
        (pieces) => {
          const whole = read([bytes(OPEN), Uint8Array.from(pieces.flatMap((piece) => [...piece]))]);
          expect(read([bytes(OPEN), ...pieces])).toEqual(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  const shapes: readonly [what: string, xml: string][] = [
    ["text", `<a>${"x".repeat(130_000)}</a>`],
    ["tag ends in text", `<a>${">".repeat(130_000)}</a>`],
    ["ends of empty tags in text", `<a>${"/>".repeat(65_000)}</a>`],
    ["elements", `<a>${"<b/>".repeat(32_000)}</a>`],
    ["pairs of tags", `<a>${"<b></b>".repeat(18_000)}</a>`],
    ["entities", `<a>${"&lt;".repeat(32_000)}</a>`],
    ["an attribute with tag ends", `<a b='${"/>".repeat(65_000)}'/>`],
    ["starts of end tags", `<a>${"</".repeat(65_000)}`],
    ["brackets", `<a>${"]".repeat(130_000)}</a>`],
    ["white space in a tag", `<a ${" ".repeat(130_000)}/>`],
  ];
  for (const [what, xml] of shapes) {
    test(`R-LIM-02 takes time in proportion to what it reads: ${what}`, () => {
      const octets = bytes(xml);
      const time = (size: number, step: number): number => {
        let best = Number.POSITIVE_INFINITY;
        for (let round = 0; round < 3; round++) {
          const part = octets.subarray(0, size);
          const started = performance.now();
          const reader = new XMLStreamReader(ltxKit.adapter);
          reader.push(bytes(OPEN));
          reader.next();
          try {
            for (let at = 0; at < part.length; at += step) {
              reader.push(part.subarray(at, at + step));
              while (reader.next() || reader.busy);
            }
          } catch {
            // what is wrong with it does not matter here
          }
          best = Math.min(best, performance.now() - started);
        }
        return best;
      };
      for (const step of [131_072, 1000]) {
        // Four times as much takes four times as long; a square would take sixteen times, and seconds.
        expect(time(octets.length, step)).toBeLessThan(Math.max(250, 12 * time(octets.length / 4, step)));
      }
    });
  }
});

describe("parseElement", () => {
  for (const kit of kits) {
    test(`reads one element with ${kit.name}`, () => {
      expect(shape(kit, parseElement("<a xmlns='u'>b<c/></a>", kit.adapter))).toEqual([
        "a",
        "u",
        {},
        "b",
        ["c", "u", {}],
      ]);
    });
  }

  const wrong: readonly [why: string, xml: string, condition: StreamCondition][] = [
    ["nothing", "", "not-well-formed"],
    ["two elements", "<a/><b/>", "not-well-formed"],
    ["something behind", "<a/>x", "not-well-formed"],
    ["half an element", "<a>", "not-well-formed"],
    ["R-XMPP-16 a lone surrogate", "<a>\ud800</a>", "not-well-formed"],
    ["R-XMPP-15 a comment", "<!-- a --><a/>", "restricted-xml"],
    ["text", "hello", "not-well-formed"],
    ["an end tag", "</stream>", "not-well-formed"],
  ];
  for (const [why, xml, condition] of wrong) {
    test(`refuses ${why}`, () => {
      expect(() => parseElement(xml, ltxKit.adapter)).toThrow(expect.objectContaining({ condition }));
    });
  }
});
