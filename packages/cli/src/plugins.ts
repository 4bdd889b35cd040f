/**
 * Mechanisms from modules named on the command line.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Mechanism } from "sasl-core";
import { CommandError, oneLine } from "./errors.js";
import { isMechanism, objectionTo } from "./known-mechanisms.js";

/** A mechanism and where it came from. */
export interface LoadedMechanism {
  readonly mechanism: Mechanism;
  readonly module: string;
}

/**
 * Imports modules and takes every mechanism they export, by whatever name.
 *
 * @param modules file names, relative to the current folder, or names of installed packages. Their code is run.
 * @throws {CommandError} for a module that cannot be imported, exports no mechanism, or one that is malformed.
 */
export async function loadMechanisms(modules: readonly string[]): Promise<LoadedMechanism[]> {
  const loaded: LoadedMechanism[] = [];
  for (const module of modules) {
    const found = mechanismsOf(await load(module), module);
    for (const mechanism of found) {
      const other = loaded.find((each) => each.mechanism.name === mechanism.name);
      if (other) throw broken(module, `its ${mechanism.name} is also in the plug-in ${other.module}`);
      loaded.push({ mechanism, module });
    }
  }
  return loaded;
}

async function load(module: string): Promise<object> {
  let href: string;
  try {
    href = pathToFileURL(fileOf(module)).href;
  } catch {
    throw broken(module, "there is no such file or installed package");
  }
  try {
    return (await import(href)) as object;
  } catch (error) {
    throw broken(module, `it cannot be imported: ${error instanceof Error ? oneLine(error.message) : "unknown error"}`);
  }
}

function fileOf(module: string): string {
  const file = resolve(module);
  return existsSync(file) ? file : createRequire(resolve("package.json")).resolve(module);
}

function mechanismsOf(exports: object, module: string): Mechanism[] {
  const found = new Set<Mechanism>();
  for (const [name, value] of Object.entries(exports)) {
    if (isMechanism(value)) found.add(value);
    else if (looksMeant(value)) throw broken(module, `its export ${name} is no mechanism: ${objectionTo(value)}`);
  }
  if (found.size === 0) throw broken(module, "it exports no mechanism");
  return [...found];
}

/** Has what only mechanisms have, so that a fault in it is worth telling. */
function looksMeant(value: unknown): boolean {
  return typeof value === "object" && value !== null && "name" in value && ("flow" in value || "security" in value);
}

function broken(module: string, why: string): CommandError {
  return new CommandError("malformed-file", `plug-in ${module}: ${why}`);
}
