import { describe, expect, test } from "vitest";
import { parseTarget } from "../url.js";
import { placesOf, type SrvLookup } from "./places.js";

const asked: string[] = [];
const found: SrvLookup = async (name) => {
  asked.push(name);
  return [
    { name: "second.example", port: 5333, priority: 20, weight: 0 },
    { name: "first.example", port: 5223, priority: 10, weight: 5 },
  ];
};
const first = { host: "first.example", port: 5223 };
const second = { host: "second.example", port: 5333 };

describe("where an XMPP server is", () => {
  test("as DNS says, lower priorities first", async () => {
    expect(await placesOf(parseTarget("xmpp://chat.example"), "chat.example", found)).toEqual([first, second]);
    expect(await placesOf(parseTarget("xmpps://chat.example"), "chat.example", found)).toEqual([first, second]);
    expect(asked).toEqual(["_xmpp-client._tcp.chat.example", "_xmpps-client._tcp.chat.example"]);
  });

  const asIs: readonly [why: string, url: string, domain: string][] = [
    ["a port in the URL", "xmpp://chat.example:5222", "chat.example"],
    ["an address", "xmpp://192.0.2.1", "192.0.2.1"],
    ["an IPv6 address", "xmpp://[2001:db8::1]", "2001:db8::1"],
    ["localhost", "xmpp://localhost", "localhost"],
    ["a host chosen on purpose", "xmpp://host.example", "chat.example"],
    ["another protocol", "imap://mail.example", "mail.example"],
  ];
  for (const [why, url, domain] of asIs) {
    test(`as the URL says: ${why}`, async () => {
      const target = parseTarget(url);
      expect(await placesOf(target, domain, found)).toEqual([{ host: target.host, port: target.port }]);
    });
  }

  test("the domain itself where DNS knows nothing, or says that there is nothing", async () => {
    const target = parseTarget("xmpp://chat.example");
    const failing: SrvLookup = () => Promise.reject(new Error("ENOTFOUND"));
    const none: SrvLookup = async () => [{ name: "", port: 0, priority: 0, weight: 0 }];
    for (const lookup of [failing, none, async () => []]) {
      expect(await placesOf(target, "chat.example", lookup)).toEqual([{ host: "chat.example", port: 5222 }]);
    }
  });

  test("not endlessly many", async () => {
    const many: SrvLookup = async () =>
      Array.from({ length: 100 }, (_, i) => ({ name: `h${i}.example`, port: 1, priority: i, weight: 0 }));
    expect(await placesOf(parseTarget("xmpp://chat.example"), "chat.example", many)).toHaveLength(8);
  });
});
