/**
 * Plug-ins named on the command line.
 *
 * @module
 */
import { isPluginError, type LoadedPlugins, loadPlugins } from "sasl-core/node";
import { CommandError } from "./errors.js";

/**
 * Loads plug-ins; close what comes back when the command has done with them.
 *
 * @param modules files, relative to the current folder, or names of installed packages. Their code is run.
 * @throws {CommandError} for the first that cannot be used: which field of which module, and what was expected.
 */
export async function loadNamed(modules: readonly string[]): Promise<LoadedPlugins> {
  const loaded = await loadPlugins(modules).catch(refuse);
  return { ...loaded, close: () => loaded.close().catch(refuse) };
}

function refuse(error: unknown): never {
  throw isPluginError(error) ? new CommandError("malformed-file", `plug-in ${error.message}`, { cause: error }) : error;
}
