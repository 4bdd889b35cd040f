/**
 * Servers that do not say what they should: mechanisms that lie, and scripts without any mechanism.
 *
 * @module
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { scramSha256 } from "sasl-core/mechanisms";
import { defineMechanism, type Mechanism } from "sasl-core/plugin";
import { WebSocketServer } from "ws";

type Half = NonNullable<Mechanism["server"]>;
type Conversation = ReturnType<Half>;
type Ended = Conversation extends AsyncGenerator<unknown, infer Result, unknown> ? Result : never;

/** SCRAM-SHA-256 with another end. */
function endingWith(change: (honest: Ended) => Ended): Mechanism {
  return defineMechanism({
    ...scramSha256,
    async *server(ctx): Conversation {
      const honest = (scramSha256.server as Half)(ctx);
      let step = await honest.next();
      while (!step.done) step = await honest.next(yield step.value);
      return change(step.value);
    },
  });
}

/** Says nothing that is not so: the signature in a challenge, which is answered with nothing, and success without a message. */
export const verbose: Mechanism = defineMechanism({
  ...scramSha256,
  async *server(ctx): Conversation {
    const honest = (scramSha256.server as Half)(ctx);
    let step = await honest.next();
    while (!step.done) step = await honest.next(yield step.value);
    const { data, ...result } = step.value;
    yield data as Uint8Array;
    return result;
  },
});

/** The server's signature changed in its first octet. */
export const forged: Mechanism = endingWith((honest) => {
  const data = new Uint8Array(honest.data as Uint8Array);
  data[2] = data[2] === 65 ? 66 : 65; // behind "v="
  return { ...honest, data };
});

/** Success without the server's signature. */
export const silent: Mechanism = endingWith(({ data: _, ...honest }) => honest);

/** Success as soon as the client has said who it is. */
export const hasty: Mechanism = defineMechanism({
  ...scramSha256,
  async *server(ctx): Conversation {
    yield;
    const account = await ctx.identify("alice");
    return { authcid: account.name };
  },
});

/** A server that offers SCRAM-SHA-256 and then says these things, one for each element it hears. */
export interface Script {
  readonly url: string;
  /** The elements it heard, without the framing. */
  readonly heard: string[];
  close(): void;
}

const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
export const features: string =
  "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" +
  `<mechanisms ${SASL}><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>`;

/** @param lines elements with `SASL` for the namespace; `close` closes without a word. */
export async function script(lines: readonly string[], offer = features): Promise<Script> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "xmpp" });
  await once(server, "listening");
  const heard: string[] = [];
  server.on("connection", (socket) => {
    const left = [...lines];
    socket.on("message", (data) => {
      const text = String(data);
      if (text.startsWith("<open")) {
        socket.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' id='1' from='localhost'/>");
        socket.send(offer);
      } else if (text.startsWith("<close")) {
        socket.close();
      } else {
        heard.push(text);
        const line = text.startsWith("<abort") ? "<failure SASL><aborted/></failure>" : left.shift();
        if (line === "close") socket.terminate();
        else if (line !== undefined) for (const each of line.split("\n")) socket.send(each.replace("SASL", SASL));
      }
    });
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/`,
    heard,
    close() {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}
