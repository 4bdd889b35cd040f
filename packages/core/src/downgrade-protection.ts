/**
 * What a client can do against somebody who changes what the server announces: check the lists inside SCRAM (XEP-0474),
 * check the TLS version there (XEP-0515), and not show a password to a server that did without it before (XEP-0474 §7).
 *
 * @module
 */
import type { ClientSettings } from "./client.js";
import type { Credentials } from "./credentials.js";
import { asSASLError } from "./errors.js";
import { announcedHash, isTlsVersion } from "./internal/announced.js";
import { commonTypes } from "./internal/common-types.js";
import type { ClientContext, MechanismInfo } from "./mechanism.js";
import type { Digest, MaybePromise } from "./runtime/contract.js";

/** Accounts whose password need not be shown; the names are to be kept as they are. A `Set<string>` does it in memory. */
export interface LoginMemory {
  has(account: string): MaybePromise<boolean>;
  add(account: string): MaybePromise<unknown>;
}

/** A password that would be sent in plaintext, although an earlier login did without. */
export interface PlaintextRequest {
  /** `PLAIN`, `LOGIN`. */
  readonly mechanism: string;
  readonly service: string | undefined;
  readonly host: string | undefined;
  readonly username: string | undefined;
}

/** Options of {@link downgradeProtection}. */
export interface DowngradeProtectionOptions {
  /** Fail when the server's first SCRAM message has no hash of its lists, as most servers' do not yet. Default false. */
  readonly requireHash?: boolean | undefined;
  /** Fail when it has no TLS version, or the own one is not known (`tlsVersion`). Default false. */
  readonly requireTlsVersion?: boolean | undefined;
  /**
   * Where to remember who logged in by SCRAM or EXTERNAL. PLAIN and LOGIN are then not used for these accounts any more.
   * Left out: nothing is remembered. Accounts are told apart by service, host and name: say which `host` it is.
   */
  readonly logins?: LoginMemory | undefined;
  /** Asks the user whether the password may be sent all the same, this time. Left out: it may not. */
  readonly consent?: ((request: PlaintextRequest) => MaybePromise<boolean>) | undefined;
  /** Told when `logins` could not write after a login. What it throws is ignored. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** Made by {@link downgradeProtection}; pass it as `downgradeProtection`. Holds no state of an exchange. */
export interface DowngradeProtection {
  /**
   * Whether it takes care of a list of binding types that no server should have (XEP-0474 §7, rule 6): only what checks
   * the list, or is bound, goes on then. @internal
   */
  excuses(settings: ClientSettings): boolean;
  /** Looks at what a mechanism is about to use. @throws {SASLFailure} `mechanism-too-weak`, `peer-not-verified`. @internal */
  admit(ctx: ClientContext, given: Credentials): Promise<void>;
  /** Looks at SCRAM's server-first-message, before there is a proof. @throws {SASLFailure} `peer-not-verified`. @internal */
  verify(ctx: ClientContext, digest: Digest, serverFirst: string): Promise<void>;
}

/**
 * Protection of a client against downgrades. What is compared is what the exchange was begun with: `offered` and
 * `serverBindingTypes` of the settings, which bindings fill in, and `tlsVersion`, which the program gives.
 *
 * - A hash in SCRAM that does not fit the lists ends the login with `peer-not-verified`, before a proof is sent.
 * - So does a TLS version that is not the connection's own.
 * - With `logins`, PLAIN and LOGIN fail with `mechanism-too-weak` for accounts that got in by SCRAM or EXTERNAL before.
 */
export function downgradeProtection(options: DowngradeProtectionOptions = {}): DowngradeProtection {
  const { requireHash = false, requireTlsVersion = false } = options;
  return {
    excuses: unbindable,

    async admit(ctx, given) {
      const { mechanism, settings } = ctx;
      if (unbindable(settings) && !mechanism.channelBinding && !isScram(mechanism)) {
        throw ctx.fail("peer-not-verified", "the binding types are not the server's own, as far as can be known");
      }
      await admitPassword(ctx, given, options);
    },

    async verify(ctx, digest, serverFirst) {
      const { offered: mechanisms, serverBindingTypes: bindingTypes, tlsVersion } = ctx.settings;
      if (tlsVersion !== undefined && !isTlsVersion(tlsVersion)) throw new TypeError("tlsVersion is not four digits");
      const attributes = serverFirst.split(","); // every letter once, or they would not have come here
      const said = (letter: string) => attributes.find((each) => each.startsWith(`${letter}=`))?.slice(2);
      const hash = said("h");
      if (hash === undefined || mechanisms === undefined) {
        if (requireHash || unbindable(ctx.settings))
          throw ctx.fail("peer-not-verified", "nothing vouches for the lists"); // R-SSDP-04
      } else if (hash !== (await announcedHash(ctx, digest, { mechanisms, bindingTypes }))) {
        throw ctx.fail("peer-not-verified", "the server announced other lists than arrived"); // XEP-0474 §6.2
      }
      const version = said("t");
      const sound = version !== undefined && isTlsVersion(version) && version === (tlsVersion ?? version);
      if (!sound && (version !== undefined || requireTlsVersion)) {
        throw ctx.fail("peer-not-verified", "the server does not see the same TLS version"); // XEP-0515 §4.2
      }
      if (requireTlsVersion && tlsVersion === undefined) {
        throw ctx.fail("peer-not-verified", "the own TLS version is not known");
      }
    },
  };
}

/** XEP-0440 §3: both sides bind, have no type in common, and the server names not even the one that all servers have. */
function unbindable({ offered, channelBinding, serverBindingTypes }: ClientSettings): boolean {
  return (
    offered?.some((name) => name.endsWith("-PLUS")) === true &&
    Boolean(channelBinding?.types.length) &&
    serverBindingTypes?.includes("tls-server-end-point") === false &&
    commonTypes(channelBinding, serverBindingTypes).length === 0
  );
}

function isScram({ name }: MechanismInfo): boolean {
  return name.startsWith("SCRAM-");
}

/** XEP-0474 §7: who got in by SCRAM or EXTERNAL once does not fall back to PLAIN. */
async function admitPassword(ctx: ClientContext, given: Credentials, options: DowngradeProtectionOptions) {
  const { logins, consent, onFault } = options;
  const { mechanism, service, host } = ctx;
  if (logins === undefined) return;
  const keyOf = (name: string | null) => JSON.stringify([service ?? null, host ?? null, name]);
  const account = keyOf(nameOf(given, host));
  if (isScram(mechanism) || mechanism.name === "EXTERNAL") {
    const remember = async () => logins.add(account);
    ctx.ended((ok) => ok && remember().catch(onFault));
    return;
  }
  if (!showsPassword(mechanism)) return;
  try {
    // A certificate that logs in without a name may be anybody's at this host.
    if (!(await logins.has(account)) && !(await logins.has(keyOf(null)))) return;
    const request = { mechanism: mechanism.name, service, host, username: given.username };
    if ((await consent?.(request)) === true) return;
  } catch (error) {
    throw asSASLError(error, "temporary", "what is known of earlier logins cannot be looked up");
  }
  throw ctx.fail("mechanism-too-weak", "an earlier login did not show the password, and this one would");
}

/** The same for `tim`, `tim@example.com` and, of a certificate, the identity to act as. */
function nameOf({ username, authzid }: Credentials, host: string | undefined): string | null {
  const name = username || authzid || null;
  return host !== undefined && name?.endsWith(`@${host}`) ? name.slice(0, name.lastIndexOf("@")) : name;
}

/** The password, and no token: that is good for one service and for a while. */
function showsPassword({ security }: MechanismInfo): boolean {
  return (
    security.includes("passCredentials") && !security.includes("noPlaintext") && !security.includes("noDictionary")
  );
}
