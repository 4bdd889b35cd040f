/**
 * What else a session can begin with, inside `bind`: carbons, the client's state, and where its archive begins and ends.
 * Sources: XEP-0386 §3.2, XEP-0280, XEP-0352, XEP-0313 §6.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { elementsIn, isElement, type XMLAdapter } from "../element.js";
import { NS_CARBONS, NS_CSI, NS_MAM } from "../namespaces.js";
import type { BindFeature } from "./bind2.js";
import type { BoundSession, ServerBindFeature } from "./bind2-server.js";
import { onlyChild } from "./children.js";
import type { MaybePromise } from "./contract.js";

/** Enables carbons: copies of the messages of the account's other clients. It cannot fail, so that nothing answers. */
export function enableCarbons(): BindFeature<true> {
  return {
    feature: NS_CARBONS,
    request: ({ adapter }) => [adapter.create("enable", NS_CARBONS)],
    bound: () => true,
  };
}

/** @param enable begins to send copies. What it throws ends the login, for the client takes it for granted (XEP-0386 §3.2). */
export function carbonsServer(enable: (session: BoundSession) => MaybePromise<void>): ServerBindFeature {
  return {
    feature: NS_CARBONS,
    check(bind, adapter) {
      onlyChild(adapter, bind, "enable", NS_CARBONS);
    },
    async bound(bind, session, adapter) {
      if (onlyChild(adapter, bind, "enable", NS_CARBONS) !== undefined) await enable(session);
      return [];
    },
  };
}

/** Whether somebody looks at a client. */
export type ClientState = "active" | "inactive";

/** Begins the session in this state. @returns a feature that finds the state the session began in. */
export function beginAs<S extends ClientState>(state: S): BindFeature<S> {
  return {
    feature: NS_CSI,
    request: ({ adapter }) => [adapter.create(state, NS_CSI)],
    bound: () => state,
  };
}

/** @param begin told the state that a client asks for. What it throws ends the login. */
export function clientStateServer(
  begin: (session: BoundSession, state: ClientState) => MaybePromise<void>,
): ServerBindFeature {
  return {
    feature: NS_CSI,
    check(bind, adapter) {
      stateIn(adapter, bind);
    },
    async bound(bind, session, adapter) {
      const state = stateIn(adapter, bind);
      if (state !== undefined) await begin(session, state);
      return [];
    },
  };
}

function stateIn<E>(adapter: XMLAdapter<E>, bind: E): ClientState | undefined {
  const active = onlyChild(adapter, bind, "active", NS_CSI);
  const inactive = onlyChild(adapter, bind, "inactive", NS_CSI);
  if (active && inactive) throw new SASLFailure("malformed-message", "a client is active and is not");
  return (active && "active") ?? (inactive && "inactive");
}

/** A message in an archive. */
export interface ArchiveEnd {
  readonly id: string;
  /** As in XEP-0082: `2008-08-22T21:09:04Z`. */
  readonly timestamp: string;
}

/** The oldest and the newest message of an archive. */
export interface ArchiveRange {
  readonly start: ArchiveEnd;
  readonly end: ArchiveEnd;
}

/** Reads where the archive begins and ends at the moment of binding; `undefined` when it is empty or the server does not say. */
export function archiveRange(): BindFeature<ArchiveRange | undefined> {
  return {
    bound(bound, { adapter }) {
      const metadata = onlyChild(adapter, bound, "metadata", NS_MAM);
      const [start, end] = ["start", "end"].map((name) => metadata && archiveEnd(adapter, metadata, name));
      return start && end && { start, end };
    },
  };
}

function archiveEnd<E>(adapter: XMLAdapter<E>, metadata: E, name: string): ArchiveEnd | undefined {
  const element = elementsIn(adapter, metadata).find((each) => isElement(adapter, each, name, NS_MAM));
  const id = element && adapter.attribute(element, "id");
  const timestamp = element && adapter.attribute(element, "timestamp");
  return id === undefined || timestamp === undefined ? undefined : { id, timestamp };
}

/** @param range of the account's archive, at this moment; `undefined` when it is empty. */
export function archiveRangeServer(
  range: (session: BoundSession) => MaybePromise<ArchiveRange | undefined>,
): ServerBindFeature {
  return {
    async bound(_, session, adapter) {
      const found = await range(session);
      const ends = found && (["start", "end"] as const).map((name) => adapter.create(name, NS_MAM, { ...found[name] }));
      return [adapter.create("metadata", NS_MAM, {}, ends ?? [])];
    },
  };
}
