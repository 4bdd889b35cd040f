#!/usr/bin/env node
/**
 * The `sasl` command.
 *
 * @module
 */
import { exitCodes } from "./errors.js";
import { main, unfinished, unwritable } from "./main.js";

// No error is ever shown with its stack, and taking one costs a server as much as two messages of a login.
Error.stackTraceLimit = 0;

const { stdin, stdout, stderr } = process;
const argv = process.argv.slice(2);
const io = { stdin, stdout, stderr };
let written = true;
for (const stream of [stdout, stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever reads our output may stop doing so.
    if (error.code === "EPIPE") process.exit(141);
    if (written && stream === stdout) unwritable(argv, io, error);
    written = false;
    process.exitCode = exitCodes.failed;
  });
}
// Nothing is left that could go on: without this, Node would say nothing.
const stuck = (): void => {
  process.exitCode = unfinished(argv, io);
};
process.once("beforeExit", stuck);

const code = await main(argv, io);
process.off("beforeExit", stuck);
process.exitCode = written ? code : exitCodes.failed;
// A name server that does not answer keeps a process alive for no use.
setTimeout(() => process.exit(), 200).unref();
