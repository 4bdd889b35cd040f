/** Sessions that begin or go on with a login: both ends, with the engine between them. */
import { PLAIN, SCRAM } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import { play, wordServer, wordTask } from "../../test/sasl2.js";
import { kits } from "../../test/support.js";
import { bind2 } from "./bind2.js";
import { type BoundSession, bind2Server } from "./bind2-server.js";
import type { ServerInline } from "./contract.js";
import { stableResources } from "./resource.js";
import { beginAs, carbonsServer, clientStateServer, enableCarbons } from "./session-features.js";
import { enableStreamManagement, type Resumable, resume } from "./stream-management.js";
import { resumeServer, streamManagementServer } from "./stream-management-server.js";

const alice = { username: "alice", password: "open sesame" };
const id = "d4565fa7-4d72-4749-b3d3-740edbf87770";
const never = () => {
  throw new Error("nobody asked for this");
};
/** Touches no session: for logins that fail. */
const untouched: readonly ServerInline[] = [
  resumeServer({ resume: never }),
  bind2Server({ resource: never, onBound: never, features: [carbonsServer(never)] }),
];

/** A server's sessions, as an application may keep them. */
class Sessions {
  readonly log: string[] = [];
  readonly #managed = new Map<string, BoundSession>();
  readonly inline: readonly ServerInline[] = [
    resumeServer({
      resume: (account, previd, h) => {
        const session = this.#managed.get(previd);
        if (session?.account !== account) return undefined;
        this.log.push(`resumed from ${h}`);
        return { jid: session.jid, h: 5 };
      },
    }),
    bind2Server({
      resource: stableResources(new Uint8Array(32)),
      onBound: ({ tag, userAgent }) => void this.log.push(`bound ${tag} of ${userAgent.id}`),
      features: [
        carbonsServer(() => void this.log.push("carbons")),
        clientStateServer((_, state) => void this.log.push(state)),
        streamManagementServer({
          enable: (session, { resume }) => {
            const key = `sm-${this.#managed.size + 1}`;
            this.#managed.set(key, session);
            return { id: key, resume, max: 300 };
          },
        }),
      ],
    }),
  ];
}

