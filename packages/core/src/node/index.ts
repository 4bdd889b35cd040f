/**
 * `sasl-core/node`: what needs Node.js. For applications and bindings on Node; follows semver.
 *
 * @module
 */
export {
  isPluginError,
  type LoadedPlugin,
  type LoadedPlugins,
  type LoadPluginsOptions,
  PluginError,
  type PluginErrorCode,
} from "../read-plugins.js";
export { type LayeredOptions, type LayeredStream, layered } from "./layered.js";
export { loadPlugins } from "./load-plugins.js";
export {
  type TLSChannelBindingOptions,
  type TLSFacts,
  tlsChannelBinding,
  tlsFacts,
  tlsStrength,
  tlsVersion,
} from "./tls.js";
export { type TLSUpgradeOptions, tlsUpgrade, type UpgradeSocket } from "./tls-upgrade.js";
