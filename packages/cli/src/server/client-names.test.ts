import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { clientNames } from "./client-names.js";

const cn = { subject: { CN: "alice" } };
const sockets: readonly [what: string, authorized: boolean, certificate: object, names: string[]][] = [
  ["a verified certificate", true, cn, ["alice"]],
  ["one that nobody verified", false, cn, []],
  ["none, in a session of TLS 1.3 that was resumed", true, {}, []],
  ["addresses, some of them elsewhere", true, { ...cn, subjectaltname: "email:bob@Host, email:eve@other" }, ["bob"]],
];
for (const [what, authorized, certificate, names] of sockets) {
  test(`R-EXT-01 whom a client certificate stands for: ${what}`, () => {
    const socket = { authorized, getPeerCertificate: () => certificate } as unknown as TLSSocket;
    expect(clientNames(socket, "host")).toEqual(names);
  });
}
