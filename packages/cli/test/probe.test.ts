import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { knownMechanisms } from "../src/known-mechanisms.js";
import type { ServiceName, TestServer } from "../src/server/index.js";
import { clientCertificates, sasl, serveAll } from "./support.js";

let server: TestServer;

beforeAll(async () => {
  const { ca } = await clientCertificates({});
  const mechanisms = knownMechanisms.filter((each) => each.server);
  server = await serveAll({ mechanisms, clientCa: ca });
});
afterAll(() => server?.close());

function probe(service: ServiceName, ...more: string[]): ReturnType<typeof sasl> {
  return sasl(["probe", `${service}://alice@localhost:${server.ports[service]}`, "--ca", server.ca, ...more]);
}

describe("sasl probe", () => {
  for (const service of ["imap", "imaps", "smtp", "smtps", "xmpp", "xmpps"] as const) {
    const direct = service.endsWith("s");
    test(`${service}: every field of the JSON object`, async () => {
      const { code, json, stderr } = await probe(service, "--json");
      expect(json).toMatchObject({
        ok: true,
        protocol: service.slice(0, 4),
        tls: { version: "TLSv1.3", cipher: expect.any(String), verified: true },
        certificate: {
          subject: "CN=localhost",
          issuer: "CN=localhost",
          names: expect.stringContaining("DNS:*.localhost"),
          validFrom: expect.stringMatching(/^20..-..-..T/),
          validTo: expect.stringMatching(/^20..-..-..T/),
          fingerprint256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
        },
        before: direct ? null : { mechanisms: expect.any(Array), startTls: service === "xmpp" ? "required" : true },
        after: { mechanisms: expect.arrayContaining(["SCRAM-SHA-256-PLUS"]), startTls: false },
        offered: expect.arrayContaining(["SCRAM-SHA-256-PLUS"]),
        choice: "SCRAM-SHA3-512-PLUS",
        bindingTypes: { ours: ["tls-exporter", "tls-server-end-point"] },
        elapsedMs: expect.any(Number),
      });
      expect([code, stderr]).toEqual([0, ""]);
    });
  }

  test("per mechanism: strength, binding, use and why not", async () => {
    const { json } = await probe("imap", "--json");
    expect(json.mechanisms).toContainEqual({
      name: "SCRAM-SHA-256-PLUS",
      strength: "bound",
      maxSsf: 0,
      canBind: true,
      use: true,
      rank: 4,
      reason: null,
      offered: "after TLS",
    });
    expect(json.mechanisms).toContainEqual({
      name: "SCRAM-SHA-256",
      strength: "mutual",
      maxSsf: 0,
      canBind: false,
      use: false,
      rank: null,
      reason: expect.stringContaining("can be bound"),
      offered: "always",
    });
    expect(json.mechanisms).toContainEqual(expect.objectContaining({ name: "DIGEST-MD5", maxSsf: 128, use: false }));
    expect(json.mechanisms).toContainEqual(
      expect.objectContaining({ name: "CRAM-MD5", use: false, reason: "obsolete: used only when named" }),
    );
  });

  test("IMAP: LOGINDISABLED and SASL-IR", async () => {
    const { json } = await probe("imap", "--json");
    expect(json.before).toMatchObject({
      loginDisabled: true,
      saslIr: true,
      capabilities: expect.arrayContaining(["STARTTLS"]),
    });
    expect(json.after).toMatchObject({ loginDisabled: false, saslIr: true });
  });

  test("SMTP: size and longest command", async () => {
    const { json } = await probe("smtp", "--json");
    expect(json.after).toMatchObject({ maxMessageBytes: 1_048_576, maxCommandBytes: 512 });
    expect(json.after.extensions).toContain("SIZE 1048576");
  });

  test("XMPP: SASL2, FAST and the server's binding types", async () => {
    const { json } = await probe("xmpp", "--json");
    expect(json.before).toMatchObject({ sasl2: false, sasl2Mechanisms: null, inlineFeatures: null, upgrades: null });
    expect(json.after).toMatchObject({
      sasl2: true,
      fast: true,
      sasl1Mechanisms: expect.arrayContaining(["SCRAM-SHA-256-PLUS"]),
      sasl2Mechanisms: expect.arrayContaining(["SCRAM-SHA-256-PLUS"]),
      inlineFeatures: ["urn:xmpp:fast:0", "urn:xmpp:sm:3", "urn:xmpp:bind:0"],
      bindFeatures: ["urn:xmpp:sm:3", "urn:xmpp:carbons:2", "urn:xmpp:csi:0"],
      fastMechanisms: expect.arrayContaining(["HT-SHA-512-EXPR", "HT-SHA-256-NONE"]),
      upgrades: ["UPGR-SCRAM-SHA-512", "UPGR-SCRAM-SHA-256"],
    });
    expect(json.after.sasl1Mechanisms).not.toContain("HT-SHA-512-EXPR"); // R-FAST-01: beside the lists, not in them
    expect(json.after.sasl2Mechanisms).not.toContain("HT-SHA-512-EXPR");
    expect(json.bindingTypes.announced).toEqual(["tls-exporter", "tls-server-end-point"]);
  });

  test("--channel-binding, --tls none and --allow-plaintext change what would be used", async () => {
    const disabled = await probe("imap", "--json", "--channel-binding", "disable");
    expect(disabled.json.choice).toBe("SCRAM-SHA3-512");
    const clear = await probe("smtp", "--json", "--tls", "none");
    expect(clear.json).toMatchObject({ tls: null, certificate: null, before: null, choice: "SCRAM-SHA3-512" });
    expect(clear.json.bindingTypes.ours).toEqual([]);
  });

  test("a table for people", async () => {
    const { stdout } = await probe("xmpp");
    expect(stdout).toMatch(/\nwith TLS: .*SASL2 \(XEP-0388\) yes.*inline features urn:xmpp:fast:0 urn:xmpp:sm:3/);
    expect(stdout).toMatch(/mechanisms of FAST HT-\S+.*upgrades UPGR-SCRAM-SHA-512 UPGR-SCRAM-SHA-256/);
    expect(stdout).toMatch(/^xmpp:\/\/alice@localhost:[0-9]+: TLSv1\.3 TLS_\S+ certificate verified\n/);
    expect(stdout).toMatch(/\nbefore TLS: none; STARTTLS required, SASL2 \(XEP-0388\) no/);
    expect(stdout).toMatch(/\n ?SCRAM-SHA-256-PLUS +bound +0 +yes +after TLS +choice 4\n/);
  });
});
