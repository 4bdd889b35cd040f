import { describe, expect, test } from "vitest";
import { defineMechanism, type Mechanism } from "./mechanism.js";
import { plain, scramSha256 } from "./mechanisms/index.js";
import { memoryAccounts } from "./memory-accounts.js";
import type { Plugin, PluginHost } from "./plugin-set.js";
import { isMechanism, isPluginError, type PluginError, type PluginErrorCode, readPlugins } from "./read-plugins.js";

const trim = { name: "trim", canonicalize: (name: string) => name.trim() };
const store = { name: "memory", schemes: ["memory", "test+mem"], open: () => memoryAccounts() };
const whole: Plugin = { apiVersion: 1, mechanisms: [plain], canonicalizers: [trim], stores: [store] };

const from = (saslPlugin: unknown, module = "x") => ({ module, load: () => ({ saslPlugin }) });
const throwing = (name: string, base: object = {}) =>
  Object.defineProperty({ ...base }, name, {
    get() {
      throw new Error("no way");
    },
  });

async function failure(promise: Promise<unknown>): Promise<PluginError> {
  const error: unknown = await promise.then(
    () => new Error("nothing failed"),
    (thrown: unknown) => thrown,
  );
  if (!isPluginError(error)) throw error;
  return error;
}

describe("readPlugins", () => {
  test("gives what the modules bring, in order, and says where it came from", async () => {
    let told: PluginHost | undefined;
    const made = async (host: PluginHost) => {
      told = host;
      return { apiVersion: 1, mechanisms: [scramSha256] };
    };
    const loaded = await readPlugins([from(whole, "a"), from(made, "b")]);
    expect(told).toEqual({ apiVersions: [1] });
    expect(Object.isFrozen(told)).toBe(true);
    expect(loaded.mechanisms).toEqual([plain, scramSha256]);
    expect(loaded.canonicalizers).toEqual([trim]);
    expect(loaded.stores).toEqual([store]);
    expect(loaded.plugins.map(({ module, mechanisms }) => [module, mechanisms.length])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
    expect([plain, trim, store, scramSha256].map((part) => loaded.origin(part))).toEqual(["a", "a", "a", "b"]);
    expect(loaded.origin({ ...plain })).toBeUndefined();
  });

  test("a list that a plug-in changes later changes nothing", async () => {
    const mechanisms = [plain];
    const loaded = await readPlugins([from({ apiVersion: 1, mechanisms })]);
    mechanisms.push(scramSha256);
    expect(loaded.mechanisms).toEqual([plain]);
  });

  const good = (change: Partial<Record<keyof Mechanism, unknown>>) => ({
    apiVersion: 1,
    mechanisms: [{ ...plain, ...change }],
  });
  const rows: readonly (readonly [why: string, saslPlugin: unknown, code: PluginErrorCode, message: string])[] = [
    ["exports nothing", undefined, "no-plugin", "x: it exports no saslPlugin"],
    ["is null", null, "broken-shape", "x: saslPlugin is null; expected an object"],
    ["is text", "plugin", "broken-shape", 'x: saslPlugin is "plugin"; expected an object'],
    ["is a promise", Promise.resolve(whole), "broken-shape", "x: apiVersion is missing; expected a version of the plug-in contract, such as 1"],
    ["gives nothing", () => undefined, "broken-shape", "x: saslPlugin is missing; expected an object"],
    ["brings nothing", { apiVersion: 1 }, "broken-shape", "x: saslPlugin brings nothing; expected mechanisms, canonicalizers or stores"],
    ["has a later version", { ...whole, apiVersion: 2, mechanisms: "else" }, "wrong-version", "x: apiVersion is 2; this host understands 1"],
    ["has an earlier version", () => ({ ...whole, apiVersion: 0 }), "wrong-version", "x: apiVersion is 0; this host understands 1"],
    ["has a version in text", { ...whole, apiVersion: "1" }, "broken-shape", 'x: apiVersion is "1"; expected a version of the plug-in contract, such as 1'],
    ["throws", () => { throw new Error("no licence"); }, "refused", "x: its saslPlugin failed: no licence"],
    ["rejects", () => Promise.reject(new Error("later")), "refused", "x: its saslPlugin failed: later"],
    ["throws what is no error", () => Promise.reject("text"), "refused", "x: its saslPlugin failed: something that is no error was thrown"],
    ["never answers", () => new Promise(() => {}), "refused", "x: its saslPlugin failed: 20 ms are over"],
    ["has a getter that throws", throwing("mechanisms", { apiVersion: 1 }), "broken-shape", "x: mechanisms cannot be read: something threw"],
    ["has a version that throws", throwing("apiVersion"), "broken-shape", "x: apiVersion cannot be read: something threw"],
    ["is a revoked proxy", revoked(), "broken-shape", "x: apiVersion cannot be read: something threw"],
    ["has a proxy for a list", { apiVersion: 1, mechanisms: revoked() }, "broken-shape", "x: mechanisms cannot be read: something threw"],
    ["has a mechanism with a getter that throws", { apiVersion: 1, mechanisms: [plain, throwing("flow", plain)] }, "broken-shape", "x: mechanisms[1].flow cannot be read: something threw"],
    ["has mechanisms that are no list", { apiVersion: 1, mechanisms: plain }, "broken-shape", "x: mechanisms is an object; expected a list"],
    ["has a hole in the list", { apiVersion: 1, mechanisms: [plain, undefined] }, "broken-shape", "x: mechanisms[1] is missing; expected an object"],
    ["misspells a flow", good({ flow: "clientfirst" }), "broken-shape", 'x: mechanisms[0].flow is "clientfirst"; expected "client-first", "server-first" or "either"'],
    ["has an inherited name for a flow", good({ flow: "toString" }), "broken-shape", 'x: mechanisms[0].flow is "toString"; expected "client-first", "server-first" or "either"'],
    ["has a name in small letters", good({ name: "plain" }), "broken-shape", 'x: mechanisms[0].name is "plain"; expected 1 to 20 characters of A-Z, 0-9, - and _'],
    ["has a long name", good({ name: "A".repeat(60) }), "broken-shape", `x: mechanisms[0].name is "${"A".repeat(40)}…"; expected 1 to 20 characters of A-Z, 0-9, - and _`],
    ["has a name that only looks like one", good({ name: ["PLAIN"] }), "broken-shape", 'x: mechanisms[0].name is ["PLAIN"]; expected 1 to 20 characters of A-Z, 0-9, - and _'],
    ["has no source", good({ source: "" }), "broken-shape", 'x: mechanisms[0].source is ""; expected a text of at least 1 character'],
    ["has one flag for a list", good({ security: "mutualAuth" }), "broken-shape", 'x: mechanisms[0].security is "mutualAuth"; expected a list of "noPlaintext", "noAnonymous", "noActive", "noDictionary", "forwardSecrecy", "mutualAuth" or "passCredentials"'],
    ["has an unknown flag", good({ security: ["mutual"] }), "broken-shape", 'x: mechanisms[0].security is ["mutual"]; expected a list of "noPlaintext", "noAnonymous", "noActive", "noDictionary", "forwardSecrecy", "mutualAuth" or "passCredentials"'],
    ["has no half", good({ client: undefined, server: undefined }), "broken-shape", "x: mechanisms[0] has neither a client nor a server half; expected at least one"],
    ["has a half that is none", good({ client: {} }), "broken-shape", "x: mechanisms[0].client is an object; expected a function"],
    ["has a fraction of strength", good({ maxSsf: 0.5 }), "broken-shape", "x: mechanisms[0].maxSsf is 0.5; expected a whole number from 0"],
    ["has a rank that is no number", good({ rank: Number.NaN }), "broken-shape", "x: mechanisms[0].rank is NaN; expected a finite number"],
    ["needs what nobody has", good({ needs: "pin" }), "broken-shape", 'x: mechanisms[0].needs is "pin"; expected "password", "scram", "token", "trace" or "identity", or what credentialNeed() makes'],
    ["has a yes for true", good({ needsProtection: "yes" }), "broken-shape", 'x: mechanisms[0].needsProtection is "yes"; expected true or false'],
    ["has a text for a pattern", good({ secrets: "p=" }), "broken-shape", 'x: mechanisms[0].secrets is "p="; expected a regular expression'],
    ["has a property without a name", good({ properties: ["userPassword", ""] }), "broken-shape", 'x: mechanisms[0].properties is ["userPassword",""]; expected a list of names of properties'],
    ["says availability instead of finding out", good({ available: true }), "broken-shape", "x: mechanisms[0].available is true; expected a function"],
    ["cannot set a password", good({ setPassword: null }), "broken-shape", "x: mechanisms[0].setPassword is null; expected a function"],
    ["has a canonicaliser without a name", { apiVersion: 1, canonicalizers: [{ canonicalize: trim.canonicalize }] }, "broken-shape", "x: canonicalizers[0].name is missing; expected a text of at least 1 character"],
    ["has a canonicaliser that is a function", { apiVersion: 1, canonicalizers: [trim.canonicalize] }, "broken-shape", "x: canonicalizers[0] is a function; expected an object"],
    ["has a canonicaliser for both sides", { apiVersion: 1, canonicalizers: [{ ...trim, side: "both" }] }, "broken-shape", 'x: canonicalizers[0].side is "both"; expected "client" or "server"'],
    ["has a store without schemes", { apiVersion: 1, stores: [{ ...store, schemes: [] }] }, "broken-shape", "x: stores[0].schemes is a list of 0; expected a list of at least 1 URL scheme, in lower case and without the colon"],
    ["has a store with a colon", { apiVersion: 1, stores: [{ ...store, schemes: ["sql:"] }] }, "broken-shape", 'x: stores[0].schemes is ["sql:"]; expected a list of at least 1 URL scheme, in lower case and without the colon'],
    ["has a store that opens nothing", { apiVersion: 1, stores: [{ ...store, open: memoryAccounts() }] }, "broken-shape", "x: stores[0].open is an object; expected a function"],
    ["has a dispose that is none", { ...whole, dispose: true }, "broken-shape", "x: dispose is true; expected a function"],
    ["has a mechanism twice", { apiVersion: 1, mechanisms: [plain, { ...plain }] }, "name-clash", 'x: mechanisms[1].name is "PLAIN", which it has twice'],
  ]; // biome-ignore format: a table

  test.each(rows)("refuses a plug-in that %s", async (_, saslPlugin, code, message) => {
    const error = await failure(readPlugins([from(saslPlugin)], { timeoutMs: 20 }));
    expect({ code: error.code, message: error.message }).toEqual({ code, message });
    expect(error.module).toBe("x");
    expect(error.path === undefined || message.startsWith(`x: ${error.path} `)).toBe(true);
  });

  const clashes: readonly (readonly [second: Plugin, message: string])[] = [
    [{ apiVersion: 1, mechanisms: [scramSha256, plain] }, 'b: mechanisms[1].name is "PLAIN", which is also in a'],
    [{ apiVersion: 1, canonicalizers: [{ ...trim }] }, 'b: canonicalizers[0].name is "trim", which is also in a'],
    [
      { apiVersion: 1, stores: [{ ...store, name: "other", schemes: ["other", "memory"] }] },
      'b: stores[0].schemes[1] is "memory", which is also in a',
    ],
  ];
  test.each(clashes)("refuses two plug-ins of one name: %#", async (second, message) => {
    const error = await failure(readPlugins([from(whole, "a"), from(second, "b")]));
    expect(error).toMatchObject({ code: "name-clash", module: "b", message });
  });

  test("an import that fails, and one that never ends", async () => {
    const failing = { module: "y", load: () => Promise.reject(new Error("no\nsuch syntax")) };
    expect(await failure(readPlugins([failing]))).toMatchObject({ code: "import-failed", module: "y" });
    const endless = { module: "z", load: () => new Promise<object>(() => {}) };
    const error = await failure(readPlugins([endless], { timeoutMs: 10 }));
    expect(error).toMatchObject({ code: "import-failed", message: "z: it cannot be imported: 10 ms are over" });
  });

  test("exports that cannot be read", async () => {
    const error = await failure(readPlugins([{ module: "x", load: () => throwing("saslPlugin") }]));
    expect(error).toMatchObject({ code: "broken-shape", path: "saslPlugin" });
  });
});

/** A plug-in that says when it is let go of. */
function disposable(name: string, said: string[], change: Partial<Plugin> = {}): Plugin {
  const mechanism = defineMechanism({
    ...plain,
    name: name.toUpperCase(),
    dispose: () => void said.push(`${name}'s mechanism`),
  });
  return { apiVersion: 1, mechanisms: [mechanism], dispose: async () => void said.push(name), ...change };
}

describe("disposal", () => {
  test("each plug-in and each mechanism once, the last one first, however often close is called", async () => {
    const said: string[] = [];
    const loaded = await readPlugins([from(disposable("a", said), "a"), from(() => disposable("b", said), "b")]);
    expect(said).toEqual([]);
    await Promise.all([loaded.close(), loaded.close()]);
    await loaded.close();
    expect(said).toEqual(["b's mechanism", "b", "a's mechanism", "a"]);
  });

  test("those before one that cannot be used, and that one itself", async () => {
    const said: string[] = [];
    const broken = disposable("c", said, { stores: {} as never });
    const modules = [
      from(disposable("a", said), "a"),
      from(disposable("b", said), "b"),
      from(broken, "c"),
      from(disposable("d", said), "d"),
    ];
    expect(await failure(readPlugins(modules))).toMatchObject({ code: "broken-shape", module: "c", path: "stores" });
    expect(said).toEqual(["c's mechanism", "c", "b's mechanism", "b", "a's mechanism", "a"]);
  });

  test("one whose name is taken", async () => {
    const said: string[] = [];
    const modules = [from(disposable("a", said), "a"), from(disposable("a", said), "b")];
    expect(await failure(readPlugins(modules))).toMatchObject({ code: "name-clash" });
    expect(said).toHaveLength(4);
  });

  test("one that answers when nobody waits any more", async () => {
    const said: string[] = [];
    let answer: (plugin: Plugin) => void = () => {};
    const late = new Promise<Plugin>((resolve) => {
      answer = resolve;
    });
    expect(await failure(readPlugins([from(() => late)], { timeoutMs: 10 }))).toMatchObject({ code: "refused" });
    answer(disposable("a", said));
    await expect.poll(() => said).toEqual(["a's mechanism", "a"]);
  });

  test("goes on behind one that throws and one that never ends, and tells of the first", async () => {
    const said: string[] = [];
    const fails = disposable("b", said, { dispose: () => Promise.reject(new Error("stuck")) });
    const hangs = disposable("c", said, { dispose: () => new Promise(() => {}) });
    const modules = [from(disposable("a", said), "a"), from(fails, "b"), from(hangs, "c")];
    const loaded = await readPlugins(modules, { timeoutMs: 20 });
    expect(await failure(loaded.close())).toMatchObject({ code: "dispose-failed", module: "c" });
    expect(said).toEqual(["c's mechanism", "b's mechanism", "a's mechanism", "a"]);
  });
});

test("isMechanism and isPluginError take any value", () => {
  for (const value of [undefined, null, 0, "", [], {}, revoked(), throwing("name"), () => {}]) {
    expect(isMechanism(value)).toBe(false);
  }
  expect(isMechanism(plain)).toBe(true);
  expect([undefined, null, 0, "x", new Error("x"), {}].some(isPluginError)).toBe(false);
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
