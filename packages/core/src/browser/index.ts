/**
 * `sasl-core/browser`: keys that live in the browser, for programs in pages. Follows semver. Works wherever there are
 * WebCrypto and, for what is to outlive the page, IndexedDB.
 *
 * @module
 */
export { type BrowserKeyCache, type BrowserKeyCacheOptions, browserKeyCache, type KeptKeys } from "./key-cache.js";
export { importMacKey, macKey, type WebMacKey } from "./mac-key.js";
export { type BrowserStore, type BrowserStoreOptions, browserStore } from "./store.js";
