/**
 * The version of this package, from its own manifest.
 *
 * @module
 */
import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("../package.json");

export const version: string = String((manifest as { version?: unknown }).version);
