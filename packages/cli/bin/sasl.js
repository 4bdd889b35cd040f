#!/usr/bin/env node
// This file exists before the build, so that an install can link the command.
import { existsSync } from "node:fs";

const built = new URL("../dist/bin.js", import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write("sasl: not built yet; run `npm run build` in the project's folder first.\n");
  process.exitCode = 64;
}
