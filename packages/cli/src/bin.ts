#!/usr/bin/env node
/**
 * The `sasl` command.
 *
 * @module
 */
import { main } from "./main.js";

// No error is ever shown with its stack, and taking one costs a server as much as two messages of a login.
Error.stackTraceLimit = 0;

const { stdin, stdout, stderr } = process;
// Whoever reads our output may stop doing so.
for (const stream of [stdout, stderr]) stream.on("error", () => process.exit(141));

process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr });
// A name server that does not answer keeps a process alive for no use.
setTimeout(() => process.exit(), 200).unref();
