/**
 * The `sasl` command as functions, for programs that want to run it or parts of it. `sasl-cli/server` has the test server.
 *
 * @module
 */
export { CommandError, type CommandErrorCode, type ErrorReport, type ExitCode, exitCodes } from "./errors.js";
export { main } from "./main.js";
export type { Io } from "./output.js";
export { type Protocol, parseTarget, type Target } from "./url.js";
