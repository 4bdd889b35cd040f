/**
 * `sasl-xmpp/mechanisms`: the mechanisms of `sasl-core`, for applications that depend on this package alone.
 *
 * @module
 */
// biome-ignore lint/performance/noReExportAll: a second list of the mechanisms would one day differ from the first
export * from "sasl-core/mechanisms";
