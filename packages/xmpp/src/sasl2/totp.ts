/**
 * A second factor after the first: the code that an app on another device shows, as a SASL2 task. Source: RFC 6238 for
 * codes, XEP-0388 §2.6.3 for tasks. No XEP says what such a task is called and holds; here `next` for the task `TOTP` holds
 * `<code xmlns='urn:x-sasl-xmpp:totp:0'>123456</code>`, and success, another task or failure follows.
 *
 * The server's half is in `sasl-xmpp/totp`.
 *
 * @module
 */
import { SASLFailure } from "sasl-core";
import { asSASLError } from "sasl-core/plugin";
import { textOf, type XMLAdapter } from "../element.js";
import { NS_TOTP } from "../namespaces.js";
import type { ClientAbout, ClientTask, MaybePromise, TaskConversation } from "./contract.js";

/** Name of the task where nobody says otherwise. */
export const totpTaskName = "TOTP";

/** On whose behalf a code is wanted. */
export interface TotpRequest {
  /** Bare JID of the account. */
  readonly account: string;
  /** Name of the task. */
  readonly task: string;
}

/** Options of {@link totp}. */
export interface TotpOptions {
  /** What the server calls the task. Default `TOTP`. */
  readonly name?: string | undefined;
}

/**
 * The task at a client.
 *
 * @param ask gives the code that is shown at this moment, 6 to 10 digits; spaces and hyphens between them are dropped.
 *   `undefined` refuses, and the login ends with `no-credentials`; so does what is no code. What is thrown ends it with
 *   `temporary`, unless it is a SASLError.
 */
export function totp(
  ask: (request: TotpRequest) => MaybePromise<string | undefined>,
  { name = totpTaskName }: TotpOptions = {},
): ClientTask {
  return {
    handles: (each) => each === name,
    async *perform<E>(task: string, { adapter, from }: ClientAbout<E>): TaskConversation<E> {
      const given = await (async () => ask({ account: from, task }))().catch((error: unknown) => {
        throw asSASLError(error, "temporary", "the code cannot be had");
      });
      const code = given?.replace(/[\s-]/g, "");
      if (code === undefined || !codeForm.test(code)) throw new SASLFailure("no-credentials", "there is no code");
      yield [formatCode(adapter, code)];
    },
  };
}

/** RFC 4226 §5.3, E.1: six digits at least, and no more than the truncated value has. */
const codeForm = /^[0-9]{6,10}$/;

function formatCode<E>(adapter: XMLAdapter<E>, code: string): E {
  return adapter.create("code", NS_TOTP, {}, [code]);
}

/**
 * The code among the children of `next`. Inverse of what the client sends; elements of other namespaces are passed over.
 *
 * @throws {SASLFailure} `malformed-message` for none, several, or what cannot be a code.
 * @internal
 */
export function parseCode<E>(adapter: XMLAdapter<E>, children: readonly E[]): string {
  const [element, ...others] = children.filter((each) => adapter.namespace(each) === NS_TOTP);
  const sole = element !== undefined && others.length === 0 && adapter.name(element) === "code";
  const code = sole ? textOf(adapter, element) : undefined;
  if (code === undefined || !codeForm.test(code)) throw new SASLFailure("malformed-message", "a task without a code");
  return code;
}
