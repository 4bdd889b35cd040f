/** What a stream is told to expect behind the success of SASL2: features, or not even these. */
import { PLAIN } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { kits, rejection, scripted } from "../../test/support.js";
import { authenticate, type ClientInline, resume, sasl2 } from "../index.js";

const FEATURES =
  "<features xmlns='http://etherx.jabber.org/streams'><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>" +
  "<inline><sm xmlns='urn:xmpp:sm:3'/></inline></authentication></features>";
const success = (inside: string): string =>
  `<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@localhost</authorization-identifier>${inside}</success>`;
const RESUMED = "<resumed xmlns='urn:xmpp:sm:3' previd='first' h='0'/>";

for (const kit of kits) {
  /** Logs in against this success. @returns what the stream was told. */
  const login = async (answer: string, inline: readonly ClientInline[]) => {
    const told: unknown[] = [];
    const transport = {
      ...scripted(kit, [answer]),
      from: "alice@localhost",
      proceed: (how: unknown) => told.push(how),
    };
    const profile = sasl2({ inline });
    const credentials = PLAIN({ username: "alice", password: "open sesame" });
    const done = authenticate(transport, kit.parse(FEATURES), [credentials], { sasl2: profile });
    return { told, done };
  };

  describe(`XEP-0198 §9.2 behind the success, with ${kit.name}`, () => {
    const wanted = [resume({ previd: "first", h: 0 })];
    const rows: readonly [why: string, inside: string, resumed: boolean, inline?: readonly ClientInline[]][] = [
      ["nothing", "", false],
      ["a session that was resumed", RESUMED, true],
      ["one resumed by a feature of the program's own", RESUMED, true, []],
      ["one that was not", "<failed xmlns='urn:xmpp:sm:3'/>", false],
      ["another namespace", RESUMED.replace("sm:3", "sm:2"), false, []],
      ["an element further in", `<bound xmlns='urn:xmpp:bind:0'>${RESUMED}</bound>`, false, []],
    ];
    for (const [why, inside, resumed, inline = wanted] of rows) {
      test(`${why}: ${resumed ? "no features" : "features"} follow`, async () => {
        const { told, done } = await login(success(inside), inline);
        expect(await done).toMatchObject({ profile: "sasl2", jid: "alice@localhost" });
        expect(told).toEqual([{ resumed }]);
      });
    }

    const bad: readonly [why: string, inside: string, code: string][] = [
      ["both", `${RESUMED}<failed xmlns='urn:xmpp:sm:3'/>`, "malformed-message"],
      ["two of them", RESUMED + RESUMED, "malformed-message"],
      ["somebody else's session", RESUMED.replace("first", "second"), "unexpected-message"],
    ];
    for (const [why, inside, code] of bad) {
      test(`${why}: ${code}, and the stream is told nothing`, async () => {
        const { told, done } = await login(success(inside), wanted);
        expect(await rejection(done)).toMatchObject({ code });
        expect(told).toEqual([]);
      });
    }
  });
}
