import { Element } from "ltx";
import { EXTERNAL, external, PLAIN, plain, SCRAMPLUS } from "sasl-core/mechanisms";
import { afterEach, expect, test } from "vitest";
import { cert, key } from "../../test/certificate.js";
import { one } from "../../test/client-certificates.js";
import { ca, echo, type Loopback, loopback } from "../../test/loopback.js";
import {
  authenticate,
  type BoundSession,
  bind2,
  bind2Server,
  discover,
  enableStreamManagement,
  NS_CLIENT,
  resume,
  resumeServer,
  sasl2,
  streamManagementServer,
} from "../index.js";
import { certificateAuthzid, certificateIdentity, SocketStream } from "./index.js";

const alice = { username: "alice", password: "open sesame" };
const open: Loopback[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

test("R-SA2-11 a session bound with the login carries stanzas at once, and is resumed over another connection", async () => {
  const resources: (string | undefined)[] = [];
  const sessions = new Map<string, BoundSession>();
  const server = await loopback({
    direct: true,
    sasl2: {
      inline: [
        resumeServer({
          resume: (account, previd) => {
            const session = sessions.get(previd);
            return session?.account === account ? { jid: session.jid, h: 1 } : undefined;
          },
        }),
        bind2Server({
          features: [
            streamManagementServer({
              enable(session) {
                sessions.set("first", session);
                return { id: "first", resume: true };
              },
            }),
          ],
        }),
      ],
    },
    async onAuthenticated(stream) {
      resources.push(stream.resource);
      await echo(stream);
    },
  });
  open.push(server);
  const binding = bind2({ tag: "Chat", features: [enableStreamManagement()] });
  const resumption = resume(() => (sessions.size > 0 ? { previd: "first", h: 1 } : undefined));
  const login = async () => {
    const stream = new SocketStream(await server.connectTLS(), { domain: "localhost", from: "alice@localhost" });
    const features = await stream.open();
    const profile = sasl2({ inline: [resumption, binding] });
    const result = await authenticate(stream, features, [SCRAMPLUS(alice), PLAIN(alice)], { sasl2: profile });
    return { stream, result };
  };
  const first = await login();
  const bound = first.result.inline.get(binding);
  await first.stream.restart();
  await first.stream.send(new Element("message", { xmlns: NS_CLIENT, to: bound?.jid ?? "" }));
  expect((await first.stream.receive()).attrs.to).toBe(bound?.jid);
  first.stream.close();
  const second = await login();
  expect(second.result.inline.get(binding)).toBeUndefined();
  expect(second.result.inline.get(resumption)).toEqual({ resumed: true, h: 1, jid: bound?.jid });
  // XEP-0198 §9.2: no features after a resumption; the next thing on the stream is an answer. Nobody waits for them.
  const features = await second.stream.restart();
  expect(discover(features, second.stream.adapter)).toMatchObject({
    mechanisms: [],
    sasl2: false,
    startTLS: undefined,
  });
  expect(second.stream.features).toBe(features);
  expect(features.children).toEqual([]);
  await second.stream.send(new Element("message", { xmlns: NS_CLIENT, to: "again@localhost" }));
  expect((await second.stream.receive()).attrs.to).toBe("again@localhost");
  second.stream.close();
  await expect.poll(() => resources).toEqual([bound?.resource, bound?.resource]);
});

test("XEP-0178 EXTERNAL with SASL2: the certificate's address is whom the session is bound for", async () => {
  const server = await loopback({
    tls: { key, cert, ca: [one.cert] },
    external: certificateIdentity({ hosts: ["localhost"] }),
    sasl: { mechanisms: [external, plain] },
    sasl2: { inline: [bind2Server({ resource: () => "home" })] },
  });
  open.push(server);
  const stream = new SocketStream(await server.connect(), { domain: "localhost", from: "alice@localhost" });
  await stream.open();
  const features = await stream.startTLS({ ca, ...one });
  const authzid = certificateAuthzid(one.cert, "alice@localhost");
  const result = await authenticate(stream, features, [EXTERNAL({ authzid })], { sasl2: sasl2({ inline: [bind2()] }) });
  expect(result).toMatchObject({ mechanism: "EXTERNAL", profile: "sasl2", jid: "alice@localhost/home" });
  stream.socket.destroy();
});

test("XEP-0178 R-SA2-05 EXTERNAL with SASL2 for another account than the stream header names", async () => {
  const server = await loopback({
    tls: { key, cert, ca: [one.cert] },
    external: certificateIdentity({ hosts: ["localhost"] }),
    sasl: { mechanisms: [external, plain] },
  });
  open.push(server);
  const stream = new SocketStream(await server.connect(), { domain: "localhost", from: "bob@localhost" });
  await stream.open();
  const features = await stream.startTLS({ ca, ...one });
  const login = authenticate(stream, features, [EXTERNAL({})], { sasl2: sasl2() });
  await expect(login).rejects.toMatchObject({ code: "authorization-refused" });
  stream.socket.destroy();
});
