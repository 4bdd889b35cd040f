/**
 * Kerberos for the mechanisms of `sasl-core`: GSSAPI, GS2-KRB5 and GSS-SPNEGO.
 *
 * @module
 */
export {};
