/**
 * What stream features say about authentication, and how a server says it. Source: RFC 6120 §6.4.1, XEP-0440.
 *
 * @module
 */
import { elementsIn, findChild, isElement, textOf, type XMLAdapter } from "./element.js";
import { NS_BINDING_TYPES, NS_FAST, NS_SASL, NS_SASL2, NS_TLS } from "./namespaces.js";

/** What a server offers on the stream as it is now. Forget it when the stream restarts (R-XMPP-11). */
export interface Discovery {
  /** Mechanism names as sent, without doubles. */
  readonly mechanisms: readonly string[];
  /** Channel-binding types the server supports (XEP-0440); `undefined` when it said nothing. */
  readonly bindingTypes: readonly string[] | undefined;
  /** Whether the first message can travel with the mechanism name: in XMPP always (RFC 6120 §6.4.2). */
  readonly initialResponse: true;
  /** STARTTLS offer; `undefined` when there is none (RFC 6120 §5.4.1). */
  readonly startTLS: "required" | "optional" | undefined;
  /** True when the server also offers SASL2 (XEP-0388): `discoverSASL2` says with what, `sasl2` takes it. */
  readonly sasl2: boolean;
  /** True when the server also offers FAST tokens (XEP-0484), within SASL2. */
  readonly fast: boolean;
}

/** The part of {@link Discovery} that authentication needs. */
export type Offer = Pick<Discovery, "mechanisms" | "bindingTypes">;

/** Reads what can be authenticated with. */
export function offerOf<E>(features: E, adapter: XMLAdapter<E>): Offer {
  const list = findChild(adapter, features, "mechanisms", NS_SASL);
  const types = findChild(adapter, features, "sasl-channel-binding", NS_BINDING_TYPES);
  return {
    mechanisms: valuesIn(adapter, list, "mechanism", (each) => textOf(adapter, each)) ?? [],
    bindingTypes: valuesIn(adapter, types, "channel-binding", (each) => adapter.attribute(each, "type")),
  };
}

/** What the children of that name, in the namespace of the list, say: once each. */
function valuesIn<E>(
  adapter: XMLAdapter<E>,
  list: E | undefined,
  name: string,
  read: (element: E) => string | undefined,
): string[] | undefined {
  if (list === undefined) return undefined;
  const found = elementsIn(adapter, list).filter((each) => isElement(adapter, each, name, adapter.namespace(list)));
  return [...new Set(found.map(read))].filter((value): value is string => Boolean(value));
}

/**
 * Reads a `features` element. Total: what is not understood is not there.
 *
 * @param features the element the server sent after its stream header.
 */
export function discover<E>(features: E, adapter: XMLAdapter<E>): Discovery {
  const tls = findChild(adapter, features, "starttls", NS_TLS);
  const sasl2 = findChild(adapter, features, "authentication", NS_SASL2);
  const inline = sasl2 && findChild(adapter, sasl2, "inline", NS_SASL2);
  return {
    ...offerOf(features, adapter),
    initialResponse: true,
    startTLS: tls && (findChild(adapter, tls, "required", NS_TLS) ? "required" : "optional"),
    sasl2: sasl2 !== undefined,
    fast: inline !== undefined && findChild(adapter, inline, "fast", NS_FAST) !== undefined,
  };
}

/** What {@link announce} may be told. */
export interface AnnounceOptions {
  /** Types this connection can bind to, announced beside mechanisms that bind (XEP-0440 §2). */
  readonly bindingTypes?: readonly string[] | undefined;
}

/**
 * The children of `features` that announce mechanisms: none at all when there is no mechanism, for an empty
 * `mechanisms` element is never sent (RFC 6120 §6.4.1, R-XMPP-02).
 *
 * @param mechanisms what the server's `mechanisms(connection)` gave for this connection, or `mechanismsFor` for who is expected.
 */
export function announce<E>(
  mechanisms: readonly string[],
  adapter: XMLAdapter<E>,
  options: AnnounceOptions = {},
): readonly E[] {
  if (mechanisms.length === 0) return [];
  const list = mechanisms.map((name) => adapter.create("mechanism", NS_SASL, {}, [name]));
  const announced = [adapter.create("mechanisms", NS_SASL, {}, list)];
  const types = announcedTypes(mechanisms, options.bindingTypes)?.map((type) =>
    adapter.create("channel-binding", NS_BINDING_TYPES, { type }),
  );
  return types ? [...announced, adapter.create("sasl-channel-binding", NS_BINDING_TYPES, {}, types)] : announced;
}

/** The types to announce beside these mechanisms; `undefined` where none are. */
export function announcedTypes(
  mechanisms: readonly string[],
  types: readonly string[] = [],
): readonly string[] | undefined {
  // XEP-0440 §2: types say nothing without a mechanism that binds; RFC 5801 §3.1 gives those their suffix.
  return types.length > 0 && mechanisms.some((name) => name.endsWith("-PLUS")) ? types : undefined;
}
