/** The GS2 header that SCRAM and OAUTHBEARER begin with. Source: RFC 5801 §4; RFC 5802 §7. */
import { SASLFailure } from "../errors.js";

export interface Gs2Header {
  /** `n`: the client cannot bind; `y`: it could, and thinks the server cannot; `p`: it does. */
  readonly flag: "n" | "y" | "p";
  /** Binding type, with flag `p` alone. */
  readonly type: string | undefined;
  /** Unescaped; `undefined` when there is none. */
  readonly authzid: string | undefined;
  /** As it stands on the wire, up to and including the second comma. */
  readonly text: string;
}

// RFC 5801 §4: gs2-cb-flag "," [gs2-authzid] ","; cb-name is 1*(ALPHA / DIGIT / "." / "-"). An authzid has no NUL.
const header = /^(?:([ny])|p=([A-Za-z0-9.-]+)),(?:a=([^,\0]+))?,/;

/**
 * Reads the header at the start of a message; what follows it begins at `text.length`.
 *
 * @throws {SASLFailure} `malformed-message`.
 */
export function parseGs2Header(message: string): Gs2Header {
  const match = header.exec(message);
  if (match === null) throw new SASLFailure("malformed-message", "no GS2 header at the start of the message");
  const [text, flag, type, authzid] = match;
  return {
    flag: type === undefined ? (flag as "n" | "y") : "p",
    type,
    authzid: authzid === undefined ? undefined : unescapeName(authzid),
    text,
  };
}

/** Writes a header; `type` makes the flag `p`. An empty authzid is no authzid. */
export function formatGs2Header(flag: "n" | "y" | "p", type: string | undefined, authzid: string | undefined): string {
  return `${flag === "p" ? `p=${type}` : flag},${authzid ? `a=${escapeName(authzid)}` : ""},`;
}

/** RFC 5802 §5.1: `=` and `,` in a saslname. */
export function escapeName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** @throws {SASLFailure} `malformed-message` when `=` is followed by anything but `2C` and `3D`. */
export function unescapeName(name: string): string {
  if (!name.includes("=")) return name;
  if (/=(?!2C|3D)/.test(name)) throw new SASLFailure("malformed-message", "a name holds an unknown escape");
  return name.replaceAll("=2C", ",").replaceAll("=3D", "="); // in this order nothing is decoded twice
}
