import { Element, parse } from "ltx";
import type { ServerResult } from "sasl-core";
import { ltxAdapter } from "sasl-xmpp";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ManagedSession, Sessions } from "./xmpp-sessions.js";

const jid = "alice@localhost";
const result = { mechanism: "PLAIN", authcid: "alice", authzid: "alice" } as ServerResult;
const adapter = ltxAdapter(Element);

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

const later = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000);

/** Asks as a client of this account does that has bound a resource, or has not. */
async function ask(sessions: Sessions, xml: string, resource?: string, account = jid) {
  const stream = { jid: account, resource, managed: false, userAgent: {}, result };
  const presence = { available: false, carbons: false };
  const { answer, managed } = (await sessions.negotiate(adapter, parse(xml) as Element, stream, presence)) ?? {};
  return { answer: String(answer), managed };
}

async function begin(sessions: Sessions, resource = "desk", account = jid): Promise<ManagedSession> {
  const { managed } = await ask(sessions, "<enable xmlns='urn:xmpp:sm:3' resume='1'/>", resource, account);
  if (managed === undefined) throw new Error("not enabled");
  return managed;
}

const resume = (sessions: Sessions, { id }: ManagedSession, h = 0) =>
  ask(sessions, `<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='${h}'/>`);

describe("a session under stream management", () => {
  test("XEP-0198 §4: confirms what was sent, and neither more nor less than before", () => {
    const session = new ManagedSession(`${jid}/desk`, jid);
    const stanzas = ["a", "b", "c"].map((name) => new Element(name));
    for (const each of stanzas) session.keep(each);
    expect(session.confirm(2)).toBe(true);
    expect(session.unconfirmed).toEqual(stanzas.slice(2));
    for (const h of [1, 4, 2 ** 32 - 1]) expect(session.confirm(h)).toBe(false);
    expect(session.confirm(2)).toBe(true);
    expect(session.unconfirmed).toEqual(stanzas.slice(2));
  });

  test("XEP-0198 §5: is known for 60 seconds after its stream", async () => {
    const sessions = new Sessions();
    const managed = await begin(sessions);
    const end = vi.fn();
    managed.attach(end);
    managed.handle();
    later(3600); // a live one is known as long as it lives
    expect(managed.detach(end)).toBe(true);
    later(60);
    expect((await resume(sessions, managed)).managed).toBe(managed);
    expect(end).not.toHaveBeenCalled();
    later(61); // the login that took it up never got a stream
    const { answer } = await resume(sessions, managed);
    expect(answer).toMatch(/^<failed xmlns="urn:xmpp:sm:3" h="1"><item-not-found /);
  });

  test("XEP-0198 §5: lives where it was taken to, when its former stream ends at last", async () => {
    const sessions = new Sessions();
    const managed = await begin(sessions);
    const [former, latter] = [vi.fn(), vi.fn()];
    managed.attach(former);
    await resume(sessions, managed);
    expect(former).toHaveBeenCalledOnce();
    expect(managed.detach(former)).toBe(false);
    managed.attach(latter);
    expect(managed.detach(former)).toBe(false);
    later(3600);
    expect((await resume(sessions, managed)).managed).toBe(managed);
    expect(latter).toHaveBeenCalledOnce();
  });

  test("makes room among those that wait, and never ends one that lives", async () => {
    const sessions = new Sessions();
    const live = await begin(sessions, "live", "bob@localhost");
    live.attach(() => {});
    const first = await begin(sessions, "r", "user0@localhost");
    for (let i = 1; i < 999; i++) await begin(sessions, "r", `user${i}@localhost`);
    await begin(sessions, "r", "one-more@localhost");
    const asked = (session: ManagedSession) =>
      ask(sessions, `<resume xmlns='urn:xmpp:sm:3' previd='${session.id}' h='0'/>`, undefined, session.account);
    expect((await asked(first)).answer).toContain("item-not-found");
    expect((await asked(live)).answer).toMatch(/^<resumed /);
  });

  test("makes room by the one that waited longest, not by the one that began first", async () => {
    const sessions = new Sessions();
    const long = await begin(sessions);
    const end = () => {};
    long.attach(end);
    const waiting: ManagedSession[] = [];
    for (let i = 0; i < 19; i++) waiting.push(await begin(sessions));
    later(30);
    long.detach(end);
    await begin(sessions);
    expect((await resume(sessions, waiting[0] as ManagedSession)).answer).toContain("item-not-found");
    expect((await resume(sessions, long)).managed).toBe(long);
  });

  test("cannot be resumed where too many live", async () => {
    const sessions = new Sessions();
    for (let i = 0; i < 20; i++) (await begin(sessions)).attach(() => {});
    const { answer } = await ask(sessions, "<enable xmlns='urn:xmpp:sm:3' resume='1'/>", "desk");
    expect(answer).toBe('<enabled xmlns="urn:xmpp:sm:3"/>');
  });
});
