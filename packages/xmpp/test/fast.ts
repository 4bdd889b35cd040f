/**
 * Both ends of FAST without the engine between them: what one says reaches the other as XML text, and the exchange is
 * core's own.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { type AccountStore, authenticate, channelBinding, isSASLError, memoryAccounts, SASLServer } from "sasl-core";
import { hashedTokens, htSha256, PLAIN, plain } from "sasl-core/mechanisms";
import { bareJid, fast, fastServer, memoryFastTokens, NS_SASL2 } from "sasl-xmpp";
import { elementsIn, isElement } from "../src/element.js";
import type { ClientAbout, ClientBefore, ClientInline, ServerAbout } from "../src/sasl2/contract.js";
import type { FastResult } from "../src/sasl2/fast.js";
import type { FastServerOptions } from "../src/sasl2/fast-server.js";
import { bytes, type Kit } from "./support.js";

export const alice = "alice@example.com";
export const phone = "d4565fa7-4d72-4749-b3d3-740edbf87770";
export const tablet = "0b5a9f3e-6f0a-4a3c-9d0c-5d2c8f1e7a11";
export const day = 24 * 3600_000;
export const start = Date.UTC(2026, 0, 1);

interface Example {
  readonly id: string;
  readonly xml: string;
}

const { examples } = JSON.parse(readFileSync(new URL("./vectors/xep-0484.json", import.meta.url), "utf8")) as {
  examples: readonly Example[];
};

/** A published example by its id. */
export function example<E>(kit: Kit<E>, id: string): E {
  const found = examples.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no example ${id}`);
  return kit.parse(found.xml);
}

/** The descendant of this name, in document order. */
export function find<E>(kit: Kit<E>, element: E, name: string): E {
  const found = findIn(kit, element, name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

function findIn<E>(kit: Kit<E>, element: E, name: string): E | undefined {
  if (kit.adapter.name(element) === name) return element;
  for (const child of elementsIn(kit.adapter, element)) {
    const found = findIn(kit, child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What a client knows when the server announces this. */
export function clientAbout<E>(kit: Kit<E>, authentication: E, more: Partial<ClientAbout<E>> = {}): ClientAbout<E> {
  const inline = elementsIn(kit.adapter, authentication).find((each) =>
    isElement(kit.adapter, each, "inline", NS_SASL2),
  );
  return {
    adapter: kit.adapter,
    authentication,
    inline,
    from: alice,
    userAgent: { id: phone },
    bindingTypes: [],
    bindingRequired: false,
    ...more,
  };
}

/** An `authentication` with these token mechanisms. */
export function announcing<E>(kit: Kit<E>, ...mechanisms: readonly string[]): E {
  const names = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join("");
  const feature = `<inline><fast xmlns='urn:xmpp:fast:0'>${names}</fast></inline>`;
  return kit.parse(`<authentication xmlns='${NS_SASL2}'>${feature}</authentication>`);
}

/** A service with the account alice, password "open sesame", and a clock of its own. */
export function service(
  options: Partial<FastServerOptions> & { accounts?: AccountStore; secret?: Uint8Array | undefined } = {},
) {
  const { accounts = memoryAccounts({ alice: "open sesame", bob: "hunter two" }), secret, ...rest } = options;
  const clock = { time: start };
  const now = () => clock.time;
  const tokens = hashedTokens({ accounts, hashes: [htSha256], now, secret });
  const inline = fastServer({ tokens, now, ...rest });
  const canonicalizers = [bareJid(["example.com"])];
  const sasl = new SASLServer({ mechanisms: [plain, ...tokens.mechanisms], accounts, service: "xmpp", canonicalizers });
  return { accounts, tokens, clock, now, inline, sasl };
}

export type Service = ReturnType<typeof service>;

/** A client of its own, with a store and the clock of the service. */
export function device({ now }: Pick<Service, "now">, id: string | undefined = phone) {
  const store = memoryFastTokens();
  return { id, store, inline: fast({ store, now, hashes: [htSha256] }) };
}

export interface LoginOptions {
  readonly from?: string;
  readonly id?: string | undefined;
  readonly password?: string;
  readonly bindingTypes?: readonly string[];
  readonly client: ClientInline<FastResult>;
  /** What the client says instead. */
  readonly tamper?: (xml: string) => string;
}

/**
 * One login: with a token where there is one, then with the password. Nothing is sent for a client that has neither.
 *
 * @throws what ended it.
 */
export async function login<E>(kit: Kit<E>, { inline, sasl }: Pick<Service, "inline" | "sasl">, options: LoginOptions) {
  const { from = alice, id, password, bindingTypes = [], client, tamper = (xml) => xml } = options;
  const { adapter } = kit;
  const wire = (element: E, change = (xml: string) => xml) => kit.parse(change(kit.serialize(element)));
  const announced = aboutRequest(kit, undefined, { from, bindingTypes });
  const features = adapter.create("inline", NS_SASL2, {}, await inline.announce(announced));
  const about = clientAbout(kit, wire(adapter.create("authentication", NS_SASL2, {}, [features])), {
    from,
    bindingTypes,
    userAgent: { id },
  });
  const binding = channelBinding(Object.fromEntries(bindingTypes.map((type) => [type, bytes(`the ${type}`)])));
  const username = from.slice(0, from.indexOf("@"));
  const otherwise: ClientBefore = {
    mechanisms: password === undefined ? [] : [PLAIN({ username, password })],
    offered: ["PLAIN"],
  };
  const first = await client.before?.(about);
  const codes: string[] = [];
  for (const { mechanisms, offered } of first ? [first, otherwise] : [otherwise]) {
    const [mechanism = ""] = offered;
    const request = wire(
      adapter.create("authenticate", NS_SASL2, { mechanism }, await client.request(about, mechanism)),
      tamper,
    );
    try {
      const asked = aboutRequest(kit, request, { from, bindingTypes, userAgent: { id } });
      await inline.check?.(asked);
      const session = sasl.session({ secure: true, channelBinding: binding, successData: true, host: "example.com" });
      await authenticate(session, offered, mechanisms, { channelBinding: binding });
      const { result } = session;
      if (result === undefined) throw new Error("nobody is authenticated");
      const jid = `${result.authcid}@example.com`;
      const done = { ...asked, request, mechanism, result, jid, resource: undefined, bind: () => {} };
      await inline.admit?.(done);
      const success = wire(adapter.create("success", NS_SASL2, {}, await inline.success(done)));
      const found = await client.success(success, about, mechanism);
      return {
        mechanism,
        codes,
        fast: found,
        request: kit.serialize(request),
        success: kit.serialize(success),
        result,
      };
    } catch (error) {
      if (!isSASLError(error) || mechanism === "PLAIN") throw error;
      codes.push(error.code);
      await client.refused?.(error, from);
    }
  }
  throw new Error("nothing is left to try");
}

/** What a server knows of an `authenticate`, or before it. */
export function aboutRequest<E>(
  { adapter }: Kit<E>,
  request: E | undefined,
  more: Partial<ServerAbout<E>> = {},
): ServerAbout<E> {
  const mechanism = request === undefined ? undefined : adapter.attribute(request, "mechanism");
  return {
    adapter,
    host: "example.com",
    request,
    mechanism,
    userAgent: { id: phone },
    from: alice,
    bindingTypes: [],
    ...more,
  };
}
