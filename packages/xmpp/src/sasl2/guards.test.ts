/** What goes round SASL2: another profile, a feature of its own, names that are no accounts. */
import { channelBinding, memoryAccounts, type SASLErrorCode, type SASLFailure } from "sasl-core";
import { hashedTokens, htSha256, PLAIN, plain, SCRAM, SCRAMPLUS } from "sasl-core/mechanisms";
import { fastServer } from "sasl-xmpp";
import { describe, expect, test, vi } from "vitest";
import { note, noteServer, play, wordServer, wordTask } from "../../test/sasl2.js";
import { kits } from "../../test/support.js";

const alice = { username: "alice", password: "open sesame" };

describe.each(kits)("with $name", (kit) => {
  test("R-FAST-06 R-FAST-01 a token mechanism that FAST does not offer is in no list", async () => {
    const accounts = memoryAccounts({ alice: alice.password });
    const tokens = hashedTokens({ accounts, hashes: [htSha256] });
    const { features, stream } = await play(kit, [PLAIN(alice)], {
      sasl: { accounts, mechanisms: [plain, ...tokens.mechanisms] },
      server: { inline: [fastServer({ tokens, mechanisms: ["HT-SHA-256-EXPR"] })] },
    });
    expect(kit.serialize(features)).not.toContain("HT-SHA-256-NONE");
    expect(stream.reserves("HT-SHA-256-NONE")).toBe(true);
  });

  test("R-FAST-11 no task is due after a mechanism that a feature alone offers", async () => {
    const inline = [{ ...noteServer(), mechanisms: () => ["PLAIN"] }];
    const client = {
      inline: [{ ...note, before: () => ({ mechanisms: [PLAIN(alice)], offered: ["PLAIN"] }) }],
      tasks: [wordTask("a")],
    };
    const { result } = await play(kit, [], { client, server: { inline, tasks: [wordServer("a")] } });
    expect(result).toMatchObject({ mechanism: "PLAIN", tasks: [] });
    const usual = await play(kit, [SCRAM(alice)], {
      client: { tasks: [wordTask("a")] },
      server: { inline, tasks: [wordServer("a")] },
    });
    expect(usual.result).toMatchObject({ mechanism: "SCRAM-SHA-256", tasks: ["WORD"] });
  });

  const said: readonly [condition: string, follows: boolean, code: SASLErrorCode][] = [
    ["aborted", true, "aborted"],
    ["account-disabled", true, "account-disabled"],
    ["credentials-expired", true, "credentials-expired"],
    ["encryption-required", true, "channel-not-protected"],
    ["incorrect-encoding", true, "incorrect-encoding"],
    ["invalid-authzid", true, "authorization-refused"],
    ["invalid-mechanism", true, "mechanism-unsupported"],
    ["malformed-request", true, "malformed-message"],
    ["mechanism-too-weak", true, "mechanism-too-weak"],
    ["not-authorized", true, "refused"],
    ["nobody-defined-this", true, "refused"],
    ["temporary-auth-failure", false, "temporary"],
  ];
  test.each(said)(
    "R-FAST-13 what a feature brought is refused with %s: the usual follows %s",
    async (condition, follows, code) => {
      const refused = vi.fn();
      const before = () => ({ mechanisms: [PLAIN({ ...alice, password: "wrong" })], offered: ["PLAIN"] });
      const { result, error } = await play(kit, [SCRAM(alice)], {
        client: { inline: [{ ...note, before, refused }] },
        forge: (xml) => xml.replace("not-authorized", condition),
      });
      if (follows) expect(result?.mechanism).toBe("SCRAM-SHA-256");
      else expect(error).toMatchObject({ code });
      expect(refused.mock.calls).toEqual(follows ? [[expect.objectContaining({ code }), "alice@localhost"]] : []);
    },
  );

  const forged = [
    "<continue xmlns='urn:xmpp:sasl:2'/>",
    "<success xmlns='urn:xmpp:sasl:2'><additional-data>=</additional-data></success>",
  ];
  test.each(forged)("R-SA2-17 nothing follows %s", async (element) => {
    const before = () => ({ mechanisms: [PLAIN({ ...alice, password: "wrong" })], offered: ["PLAIN"] });
    const refused = vi.fn();
    const { result, error, names } = await play(kit, [SCRAM(alice)], {
      client: { inline: [{ ...note, before, refused }] },
      forge: () => element,
    });
    expect([result, (error as SASLFailure).kind]).toEqual([undefined, "SASLFailure"]);
    expect(names.filter((name) => name === "authenticate")).toHaveLength(1);
    expect(refused).not.toHaveBeenCalled();
  });

  test("R-CBT-02 -PLUS without types is somebody in between: nothing is sent", async () => {
    const binding = channelBinding({ "tls-exporter": Uint8Array.of(1, 2, 3) });
    const withheld = { binding, options: { serverBindingTypes: [] } };
    const { error, names } = await play(kit, [SCRAM(alice), SCRAMPLUS(alice)], withheld);
    expect(error).toMatchObject({ code: "peer-not-verified" });
    expect(names).toEqual([]);
    const options = { ...withheld.options, policy: { channelBinding: "disable" } as const };
    expect((await play(kit, [SCRAM(alice)], { binding, options })).result?.mechanism).toBe("SCRAM-SHA-256");
  });

  test("R-UPGR-02 an upgrade where none is announced fails before the mechanism", async () => {
    const upgrade = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade></authenticate>";
    const { error, names } = await play(kit, [PLAIN(alice)], {
      forgeRequest: (xml) => xml.replace("</authenticate>", upgrade),
    });
    expect(error).toMatchObject({ code: "malformed-message" });
    expect(names).toEqual(["authenticate", "failure"]);
  });
});
