/**
 * What the tests of SASL2 share: a feature and a task of their own, and both ends in memory.
 *
 * @module
 */
import type {
  AuthenticateOptions,
  ChannelBinding,
  SASLMechanism,
  ServerConnection,
  ServerEvent,
  ServerOptions,
} from "sasl-core";
import { saslError } from "sasl-core/plugin";
import {
  announce,
  authenticate,
  type ClientInline,
  type ClientTask,
  type ElementTransport,
  elementPair,
  type SASL2Options,
  type SASL2ServeOutcome,
  type SASL2ServerOptions,
  SASL2Stream,
  type ServerInline,
  type ServerTask,
  sasl2,
} from "sasl-xmpp";
import { saslServer } from "./loopback.js";
import { type Kit, type Shape, shape } from "./support.js";

export const SASL2 = "xmlns='urn:xmpp:sasl:2'";
const NS_NOTE = "urn:example:note";

/** Sends a note and reads the one that comes back. */
export const note: ClientInline<string | undefined> = {
  request: ({ adapter }) => [adapter.create("note", NS_NOTE, {}, ["hello"])],
  success: (success, { adapter }) => {
    for (const child of adapter.children(success)) {
      if (typeof child !== "string" && adapter.namespace(child as never) === NS_NOTE) {
        return adapter.children(child as never).join("");
      }
    }
    return undefined;
  },
};

/** Answers a note, and says when it did so. */
export function noteServer(log: string[] = []): ServerInline {
  return {
    announce: ({ adapter }) => [adapter.create("note", NS_NOTE)],
    check: () => void log.push("check"),
    admit: ({ jid }) => void log.push(`admit ${jid}`),
    success: ({ adapter, jid }) => {
      log.push(`success ${jid}`);
      return [adapter.create("note", NS_NOTE, {}, [`hello ${jid}`])];
    },
  };
}

/** Knows a word, in as many turns as it has letters. */
export function wordTask(word: string, name = "WORD"): ClientTask {
  return {
    handles: (each) => each === name,
    async *perform(_, { adapter }) {
      for (const letter of word) yield [adapter.create("letter", NS_NOTE, {}, [letter])];
    },
  };
}

/** Wants a word, letter by letter. */
export function wordServer(word: string, more: Partial<ServerTask> = {}): ServerTask {
  return {
    name: "WORD",
    due: () => true,
    ...more,
    async *perform({ adapter }, next) {
      let heard = next;
      for (const letter of word) {
        const [element] = heard;
        if (element === undefined || adapter.children(element).join("") !== letter) {
          throw saslError("refused", "another word");
        }
        if (letter !== word.at(-1)) heard = yield [];
      }
    },
  };
}

export interface Played {
  readonly client?: SASL2Options | undefined;
  readonly server?: SASL2ServerOptions | undefined;
  readonly sasl?: Partial<ServerOptions> | undefined;
  readonly connection?: Partial<ServerConnection> | undefined;
  readonly binding?: ChannelBinding | undefined;
  readonly options?: AuthenticateOptions | undefined;
  /** What the stream header names for each end. */
  readonly from?: string | undefined;
  readonly told?: string | undefined;
  /** Changes what the server says. */
  readonly forge?: ((xml: string) => string) | undefined;
  /** Changes what the client says. */
  readonly forgeRequest?: ((xml: string) => string) | undefined;
}

/** A login of our client at our server, and everything that was said, in order. */
export async function play<E>(kit: Kit<E>, mechanisms: readonly SASLMechanism[], given: Played = {}) {
  const { adapter } = kit;
  const { binding, from = "alice@localhost" } = given;
  const events: ServerEvent[] = [];
  const said: Shape[] = [];
  const outcomes: SASL2ServeOutcome[] = [];
  const server = saslServer({ onOutcome: (event) => void events.push(event), ...given.sasl });
  const pair = elementPair(adapter, { secure: true, clientBinding: binding, serverBinding: binding });
  const told = "told" in given ? given.told : from;
  const stream = new SASL2Stream<E>(
    { adapter, host: "localhost", from: told, bindingTypes: binding?.types },
    given.server,
  );
  const connection: ServerConnection = {
    secure: true,
    channelBinding: binding,
    successData: true,
    admit: (...done) => stream.admit(...done),
    ...given.connection,
  };
  const session = server.session(connection);
  const keep = (end: ElementTransport<E>): ElementTransport<E> => ({
    ...end,
    from,
    send: (element) => {
      const forge = end === pair.server ? given.forge : given.forgeRequest;
      const sent = forge ? kit.parse(forge(kit.serialize(element))) : element;
      said.push(shape(kit, sent, "mechanism", "task", "id"));
      return end.send(sent);
    },
  });
  const features = adapter.create("features", "http://etherx.jabber.org/streams", {}, [
    ...(await stream.announce(server.mechanisms(connection))),
    ...announce(server.mechanisms(connection), adapter, { bindingTypes: binding?.types }).slice(1), // the types alone
  ]);
  let lost: unknown;
  const serving = (async () => {
    for (;;) outcomes.push(await stream.serve(keep(pair.server), session, await pair.server.receive()));
  })().catch((error: unknown) => {
    lost = error;
    pair.server.close();
  });
  try {
    const profile = sasl2(given.client);
    const done = await authenticate(keep(pair.client), features, mechanisms, { sasl2: profile, ...given.options }).then(
      (result) => ({ result, error: undefined }),
      (error: unknown) => ({ result: undefined, error }),
    );
    return {
      ...done,
      lost: () => lost,
      said,
      names: said.map(([name]) => name),
      events,
      outcomes,
      session,
      stream,
      features,
    };
  } finally {
    pair.client.close();
    await serving;
  }
}
