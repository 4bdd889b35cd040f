/**
 * GSSAPI, GS2-KRB5, GS2-KRB5-PLUS and GSS-SPNEGO, on an implementation of the GSS-API that is given to them.
 *
 * @module
 */
export {
  GS2_KRB5,
  GS2_KRB5_PLUS,
  type Gs2Options,
  gs2Krb5Mechanism,
  gs2Krb5PlusMechanism,
  gs2Mechanism,
  gs2Name,
} from "./gs2.js";
export { GSSAPI, gssapiMechanism } from "./gssapi.js";
export {
  type GssAcceptOptions,
  type GssContext,
  type GssContextOptions,
  type GssFacts,
  type GssFlags,
  type GssInitiateOptions,
  type GssProvider,
  type GssStep,
  type GssUnwrapped,
  krb5Oid,
  ntlmOid,
  spnegoOid,
} from "./provider.js";
export type { GssCredentials, GssOptions } from "./shared.js";
export { GSS_SPNEGO, gssSpnegoMechanism, type SpnegoOptions } from "./spnego.js";
