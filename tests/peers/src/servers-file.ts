/**
 * The file that says where running servers are, for a machine that cannot install them. Its shape is in the README.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Server, serverKinds } from "./servers.js";
import type { Certificate } from "./types.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Read a file of servers. File names in it are relative to its folder.
 *
 * @throws {Error} naming the file and the entry that is wrong.
 */
export function readServers(file: string): Server[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isFields(value) || !Array.isArray(value.servers)) throw new Error(`${file}: "servers" must be a list`);
  return value.servers.map((entry: unknown, index) => {
    if (!isFields(entry)) throw new Error(`${file}: servers[${index}] must be an object`);
    return readServer(entry, `${file}: servers[${index}]`, dirname(resolve(file)));
  });
}

function readServer(entry: Fields, where: string, folder: string): Server {
  const kind = serverKinds.find((each) => each === entry.server);
  if (kind === undefined) throw new Error(`${where}: "server" must be one of ${serverKinds.join(", ")}`);
  const ports = new Map<string, number>();
  for (const [name, port] of fieldsOf(entry.ports, `${where}: "ports"`)) {
    if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535)
      throw new Error(`${where}: port ${name} is no port`);
    ports.set(name, Number(port));
  }
  const certificates = new Map<string, Certificate>();
  for (const [name, pair] of fieldsOf(entry.certificates ?? {}, `${where}: "certificates"`)) {
    if (!isFields(pair)) throw new Error(`${where}: certificate ${name} must have "cert" and "key"`);
    const file = (field: string): string =>
      resolve(folder, textOf(pair[field], `${where}: "${field}" of certificate ${name}`));
    certificates.set(name, { cert: file("cert"), key: file("key") });
  }
  const tokens = new Map<string, string>();
  for (const [name, token] of fieldsOf(entry.tokens ?? {}, `${where}: "tokens"`)) {
    tokens.set(name, textOf(token, `${where}: token ${name}`));
  }
  return {
    kind,
    host: textOf(entry.host, `${where}: "host"`),
    domain: textOf(entry.domain ?? "localhost", `${where}: "domain"`),
    ca: resolve(folder, textOf(entry.ca, `${where}: "ca"`)),
    ports,
    certificates,
    tokens,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(value: unknown, what: string): [string, unknown][] {
  if (!isFields(value)) throw new Error(`${what} must be an object`);
  return Object.entries(value);
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== "string" || value === "") throw new Error(`${what} must be a text`);
  return value;
}
