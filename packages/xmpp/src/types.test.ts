import * as xmldom from "@xmldom/xmldom";
import type { Element as LtxElement } from "ltx";
import { Element as LtxElementClass } from "ltx";
import { expect, test } from "vitest";
import { WebSocket as WS } from "ws";
import { domAdapter, ltxAdapter, type XMLAdapter } from "./index.js";
import { domCodec, websocketStream } from "./websocket.js";

test("the types of browsers, @xmldom/xmldom, ltx and ws fit without casts", () => {
  // Compiled, never run: there is no document here.
  const compiles = () => {
    const own: XMLAdapter<Element> = domAdapter(document);
    const empty = new xmldom.DOMImplementation().createDocument(null, "");
    const theirs: XMLAdapter<xmldom.Element> = domAdapter(empty);
    const ltx: XMLAdapter<LtxElement> = ltxAdapter(LtxElementClass);
    const browser = domCodec(new DOMParser(), new XMLSerializer(), document);
    const node = domCodec(new xmldom.DOMParser(), new xmldom.XMLSerializer(), empty);
    const first = websocketStream(new WebSocket("wss://localhost", "xmpp"), browser, { domain: "localhost" });
    const second = websocketStream(new WS("wss://localhost", "xmpp"), node, { domain: "localhost" });
    const features: [Promise<Element>, Promise<xmldom.Element>] = [first.open(), second.open()];
    return { own, theirs, ltx, features };
  };
  expect(compiles).toBeTypeOf("function");
});
