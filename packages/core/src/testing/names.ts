/**
 * Names that have broken stores and canonicalisers elsewhere.
 *
 * @module
 */

/** Names a store has to keep apart: separators, quotes, path parts, and what SQL, LDAP, Redis, shells and JavaScript take for more than a name. */
export const hostileNames: readonly string[] = [
  "tim@example.org", "tim:x", "tim:x:", ":tim", "#tim", "tim#", "tim\ttab", "tim\nanna:{PLAIN}x", "tim\r\n", "tim\u2028x",
  "'", "''", "' OR '1'='1", "tim'--", "tim\"; DROP TABLE accounts; --", "\\", "\\'", "tim\\", "`tim`", "%", "_", "t_m", "t%", "$1", "?", "@p0", ":name",
  "*", "t*m", "(", ")", "tim)(uid=*", "*)(|(uid=*", "uid=tim,dc=example,dc=org", "tim,dc=x", "tim+cn=x", "tim;x", "<tim>", "\\2a", "\\00", "tim=x", " #tim",
  ".", "..", "/", "../tim", "/etc/passwd", "a/b", "..\\tim", "C:\\tim", "tim.lock", "tim.tmp", "con", "~", "-", "--help", "-rf",
  "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "undefined", "null", "NaN", "true", "0", "-0", "1e3", "[object Object]",
  "{", "{}", "{tim}", "\u0024{tim}", "$(tim)", "%s", "%00", "%2e%2e%2f", "&amp;", "tim|x", "tim\u0001", "\u007f", "tim\u001b[31m",
  " ", " tim", "tim ", "  tim", "tim  ", "TIM", "Tim", "tim.", "timx", "ti", "t",
  "\u00e9", "e\u0301", "\u212b", "\u00c5", "\ufb01", "fi", "\u0130", "i\u0307", "\u0131", "\u00df", "ss", "\u017f", "\u200b", "tim\u200b", "\u00adtim", "\ufeff", "\ufefftim", "\u202etim",
  "\u0442im", "\u05d0\u05d1", "\u4f60\u597d", "\ud83d\ude00", "\ud83d\udc68\u200d\ud83d\udc69", "\u{10ffff}", "\ufffd", "\uffff", "\ue000",
  "a".repeat(255), "a".repeat(256), "a".repeat(1024), `${"a".repeat(1023)}b`, "/".repeat(1024), "'".repeat(1024), "\u4f60".repeat(341), "\ud83d\ude00".repeat(256),
]; // biome-ignore format: a list to be looked through

/** What no name can be: no store has to keep them, and none may take them for other names. */
export const unusableNames: readonly string[] = [
  "\0",
  "tim\0",
  "\0tim",
  "tim\0x",
  "tim\ud800",
  "\udc00",
  "\ud800\ud800",
];
