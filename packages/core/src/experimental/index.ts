/**
 * `sasl-core/experimental`: mechanisms whose specification may still change. Not covered by semver.
 *
 * An entry of its own because it needs the packages `@noble/curves` and `hash-wasm`, optional peer dependencies.
 *
 * @module
 */
export {
  cyrusMaster,
  interactive,
  type KeyStretchingFunction,
  newOpaqueKeys,
  OPAQUE,
  type OpaqueOptions,
  type OpaqueServerOptions,
  type OpaqueSuite,
  opaque,
  opaqueRecordProperty,
  opaqueServer,
  rfc9807,
} from "./opaque/index.js";
