import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Folder, sasl } from "./support.js";

const folder = new Folder();
afterAll(() => folder.remove());

const mechanism = `{ name: "X-ROT13", flow: "client-first", security: ["noAnonymous"], maxSsf: 56, source: "private",
  async *client() {}, async *server() {} }`;

const good = folder.file(
  "good.mjs",
  `import { writeFileSync } from "node:fs";
  export const saslPlugin = ({ apiVersions }) => ({
    apiVersion: apiVersions.at(-1),
    mechanisms: [${mechanism}],
    canonicalizers: [{ name: "upper", canonicalize: (name) => name.toUpperCase() }],
    stores: [{ name: "test", schemes: ["test", "test+tls"], open() {} }],
    dispose: () => writeFileSync(new URL("disposed", import.meta.url), "once", { flag: "a" }),
  });`,
);

const one = (field: string) => `export const saslPlugin = { apiVersion: 1, ${field} };`;
const bad: readonly [why: string, source: string, text: RegExp][] = [
  ["exports no plug-in", "export const x = 1;", /it exports no saslPlugin/],
  ["does not parse", "export const = 1;", /cannot be imported/],
  ["throws", "throw new Error('no\\nway');", /cannot be imported: no way/],
  ["refuses", "export const saslPlugin = () => { throw new Error('no licence'); };", /failed: no licence/],
  [
    "is for another version",
    "export const saslPlugin = { apiVersion: 99 };",
    /apiVersion is 99; this host understands 1/,
  ],
  [
    "has a mechanism without a flow",
    one('mechanisms: [{ name: "X", security: [], source: "x", client() {} }]'),
    /mechanisms\[0\]\.flow is missing; expected "client-first", "server-first" or "either"/,
  ],
  [
    "has a mechanism with a bad name",
    one('mechanisms: [{ name: "x y" }]'),
    /mechanisms\[0\]\.name is "x y"; expected 1 to 20 characters/,
  ],
  [
    "has a mechanism without halves",
    one('mechanisms: [{ name: "X", flow: "either", security: [], source: "x" }]'),
    /neither a client nor/,
  ],
  [
    "does not let go",
    one('canonicalizers: [{ name: "x", canonicalize() {} }], dispose() { throw new Error("stuck"); }'),
    /it did not let go: stuck/,
  ],
  ["has a broken store", one('stores: [{ name: "x", schemes: "x" }]'), /stores\[0\]\.schemes is "x"; expected a list/],
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

  test("what plug-ins bring, and each is let go of", async () => {
    const { json } = await sasl(["mechanisms", "--json", "--plugin", good]);
    const found = json.mechanisms.filter(({ name }: { name: string }) => name === "X-ROT13");
    expect(found).toMatchObject([{ client: true, server: true, maxSsf: 56, plugin: good }]);
    expect(json.plugins).toEqual([
      { module: good, mechanisms: ["X-ROT13"], canonicalizers: ["upper"], stores: ["test", "test+tls"] },
    ]);
    const { stdout } = await sasl(["mechanisms", "--plugin", good]);
    expect(stdout).toContain(`private (plug-in ${good})`);
    expect(stdout).toContain(`plug-in ${good}: canonicalisers upper\nplug-in ${good}: stores test:, test+tls:\n`);
    expect(readFileSync(join(dirname(good), "disposed"), "utf8")).toBe("onceonce");
  });

  test("a plug-in's mechanism takes the place of the one that is built in", async () => {
    const other = folder.file("plain.mjs", one(`mechanisms: [${mechanism.replace("X-ROT13", "PLAIN")}]`));
    const { json } = await sasl(["mechanisms", "--json", "--plugin", other]);
    const found = json.mechanisms.filter(({ name }: { name: string }) => name === "PLAIN");
    expect(found).toMatchObject([{ source: "private", plugin: other }]);
  });

  test("two plug-ins of one mechanism", async () => {
    const { code, stderr } = await sasl([
      "mechanisms",
      "--plugin",
      good,
      "--plugin",
      folder.file("copy.mjs", `export * from "./good.mjs";`),
    ]);
    expect(stderr).toContain(`mechanisms[0].name is "X-ROT13", which is also in ${good}`);
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
