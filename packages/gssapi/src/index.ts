/**
 * Kerberos for the mechanisms of `sasl-core`: providers on the libraries there are, and the mechanisms on whatever is found.
 *
 * @module
 */
import type { Mechanism } from "sasl-core";
import {
  type GssProvider,
  gs2Krb5Mechanism,
  gs2Krb5PlusMechanism,
  gssapiMechanism,
  gssSpnegoMechanism,
} from "sasl-core/mechanisms";
import { systemProvider } from "./system-provider.js";

export {
  type KerberosClient,
  type KerberosModule,
  type KerberosOptions,
  kerberosProvider,
} from "./kerberos-provider.js";
export { type LibraryOptions, libraryProvider } from "./library-provider.js";
export { systemProvider };

const provider: GssProvider = /* @__PURE__ */ systemProvider();

/** GSSAPI on {@link systemProvider}, both halves (RFC 4752). */
export const gssapi: Mechanism = /* @__PURE__ */ gssapiMechanism({ provider });
/** GS2-KRB5 on {@link systemProvider}, both halves (RFC 5801). */
export const gs2Krb5: Mechanism = /* @__PURE__ */ gs2Krb5Mechanism({ provider });
/** GS2-KRB5-PLUS on {@link systemProvider}, both halves (RFC 5801). */
export const gs2Krb5Plus: Mechanism = /* @__PURE__ */ gs2Krb5PlusMechanism({ provider });
/** GSS-SPNEGO on {@link systemProvider}, both halves (MS-SPNG, RFC 4178). */
export const gssSpnego: Mechanism = /* @__PURE__ */ gssSpnegoMechanism({ provider });
