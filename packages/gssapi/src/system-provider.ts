/**
 * Whatever there is: the library of the system, or else the `kerberos` package, or else nothing.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import type { GssProvider } from "sasl-core/mechanisms";
import { kerberosProvider } from "./kerberos-provider.js";
import { libraryProvider } from "./library-provider.js";

/**
 * A provider that loads {@link libraryProvider} or else {@link kerberosProvider} when it is first needed. Where neither can be
 * loaded, clients fail with `no-credentials`, so that another mechanism is tried, and servers offer nothing of it.
 */
export function systemProvider(
  makers: readonly (() => GssProvider)[] = [libraryProvider, kerberosProvider],
): GssProvider {
  let found: GssProvider | undefined;
  const provider = (): GssProvider => {
    found ??= firstOf(makers);
    return found;
  };
  return {
    get bindsChannels() {
      return provider().bindsChannels;
    },
    get protectsData() {
      return provider().protectsData;
    },
    canAccept: (mechanism) => provider().canAccept(mechanism),
    initiate: (options) => provider().initiate(options),
    accept: (options) => provider().accept(options),
  };
}

function firstOf(makers: readonly (() => GssProvider)[]): GssProvider {
  const reasons: unknown[] = [];
  for (const make of makers) {
    try {
      return make();
    } catch (error) {
      reasons.push(error);
    }
  }
  return nothing(new AggregateError(reasons, "no implementation of the GSS-API can be loaded"));
}

function nothing(cause: AggregateError): GssProvider {
  const refuse = (code: "no-credentials" | "temporary") => (): never => {
    throw new SASLFailure(code, "there is no GSS-API here: install koffi, and the library of the system", { cause });
  };
  return {
    bindsChannels: true, // so that the reason is told, and not that one
    protectsData: true,
    canAccept: () => false,
    initiate: refuse("no-credentials"),
    accept: refuse("temporary"),
  };
}
