/**
 * Stream management with a login, at the client: resuming a session in place of binding a new one, and enabling it for the
 * one that is bound. Source: XEP-0198 §5, §9.
 *
 * Counting stanzas and sending again what was lost is the application's.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { findChild } from "../element.js";
import { formatJid } from "../jid.js";
import { NS_SM } from "../namespaces.js";
import type { BindFeature } from "./bind2.js";
import { conditionIn, identifierIn, onlyChild } from "./children.js";
import type { ClientInline, MaybePromise } from "./contract.js";
import { booleanIn, numberIn } from "./stream-management-values.js";

/** A session that ended too early, as the client knows it. */
export interface Resumable {
  /** What `enabled` gave as its id. */
  readonly previd: string;
  /** Stanzas handled here since the session began, modulo 2^32. */
  readonly h: number;
}

/** What became of a session that was to be resumed. */
export type Resumption =
  | {
      readonly resumed: true;
      /** Stanzas the server handled, modulo 2^32: send again what came after them. */
      readonly h: number;
      /** Full JID of the session; `undefined` when the server does not repeat it. */
      readonly jid: string | undefined;
    }
  | {
      readonly resumed: false;
      /** The same, where the server still knows. */
      readonly h: number | undefined;
      /** Why not, such as `item-not-found`. */
      readonly condition: string | undefined;
    };

/**
 * Resumes a session with the login, where the server offers it. Give it beside `bind2()`, which is done when there is
 * nothing to resume.
 *
 * @param session or a function that gives it, `undefined` when there is none; asked before each attempt.
 * @returns an inline feature that finds what became of it; `undefined` when nothing was asked for.
 */
export function resume(
  session: Resumable | (() => MaybePromise<Resumable | undefined>),
): ClientInline<Resumption | undefined> {
  if (typeof session !== "function") check(session);
  /** What each login asked for, as long as it lasts. */
  const asked = new WeakMap<object, Resumable>();
  return {
    async request(about) {
      const { adapter, inline } = about;
      asked.delete(about);
      if (inline === undefined || findChild(adapter, inline, "sm", NS_SM) === undefined) return [];
      const wanted = typeof session === "function" ? await session() : session;
      if (wanted === undefined) return [];
      const { previd, h } = check(wanted);
      asked.set(about, wanted);
      return [adapter.create("resume", NS_SM, { previd, h: String(h) })];
    },
    success(success, about) {
      const { adapter } = about;
      const wanted = asked.get(about);
      const resumed = onlyChild(adapter, success, "resumed", NS_SM);
      const failed = onlyChild(adapter, success, "failed", NS_SM);
      if (resumed === undefined) {
        if (wanted === undefined) return undefined;
        const condition = failed && conditionIn(adapter, failed);
        return { resumed: false, h: failed && numberIn(adapter, failed, "h"), condition };
      }
      if (failed !== undefined) throw new SASLFailure("malformed-message", "a session was and was not resumed");
      // §5: the answer repeats the id. Somebody else's session is not for us, and neither is one nobody asked for.
      if (wanted === undefined || adapter.attribute(resumed, "previd") !== wanted.previd) {
        throw new SASLFailure("unexpected-message", "the server resumed another session");
      }
      const h = numberIn(adapter, resumed, "h");
      if (h === undefined) throw new SASLFailure("malformed-message", "a resumed session has no count");
      const jid = identifierIn(adapter, success);
      return { resumed: true, h, jid: jid?.resource === undefined ? undefined : formatJid(jid) };
    },
  };
}

function check(session: Resumable): Resumable {
  const { previd, h } = session;
  if (previd === "") throw new RangeError("previd is the id of a session");
  if (!(Number.isInteger(h) && h >= 0 && h <= 0xffffffff)) throw new RangeError("h is a count modulo 2^32");
  return session;
}

/** What became of stream management in a session that was bound. */
export type StreamManagement =
  | {
      readonly enabled: true;
      /** What to resume the session by; opaque. */
      readonly id: string | undefined;
      /** Whether the session can be resumed; it has an `id` then. */
      readonly resume: boolean;
      /** How long after its end, in seconds. */
      readonly max: number | undefined;
      /** Host and port the server wants to see the client at then. The certificate there has to be for the domain still. */
      readonly location: string | undefined;
    }
  | {
      readonly enabled: false;
      readonly condition: string | undefined;
    };

/** What {@link enableStreamManagement} asks for. */
export interface EnableOptions {
  /** Whether the session shall be resumable. Default true. */
  readonly resume?: boolean | undefined;
  /** For how long, in whole seconds, at least 1. Default: as the server likes. */
  readonly max?: number | undefined;
}

/** Enables stream management in `bind`: both ends count stanzas from the success on (XEP-0198 §9.1). */
export function enableStreamManagement(options: EnableOptions = {}): BindFeature<StreamManagement> {
  const { resume: resumable = true, max } = options;
  if (max !== undefined && !(Number.isInteger(max) && max >= 1 && max <= 0xffffffff)) {
    throw new RangeError("max is a time in seconds, at least 1");
  }
  const attributes = { ...(resumable && { resume: "true" }), ...(max !== undefined && { max: String(max) }) };
  return {
    feature: NS_SM,
    request: ({ adapter }) => [adapter.create("enable", NS_SM, attributes)],
    bound(bound, { adapter }) {
      const enabled = onlyChild(adapter, bound, "enabled", NS_SM);
      const failed = onlyChild(adapter, bound, "failed", NS_SM);
      if (enabled === undefined) return { enabled: false, condition: failed && conditionIn(adapter, failed) };
      if (failed !== undefined) throw new SASLFailure("malformed-message", "a session is and is not managed");
      const id = adapter.attribute(enabled, "id") || undefined;
      const canResume = booleanIn(adapter, enabled, "resume");
      if (canResume && id === undefined) throw new SASLFailure("malformed-message", "a session to resume has no id"); // §5
      return {
        enabled: true,
        id,
        resume: canResume,
        max: numberIn(adapter, enabled, "max"),
        location: adapter.attribute(enabled, "location") || undefined,
      };
    },
  };
}
