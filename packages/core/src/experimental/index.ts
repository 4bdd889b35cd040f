/**
 * `sasl-core/experimental`: mechanisms whose specification may still change. Not covered by semver.
 *
 * @module
 */
export {};
