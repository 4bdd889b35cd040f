/**
 * The mechanisms of `sasl-core`, for programs that need nothing else of it.
 *
 * @module
 */
// biome-ignore lint/performance/noReExportAll: the list of mechanisms is kept in one place
export * from "sasl-core/mechanisms";
