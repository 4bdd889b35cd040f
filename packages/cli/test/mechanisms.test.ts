import { afterAll, describe, expect, test } from "vitest";
import { Folder, sasl } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());

const good = folder.file(
  "good.mjs",
  `const mechanism = { name: "X-ROT13", flow: "client-first", security: ["noAnonymous"], maxSsf: 56, source: "private",
    async *client() {}, async *server() {} };
  export const rot13 = mechanism; export const again = mechanism; export const other = 1; export default mechanism;`,
);

const bad: readonly [why: string, source: string, text: RegExp][] = [
  ["exports no mechanism", "export const x = 1;", /exports no mechanism/],
  ["does not parse", "export const = 1;", /cannot be imported/],
  ["throws", "throw new Error('no\\nway');", /cannot be imported: no way/],
  [
    "has a mechanism without a flow",
    'export const x = { name: "X", security: [], source: "x", client() {} };',
    /flow is none of/,
  ],
  ["has a mechanism with a bad name", 'export const x = { name: "x y", flow: "either" };', /name is no mechanism name/],
  [
    "has a mechanism without halves",
    'export const x = { name: "X", flow: "either", security: [], source: "x" };',
    /neither a client nor/,
  ],
];

describe("sasl mechanisms", () => {
  test("every field of the JSON object, for all that is built in", async () => {
    const { code, json } = await sasl(["mechanisms", "--json"]);
    expect(json.mechanisms).toContainEqual({
      name: "SCRAM-SHA-256-PLUS",
      client: true,
      server: true,
      flow: "client-first",
      strength: "bound",
      flags: expect.arrayContaining(["mutualAuth", "noPlaintext"]),
      channelBinding: true,
      needsProtection: false,
      obsolete: false,
      maxSsf: 0,
      source: expect.stringContaining("RFC 7677"),
      plugin: null,
    });
    const names = json.mechanisms.map(({ name }: { name: string }) => name);
    for (const hash of ["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", "SHA3-512"]) {
      expect(names).toEqual(expect.arrayContaining([`SCRAM-${hash}`, `SCRAM-${hash}-PLUS`]));
    }
    const others = ["PLAIN", "LOGIN", "ANONYMOUS", "EXTERNAL", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"];
    expect(names).toEqual(expect.arrayContaining(others));
    expect(code).toBe(0);
  });

  test("a table for people", async () => {
    const { stdout } = await sasl(["mechanisms"]);
    expect(stdout).toMatch(/mechanism +halves +flow +strength +flags +max SSF +specification/);
    expect(stdout).toMatch(/\n ?CRAM-MD5 +both +server-first +challenge .*only when named/);
    expect(stdout).not.toContain("\u001b");
  });

  test("mechanisms of plug-ins, each once", async () => {
    const { json } = await sasl(["mechanisms", "--json", "--plugin", good]);
    const found = json.mechanisms.filter(({ name }: { name: string }) => name === "X-ROT13");
    expect(found).toMatchObject([{ client: true, server: true, maxSsf: 56, plugin: good }]);
    expect((await sasl(["mechanisms", "--plugin", good])).stdout).toContain(`private (plug-in ${good})`);
  });

  test("two plug-ins of one mechanism", async () => {
    const { code, stderr } = await sasl([
      "mechanisms",
      "--plugin",
      good,
      "--plugin",
      folder.file("copy.mjs", `export * from "./good.mjs";`),
    ]);
    expect(stderr).toContain("is also in the plug-in");
    expect(code).toBe(64);
  });

  for (const [why, source, text] of bad) {
    test(`a plug-in that ${why}: exit 64`, async () => {
      const { code, stderr } = await sasl([
        "mechanisms",
        "--plugin",
        folder.file(`${why.replaceAll(" ", "-")}.mjs`, source),
      ]);
      expect(stderr).toMatch(text);
      expect(stderr).toMatch(/^sasl mechanisms: plug-in [^\n]*\n$/);
      expect(code).toBe(64);
    });
  }
});