for (const kit of kits) {
  describe(`a session with ${kit.name}`, () => {
    test("R-SA2-11 R-SA2-07 is bound, resumed, and bound again when it is forgotten, in as many turns as a login has", async () => {
      const sessions = new Sessions();
      let last: Resumable | undefined;
      const resumption = resume(() => last);
      const features = [enableStreamManagement(), enableCarbons(), beginAs("inactive")] as const;
      const binding = bind2({ tag: "Chat", features });
      const login = async () => {
        const { result, said, names, outcomes } = await play(kit, [PLAIN(alice)], {
          client: { userAgent: { id }, inline: [resumption, binding] },
          server: { inline: sessions.inline },
        });
        expect(names).toEqual(["authenticate", "success"]);
        expect(JSON.stringify(said[1])).not.toContain(id);
        return {
          jid: result?.jid,
          resumed: result?.inline.get(resumption),
          bound: result?.inline.get(binding),
          outcome: outcomes[0],
          inside: said[1]?.slice(3).map((child) => (child as readonly unknown[])[0]),
        };
      };

      const first = await login();
      const resource = first.bound?.resource;
      expect(resource).toMatch(/^Chat\/[\w-]{20}$/);
      expect(first).toMatchObject({
        jid: `alice@localhost/${resource}`,
        resumed: undefined,
        bound: {
          jid: `alice@localhost/${resource}`,
          answers: [{ enabled: true, id: "sm-1", resume: true, max: 300 }, true, "inactive"],
        },
        outcome: { ok: true, jid: "alice@localhost", resource },
        inside: ["authorization-identifier", "bound"],
      });

      last = { previd: "sm-1", h: 4_294_967_295 };
      expect(await login()).toMatchObject({
        jid: `alice@localhost/${resource}`,
        resumed: { resumed: true, h: 5, jid: `alice@localhost/${resource}` },
        bound: undefined,
        outcome: { ok: true, resource },
        inside: ["authorization-identifier", "resumed"],
      });

      last = { previd: "sm-0", h: 1 };
      expect(await login()).toMatchObject({
        resumed: { resumed: false, condition: "item-not-found", h: undefined },
        bound: { resource, answers: [{ id: "sm-2" }, true, "inactive"] },
        inside: ["authorization-identifier", "failed", "bound"],
      });
      const bound = [`bound Chat of ${id}`, "carbons", "inactive"];
      expect(sessions.log).toEqual([...bound, "resumed from 4294967295", ...bound]);
    });

    test("nobody resumes the session of somebody else", async () => {
      const sessions = new Sessions();
      const binding = bind2({ features: [enableStreamManagement()] });
      await play(kit, [PLAIN(alice)], { client: { inline: [binding] }, server: { inline: sessions.inline } });
      const resumption = resume({ previd: "sm-1", h: 0 });
      const { result } = await play(kit, [PLAIN({ username: "bob", password: "pässwörd" })], {
        from: "bob@localhost",
        client: { inline: [resumption, binding] },
        server: { inline: sessions.inline },
      });
      expect(result?.inline.get(resumption)).toMatchObject({ resumed: false, condition: "item-not-found" });
      expect(result?.inline.get(binding)?.jid).toMatch(/^bob@localhost\//);
    });

    const client = { inline: [resume({ previd: "sm-1", h: 0 }), bind2({ features: [enableCarbons()] })] };
    test("R-SA2-13 a wrong password touches no session", async () => {
      for (const make of [PLAIN, SCRAM]) {
        const mechanisms = [make({ ...alice, password: "wrong" })];
        const { error, names } = await play(kit, mechanisms, { client, server: { inline: untouched } });
        expect(error).toMatchObject({ code: "refused" });
        expect(names.at(-1)).toBe("failure");
      }
    });

    test("R-SA2-14 a task that fails touches no session", async () => {
      const { error } = await play(kit, [PLAIN(alice)], {
        client: { ...client, tasks: [wordTask("abx")] },
        server: { inline: untouched, tasks: [wordServer("abc")] },
      });
      expect(error).toMatchObject({ code: "refused" });
    });

    test("R-SA2-14 a session is bound after the tasks", async () => {
      const sessions = new Sessions();
      const { result, names } = await play(kit, [SCRAM(alice)], {
        client: { ...client, tasks: [wordTask("ab")] },
        server: { inline: sessions.inline, tasks: [wordServer("ab")] },
      });
      expect(names.at(-1)).toBe("success");
      expect(result?.jid).toMatch(/^alice@localhost\/[\w-]{20}$/);
      expect(sessions.log).toEqual(["bound undefined of undefined", "carbons"]);
    });

    const BIND = /<bind .*<\/bind>/s;
    const requests: readonly [why: string, forge: (xml: string) => string][] = [
      ["bind twice", (xml) => xml.replace(BIND, "$&$&")],
      ["resume twice", (xml) => xml.replace(/<resume [^>]*\/>/, "$&$&")],
      ["two tags", (xml) => xml.replace(/<enable/, "<tag>a</tag><tag>b</tag>$&")],
      ["a tag too long", (xml) => xml.replace(/<enable/, `<tag>${"a".repeat(257)}</tag>$&`)],
      ["carbons twice", (xml) => xml.replace(/<enable [^>]*\/>/, "$&$&")],
    ];
    for (const [why, forge] of requests) {
      test(`R-SA2-13 ${why}: malformed-request, and no mechanism begins`, async () => {
        const forged: string[] = [];
        const { error, names, events } = await play(kit, [SCRAM(alice)], {
          client,
          server: { inline: untouched },
          forgeRequest(xml) {
            const changed = forge(xml);
            if (changed !== xml) forged.push(changed);
            return changed;
          },
        });
        expect(forged).toHaveLength(1);
        expect(names).toEqual(["authenticate", "failure"]);
        expect(error).toMatchObject({ opaqueError: { condition: "malformed-request" } });
        expect(events).toMatchObject([{ ok: false, code: "malformed-message" }]);
      });
    }

    const forgeries: readonly [why: string, forge: (xml: string) => string, code: string][] = [
      ["R-SA2-12 somebody else's JID", (xml) => xml.replace("alice@localhost/", "eve@localhost/"), "peer-not-verified"],
      ["R-SA2-12 a bare JID", (xml) => xml.replace(/(alice@localhost)\/[^<]*/, "$1"), "malformed-message"],
      ["a second answer", (xml) => xml.replace(/<bound[^>]*\/>|<bound.*<\/bound>/s, "$&$&"), "malformed-message"],
      [
        "another session, resumed",
        (xml) => xml.replace(/<failed.*<\/failed>/s, "<resumed xmlns='urn:xmpp:sm:3' previd='sm-2' h='0'/>"),
        "unexpected-message",
      ],
    ];
    for (const [why, forge, code] of forgeries) {
      test(`the client refuses ${why}`, async () => {
        const { error } = await play(kit, [PLAIN(alice)], { client, server: { inline: new Sessions().inline }, forge });
        expect(error).toMatchObject({ code });
      });
    }
  });
}
