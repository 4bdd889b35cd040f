/** docs/mechanisms.md says of every mechanism what its own description says, in a table and in a section. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Mechanism } from "sasl-core";
import * as ecdsa from "sasl-core/ecdsa";
import * as experimental from "sasl-core/experimental";
import * as legacy from "sasl-core/legacy";
import * as mechanisms from "sasl-core/mechanisms";
import { isMechanism } from "sasl-core/plugin";
import * as gssapi from "sasl-gssapi";
import { describe, expect, test } from "vitest";
import { root } from "./markdown.js";

const page = readFileSync(join(root, "docs/mechanisms.md"), "utf8");

const entries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "sasl-core/mechanisms": mechanisms,
  "sasl-core/ecdsa": ecdsa,
  "sasl-core/legacy": legacy,
  "sasl-core/experimental": experimental,
  "sasl-gssapi": gssapi,
};

const exported: readonly (readonly [entry: string, mechanism: Mechanism])[] = Object.entries(entries).flatMap(
  ([entry, names]) =>
    Object.values(names)
      .filter(isMechanism)
      .map((each) => [entry, each] as const),
);

interface Row {
  readonly names: readonly string[];
  /** Link to its section, without the `#`. */
  readonly section: string;
  readonly flow: string;
  readonly maxSsf: number;
  readonly onlyNamed: boolean;
  readonly entry: string;
}

const rows: readonly Row[] = Array.from(
  page.matchAll(/^\| \[((?:`[A-Z0-9-]+`(?:, )?)+)\]\(#([a-z0-9-]+)\) \| (\S+) \| (\d+) \| (yes|no) \| `([^`]+)` \|$/gm),
  ([, names = "", section = "", flow = "", maxSsf, onlyNamed, entry = ""]) => ({
    names: names.replaceAll("`", "").split(", "),
    section,
    flow,
    maxSsf: Number(maxSsf),
    onlyNamed: onlyNamed === "yes",
    entry,
  }),
);

interface Section {
  readonly title: string;
  /** What each of its points says, by the word in bold. */
  readonly points: Readonly<Record<string, string>>;
}

const sections: readonly Section[] = Array.from(
  page.matchAll(/^### (.+)$([\s\S]*?)(?=^##)/gm),
  ([, title = "", text = ""]) => ({
    title,
    points: Object.fromEntries(
      Array.from(text.matchAll(/^- \*\*(.+?):\*\* ([\s\S]+?)(?=^- \*\*|^$)/gm), ([, word, said]) => [word, said]),
    ),
  }),
);

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, "")
    .replaceAll(" ", "-");
}

test("there are mechanisms, rows and sections", () => {
  for (const each of [exported, rows, sections]) expect(each.length).toBeGreaterThan(15);
});

describe("the table of docs/mechanisms.md has a row for", () => {
  for (const [entry, { name, flow, maxSsf = 0, obsolete = false }] of exported) {
    test(name, () => {
      const found = rows.filter(({ names }) => names.includes(name));
      const onlyNamed = obsolete || entry === "sasl-core/experimental";
      expect(found.map(({ names, section, ...facts }) => facts)).toEqual([{ flow, maxSsf, onlyNamed, entry }]);
    });
  }
});

test("the table of docs/mechanisms.md names nothing that is not there", () => {
  const known = exported.map(([, { name }]) => name);
  expect(rows.flatMap(({ names }) => names).filter((name) => !known.includes(name))).toEqual([]);
});

describe("in docs/mechanisms.md the section of", () => {
  for (const { names, section: anchor } of rows) {
    const section = sections.find(({ title }) => anchorOf(title) === anchor);
    test(`${names[0]} says everything`, () => {
      expect(Object.keys(section?.points ?? {})).toEqual(["Protects", "Use it", "Stored", "Layer", "Import"]);
    });
    const layered = exported.filter(([, { name }]) => names.includes(name)).some(([, { maxSsf = 0 }]) => maxSsf > 0);
    if (!layered) continue;
    test(`${names[0]} tells of its layer`, () => {
      expect(section?.points.Layer).not.toMatch(/^none/i);
    });
  }
});

describe("what docs/mechanisms.md imports is there in", () => {
  for (const { title, points } of sections) {
    test(title, () => {
      const imports = Array.from((points.Import ?? "").matchAll(/`import \{ ([^}]+) \} from "([^"]+)"`/g));
      expect(imports.length).toBeGreaterThan(0);
      for (const [, names = "", entry = ""] of imports) {
        expect(Object.keys(entries[entry] ?? {})).toEqual(expect.arrayContaining(names.split(", ")));
      }
    });
  }
});
