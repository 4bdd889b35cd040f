/**
 * Namespaces of XMPP, each written once.
 *
 * @module
 */

/** SASL elements (RFC 6120 §6). */
export const NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
/** STARTTLS elements (RFC 6120 §5). */
export const NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls";
/** Stream header, features and stream errors (RFC 6120 §4.8.1). */
export const NS_STREAM = "http://etherx.jabber.org/streams";
/** Conditions inside a stream error (RFC 6120 §4.9.2). */
export const NS_STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams";
/** Content of a stream between client and server (RFC 6120 §4.8.2). */
export const NS_CLIENT = "jabber:client";
/** WebSocket framing (RFC 7395 §3.3). */
export const NS_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";
/** Channel-binding types a server supports (XEP-0440). */
export const NS_BINDING_TYPES = "urn:xmpp:sasl-cb:0";
/** SASL2 (XEP-0388). */
export const NS_SASL2 = "urn:xmpp:sasl:2";
/** Tokens for the next login (XEP-0484). */
export const NS_FAST = "urn:xmpp:fast:0";
/** Announcing and asking for upgrade tasks (XEP-0480 §2). */
export const NS_UPGRADE = "urn:xmpp:sasl:upgrade:0";
/** What SCRAM upgrade tasks say (XEP-0480 §3). */
export const NS_SCRAM_UPGRADE = "urn:xmpp:scram-upgrade:0";
/** What the TOTP task says: no XEP has one, so this is ours. */
export const NS_TOTP = "urn:x-sasl-xmpp:totp:0";
/** Bind 2 (XEP-0386). */
export const NS_BIND2 = "urn:xmpp:bind:0";
/** Stream management (XEP-0198). */
export const NS_SM = "urn:xmpp:sm:3";
/** Message carbons (XEP-0280). */
export const NS_CARBONS = "urn:xmpp:carbons:2";
/** Client state indication (XEP-0352). */
export const NS_CSI = "urn:xmpp:csi:0";
/** Message archive (XEP-0313). */
export const NS_MAM = "urn:xmpp:mam:2";
/** Conditions of a stanza error (RFC 6120 §8.3.3). */
export const NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
