/**
 * A certificate authority and the certificates below it, made with openssl. The server certificate lists every host name
 * the peers serve: a pattern such as `*.localhost`, right below a top-level name, is refused by careful clients.
 *
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Children } from "./children.js";

const hosts = [
  "localhost",
  "anon.localhost",
  "hashed.localhost",
  "hashed256.localhost",
  "plain.localhost",
  "cert.localhost",
];

/** Name of the file, common name, and the address that stands in the certificate (RFC 6120 §13.7.1.4 id-on-xmppAddr). */
const clients: readonly [file: string, name: string, address: string][] = [
  ["client-alice", "alice", "alice@localhost"],
  ["client-user", "user", "user@localhost"],
  ["client-alice-vhost", "alice", "alice@cert.localhost"],
];

/**
 * Make `ca.pem`, `server.pem`, `server.key`, `server-both.pem` and a pair for each client.
 *
 * @throws {Error} when openssl fails or is missing.
 */
export async function makeCertificates(children: Children, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const openssl = async (...args: string[]): Promise<void> => {
    const { exit, stderr } = await children.run("openssl", args);
    if (exit !== 0) throw new Error(`openssl ${args[0]}: ${stderr.trim().split("\n").at(-1)}`);
  };
  const file = (name: string): string => join(folder, name);
  await openssl(
    ...[
      "req",
      "-x509",
      "-new",
      "-nodes",
      "-newkey",
      "rsa:2048",
      "-sha256",
      "-days",
      "30",
      "-subj",
      "/CN=Peers test CA",
    ],
    ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ...["-keyout", file("ca.key"), "-out", file("ca.pem")],
  );
  const issue = async (name: string, commonName: string, extensions: string): Promise<void> => {
    const request = file(`${name}.csr`);
    const settings = file(`${name}.ext`);
    writeFileSync(settings, `basicConstraints=CA:FALSE\n${extensions}\n`);
    await openssl(
      "req",
      "-new",
      "-nodes",
      "-newkey",
      "rsa:2048",
      "-subj",
      `/CN=${commonName}`,
      "-keyout",
      file(`${name}.key`),
      "-out",
      request,
    );
    await openssl(
      ...["x509", "-req", "-in", request, "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"],
      ...["-days", "30", "-sha256", "-extfile", settings, "-out", file(`${name}.pem`)],
    );
    rmSync(request);
    rmSync(settings);
  };
  const names = [...hosts.map((host) => `DNS:${host}`), "IP:127.0.0.1"].join(",");
  await issue("server", "localhost", `extendedKeyUsage=serverAuth\nsubjectAltName=${names}`);
  writeFileSync(
    file("server-both.pem"),
    readFileSync(file("server.pem"), "utf8") + readFileSync(file("server.key"), "utf8"),
  );
  // Prosody 0.12 takes a client certificate only when it may serve too.
  for (const [name, commonName, address] of clients) {
    const alternative = `subjectAltName=email:${address},otherName:1.3.6.1.5.5.7.8.5;UTF8:${address}`;
    await issue(name, commonName, `extendedKeyUsage=clientAuth,serverAuth,emailProtection\n${alternative}`);
  }
  await children.run("chmod", ["-R", "a+rX", folder]); // throw-away keys, which every server's own user must read
  writeFileSync(file(".complete"), "");
}
