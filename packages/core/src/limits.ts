/**
 * What one exchange may cost. Both ends count with the same figures.
 *
 * @module
 */

/** Bounds of one exchange (R-LIM-01). All of them hold for both directions. */
export interface Limits {
  /** Longest message after base64, in octets. Default 65536. */
  readonly maxMessageBytes: number;
  /** Longest user name or authzid in UTF-8, in octets. Default 1024. */
  readonly maxIdentityBytes: number;
  /** Most messages one side may send in an exchange. Default 20. */
  readonly maxSteps: number;
  /** Longest protected buffer that a security layer takes, in octets: what the peer is told. Default 65536. */
  readonly maxLayerBytes: number;
  /** Time for the whole exchange, in milliseconds; 0 for none. Default 60000. */
  readonly timeoutMs: number;
}

/** The limits that hold where the caller says nothing. */
export const defaultLimits: Limits = {
  maxMessageBytes: 65536,
  maxIdentityBytes: 1024,
  maxSteps: 20,
  maxLayerBytes: 65_536,
  timeoutMs: 60_000,
};

/**
 * The limits to go by: the defaults where nothing was given, also not by a program without types, which could otherwise
 * switch one off by accident.
 *
 * @throws {RangeError} for anything but numbers from 0.
 */
export function limitsFrom(given: Partial<Limits> = {}): Limits {
  const limits: { -readonly [K in keyof Limits]: number } = { ...defaultLimits };
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const { [name]: value = limits[name] } = given;
    if (typeof value !== "number" || !(value >= 0)) throw new RangeError(`limits.${name} is no limit`);
    limits[name] = value;
  }
  return limits;
}
