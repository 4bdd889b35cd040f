import { readFileSync } from "node:fs";
import { makeScramVerifier, type ScramVerifier } from "sasl-core";
import { hashSha1, hashSha256 } from "sasl-core/mechanisms";
import { describe, expect, test } from "vitest";
import {
  type EjabberdRow,
  FormatError,
  formatEjabberdRow,
  formatEjabberdScram,
  formatGsasl,
  formatKafka,
  formatMongooseIm,
  formatPostgresql,
  formatProsody,
  formatRfc5803,
  fromBase64,
  parseEjabberdRow,
  parseEjabberdScram,
  parseGsasl,
  parseKafka,
  parseMongooseIm,
  parsePostgresql,
  parseProsody,
  parseRfc5803,
} from "../src/index.js";

interface Good {
  readonly id: string;
  readonly inputs: {
    readonly password: string;
    readonly salt_b64: string;
    readonly iterations: number;
    readonly hash: "sha1" | "sha256";
    readonly stored_key_b64: string;
    readonly server_key_b64: string;
  };
  readonly result: { readonly outcome: "success"; readonly format: string; readonly value: unknown };
}
interface Bad {
  readonly id: string;
  readonly inputs: { readonly format: string; readonly value: string };
  readonly result: { readonly outcome: "error" };
}

const file = new URL("./vectors/verifier-formats.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { readonly vectors: readonly (Good | Bad)[] };
const isGood = (vector: Good | Bad): vector is Good => vector.result.outcome === "success";

/** How each format of the vectors is read and written, in the shape the vectors have it. */
const notations: Record<string, readonly [(value: never) => ScramVerifier, (verifier: ScramVerifier) => unknown]> = {
  rfc5803: [parseRfc5803, formatRfc5803],
  postgresql: [parsePostgresql, formatPostgresql],
  dovecot: [parseGsasl, formatGsasl],
  gsasl: [parseGsasl, formatGsasl],
  mongooseim: [parseMongooseIm, formatMongooseIm],
  kafka: [parseKafka, formatKafka],
  "ejabberd-mnesia": [parseEjabberdScram, formatEjabberdScram],
  "ejabberd-sql": [
    (row: EjabberdRow) => {
      const held = parseEjabberdRow(row);
      if (!("verifier" in held)) throw new Error("a password");
      return held.verifier;
    },
    formatEjabberdRow,
  ],
  prosody: [
    (fields: Record<string, string | number>) => {
      const rows = Object.entries(fields).map(([name, value]) => {
        return `["${name}"] = ${name.endsWith("_key") ? `"${value}"` : value};`; // the salt comes as a Lua string
      });
      const [verifier] = parseProsody(`return { ${rows.join(" ")} };`).authPassword ?? [];
      if (verifier === undefined) throw new Error("no verifier");
      return verifier;
    },
    (verifier) => {
      const text = formatProsody({ authPassword: [verifier] });
      const fields = [...text.matchAll(/\["(\w+)"\] = (.*);\n/g)].map(([, name = "", value = ""]) => {
        if (name === "salt") return [name, value];
        return [name, name === "iteration_count" ? Number(value) : value.slice(1, -1)];
      });
      return Object.fromEntries(fields);
    },
  ],
};

/** Vectors of what is read and no longer written. */
const readOnly = ["computed-ejabberd-SQL-older-rows"];

describe("verifier-formats", () => {
  for (const vector of vectors.filter(isGood)) {
    const { id, inputs, result } = vector;
    const [parse, format] = notations[result.format] ?? [];
    if (parse === undefined || format === undefined) throw new Error(`no notation ${result.format}`);
    const digest = inputs.hash === "sha1" ? hashSha1 : hashSha256;
    const verifier: ScramVerifier = {
      hash: inputs.hash === "sha1" ? "SHA-1" : "SHA-256",
      salt: fromBase64(inputs.salt_b64, "salt"),
      iterations: inputs.iterations,
      storedKey: fromBase64(inputs.stored_key_b64, "key"),
      serverKey: fromBase64(inputs.server_key_b64, "key"),
    };
    test(`${id} is read`, () => expect(parse(result.value as never)).toEqual(verifier));
    if (!readOnly.includes(id)) test(`${id} is written`, () => expect(format(verifier)).toEqual(result.value));
    test(`${id} is of its password`, async () => {
      const { salt, iterations } = verifier;
      expect(await makeScramVerifier(digest, inputs.password, { salt, iterations })).toEqual(verifier);
    });
  }

  for (const { id, inputs } of vectors.filter((each): each is Bad => !isGood(each))) {
    test(`R-STO-04 ${id}`, () => expect(() => parseRfc5803(inputs.value)).toThrow(FormatError));
  }
});
