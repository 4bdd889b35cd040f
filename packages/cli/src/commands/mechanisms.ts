/**
 * `sasl mechanisms`: what this build knows, and what plug-ins add.
 *
 * @module
 */
import { compareStrength, type Mechanism, type MechanismInfo, strengthOf } from "sasl-core";
import type { LoadedPlugin } from "sasl-core/node";
import { type ExitCode, exitCodes, oneLine } from "../errors.js";
import { knownMechanisms } from "../known-mechanisms.js";
import { formatTable, type Io, printJson } from "../output.js";
import { loadNamed } from "../plugins.js";

/** As the argument parser gives them. */
export interface MechanismsOptions {
  readonly plugin: readonly string[];
  readonly json?: boolean;
}

/** Runs the command. @throws {CommandError} for a plug-in that cannot be loaded. */
export async function mechanisms(options: MechanismsOptions, io: Io): Promise<ExitCode> {
  const loaded = await loadNamed(options.plugin);
  try {
    const names = new Set(loaded.mechanisms.map(({ name }) => name));
    // A plug-in's mechanism takes the place of ours of the same name.
    const all = [...knownMechanisms.filter((each) => !names.has(each.name)), ...loaded.mechanisms];
    const rows = all.sort(compareStrength).map((each) => describe(each, loaded.origin(each)));
    const plugins = loaded.plugins.map(describePlugin);
    if (options.json) printJson(io, { ok: true, mechanisms: rows, plugins });
    else io.stdout.write(formatTable(titles, rows.map(tableRow)) + plugins.map(pluginLines).join(""));
  } finally {
    await loaded.close();
  }
  return exitCodes.done;
}

/** What a module brought, by name; of stores, the schemes of their URLs. */
interface PluginDescription {
  readonly module: string;
  readonly mechanisms: readonly string[];
  readonly canonicalizers: readonly string[];
  readonly stores: readonly string[];
}

function describePlugin({ module, mechanisms, canonicalizers, stores }: LoadedPlugin): PluginDescription {
  return {
    module,
    mechanisms: mechanisms.map(({ name }) => name),
    canonicalizers: canonicalizers.map(({ name }) => name),
    stores: stores.flatMap(({ schemes }) => schemes),
  };
}

/** Mechanisms are in the table above. */
function pluginLines({ module, canonicalizers, stores }: PluginDescription): string {
  const lines = [
    ["canonicalisers", canonicalizers.join(", ")],
    ["stores", stores.map((scheme) => `${scheme}:`).join(", ")],
  ].filter(([, names]) => names !== "");
  return lines.map(([kind, names]) => `plug-in ${oneLine(module)}: ${kind} ${oneLine(names as string)}\n`).join("");
}

interface Description extends Pick<MechanismInfo, "name" | "flow" | "source"> {
  readonly client: boolean;
  readonly server: boolean;
  readonly strength: string;
  readonly flags: readonly string[];
  readonly channelBinding: boolean;
  readonly needsProtection: boolean;
  readonly obsolete: boolean;
  readonly maxSsf: number;
  /** Module of a plug-in; `null` for what is built in. */
  readonly plugin: string | null;
}

function describe(mechanism: Mechanism, plugin: string | undefined): Description {
  const { name, flow, source, security, channelBinding = false, needsProtection = false } = mechanism;
  return {
    name,
    client: mechanism.client !== undefined,
    server: mechanism.server !== undefined,
    flow,
    strength: strengthOf(mechanism),
    flags: security,
    channelBinding: channelBinding !== false,
    needsProtection,
    obsolete: mechanism.obsolete ?? false,
    maxSsf: mechanism.maxSsf ?? 0,
    source,
    plugin: plugin ?? null,
  };
}

const titles = {
  name: "mechanism",
  halves: "halves",
  flow: "flow",
  strength: "strength",
  flags: "flags",
  maxSsf: "max SSF",
  source: "specification",
} as const;

function tableRow(row: Description): Record<keyof typeof titles, string> {
  const { name, client, server, flow, strength, flags, maxSsf, source, needsProtection, obsolete, plugin } = row;
  const more = [needsProtection ? "needs TLS" : "", obsolete ? "only when named" : ""].filter((each) => each !== "");
  return {
    name,
    halves: client && server ? "both" : client ? "client" : "server",
    flow,
    strength,
    flags: [...flags, ...more].join(", "),
    maxSsf: String(maxSsf),
    source: plugin === null ? source : `${source} (plug-in ${plugin})`,
  };
}
