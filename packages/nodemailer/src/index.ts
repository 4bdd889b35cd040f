/**
 * Every SASL mechanism for nodemailer: SCRAM, channel binding, OAUTHBEARER, Kerberos.
 *
 * @module
 */
export {};
