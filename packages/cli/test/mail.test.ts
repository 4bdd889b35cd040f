/**
 * What clients see of the test server after the login: mail goes in by SMTP and comes out by IMAP.
 */
import { connect, type Socket } from "node:net";
import type { Mechanism } from "sasl-core";
import { memoryAccounts } from "sasl-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { mechanismNamed } from "../src/known-mechanisms.js";
import type { TestServer } from "../src/server/index.js";
import { Mailbox, Mailboxes } from "../src/server/mailbox.js";
import { serveAll } from "./support.js";

let server: TestServer;
const open: Dialogue[] = [];

beforeAll(async () => {
  const accounts = memoryAccounts({ alice: "a", bob: "b" });
  server = await serveAll({ accounts, allowPlaintext: true, mechanisms: [mechanismNamed("PLAIN") as Mechanism] });
});
afterEach(() => {
  for (const each of open.splice(0)) each.socket.destroy();
});
afterAll(() => server?.close());

/** Lines out, text in. */
class Dialogue {
  readonly socket: Socket;
  #text = "";

  constructor(port: number | undefined) {
    this.socket = connect(port as number, "127.0.0.1");
    this.socket.setEncoding("utf8").on("error", () => {});
    this.socket.on("data", (text: string) => {
      this.#text += text;
    });
    open.push(this);
  }

  /** Sends, and takes what has arrived once it matches. */
  async say(text: string, until: RegExp): Promise<string> {
    this.socket.write(text);
    while (!until.test(this.#text)) await new Promise((resolve) => setTimeout(resolve, 3));
    const said = this.#text;
    this.#text = "";
    return said;
  }
}

const plain = (user: string, password: string): string => Buffer.from(`\0${user}\0${password}`).toString("base64");

async function imap(user = "alice"): Promise<(command: string) => Promise<string>> {
  const wire = new Dialogue(server.ports.imap);
  await wire.say("", /^\* OK/);
  let count = 0;
  const run = (command: string): Promise<string> => {
    const tag = `t${++count}`;
    return wire.say(`${tag} ${command}\r\n`, new RegExp(`^(${tag} |\\+ )`, "m"));
  };
  expect(await run(`AUTHENTICATE PLAIN ${plain(user, user[0] as string)}`)).toMatch(/^t1 OK/);
  return run;
}

async function send(from: string, to: readonly string[], mail: string): Promise<string> {
  const wire = new Dialogue(server.ports.smtp);
  await wire.say("", /^220 /);
  await wire.say("EHLO test\r\n", /^250 /m);
  await wire.say(`AUTH PLAIN ${plain(from, from[0] as string)}\r\n`, /^235 /m);
  await wire.say(`MAIL FROM:<${from}@localhost>\r\n`, /^250 /m);
  for (const each of to) await wire.say(`RCPT TO:<${each}>\r\n`, /^250 /m);
  await wire.say("DATA\r\n", /^354 /m);
  return wire.say(`${mail}\r\n.\r\n`, /^[25][0-9][0-9] /m);
}

const mail = [
  'From: "Alice \\"A\\" Example" <alice@localhost>',
  "To: bob@localhost, Carol <carol@example.com>",
  "Subject: first",
  " of many \u2603",
  "Date: Sat, 21 Nov 2026 19:00:00 +0000",
  "Message-ID: <1@localhost>",
  "",
  "hello",
  "..dot",
].join("\r\n");

describe("mail", () => {
  test("goes from SMTP to the INBOX of who it is for", async () => {
    expect(await send("alice", ["bob@localhost"], mail)).toMatch(/^250 2\.0\.0 kept for 1/);
    const run = await imap("bob");
    expect(await run("SELECT INBOX")).toMatch(/\* 1 EXISTS\r\n.*\[UIDVALIDITY [0-9]+\].*t2 OK \[READ-WRITE\]/s);
    const envelope = await run("FETCH 1 (ENVELOPE RFC822.SIZE FLAGS INTERNALDATE)");
    expect(envelope).toMatch(/ENVELOPE \("Sat, 21 Nov 2026 19:00:00 \+0000" \{17\}\r\nfirst of many \u2603 /);
    expect(envelope).toContain('(("Alice \\\\\\"A\\\\\\" Example" NIL "alice" "localhost"))');
    expect(envelope).toContain('((NIL NIL "bob" "localhost")("Carol" NIL "carol" "example.com"))');
    expect(envelope).toContain('NIL NIL NIL "<1@localhost>")');
    const whole = await run("UID FETCH 1 BODY.PEEK[]");
    expect(whole).toMatch(/^\* 1 FETCH \(UID 1 BODY\[\] \{[0-9]+\}\r\nReturn-Path: <alice@localhost>\r\n/);
    expect(whole).toContain("hello\r\n.dot\r\n)");
    expect(await run("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")).toContain(
      "BODY[HEADER.FIELDS (SUBJECT)] {32}\r\nSubject: first\r\n of many \u2603\r\n\r\n)",
    );
    expect(await run("FETCH 1 BODY[TEXT]<0.5>")).toContain("BODY[TEXT]<0> {5}\r\nhello)");
    expect(await run("FETCH 1 FAST")).toMatch(/^\* 1 FETCH \(FLAGS \(\) INTERNALDATE "[^"]{26}" RFC822\.SIZE [0-9]+\)/);
    expect(await run("FETCH 1 BODYSTRUCTURE")).toContain('BODYSTRUCTURE ("TEXT" "PLAIN" ("CHARSET" "UTF-8")');
  });

  test("lands in the sender's own INBOX when it is for nobody here", async () => {
    await send("alice", ["x@example.com", "nobody@localhost"], "Subject: away\r\n\r\nx");
    const run = await imap();
    expect(await run("STATUS INBOX (MESSAGES UIDNEXT)")).toContain("* STATUS INBOX (MESSAGES 1 UIDNEXT 2)");
  });

  test("that is too big is refused", async () => {
    expect(
      await send("alice", ["bob@localhost"], `Subject: big\r\n\r\n${`${"x".repeat(990)}\r\n`.repeat(1200)}`),
    ).toMatch(/^552 /);
  });

  test("is announced to a client in IDLE", async () => {
    const wire = new Dialogue(server.ports.imap);
    await wire.say("", /^\* OK/);
    await wire.say(`a AUTHENTICATE PLAIN ${plain("bob", "b")}\r\n`, /^a OK/m);
    await wire.say("b EXAMINE INBOX\r\n", /^b OK/m);
    await wire.say("c IDLE\r\n", /^\+ /m);
    await send("alice", ["bob@localhost"], "Subject: new\r\n\r\nx");
    expect(await wire.say("", /EXISTS/)).toMatch(/^\* [0-9]+ EXISTS\r\n$/);
    expect(await wire.say("DONE\r\n", /^c /m)).toMatch(/^c OK/);
  });
});

describe("IMAP after the login", () => {
  const answers: readonly [command: string, answer: RegExp][] = [
    ["CAPABILITY", /^\* CAPABILITY IMAP4rev1 .*IDLE.*\r\nt2 OK/],
    ["NOOP", /^t2 OK NOOP/],
    ['ID ("name" "x")', /^\* ID \("name" "sasl serve"\)\r\nt2 OK/],
    ["NAMESPACE", /^\* NAMESPACE \(\("" "\/"\)\) NIL NIL\r\nt2 OK/],
    ["ENABLE UTF8=ACCEPT", /^\* ENABLED\r\nt2 OK/],
    ['LIST "" "*"', /^\* LIST \(\\HasNoChildren\) "\/" INBOX\r\nt2 OK/],
    ['LIST "" %', /^\* LIST .* INBOX\r\nt2 OK/],
    ['LIST "" ""', /^\* LIST \(\\Noselect\) "\/" ""\r\nt2 OK/],
    ['LIST "" Sent', /^t2 OK/],
    ['LSUB "" "*"', /^\* LSUB .* INBOX\r\nt2 OK/],
    ["SELECT Sent", /^t2 NO \[CANNOT\]/],
    ['SELECT "inbox"', /t2 OK \[READ-WRITE\]/],
    ["EXAMINE INBOX", /t2 OK \[READ-ONLY\]/],
    ["SELECT", /^t2 NO/],
    ['SELECT "', /^t2 BAD/],
    ["STATUS Sent (MESSAGES)", /^t2 NO/],
    ["STATUS INBOX", /^t2 BAD/],
    ["CREATE Sent", /^t2 NO \[NOPERM\]/],
    ["SUBSCRIBE INBOX", /^t2 OK/],
    ["FETCH 1 FLAGS", /^t2 BAD No mailbox is selected/],
    ["UID FETCH 1 FLAGS", /^t2 BAD No mailbox is selected/],
    ["CLOSE", /^t2 BAD/],
    ["FROBNICATE", /^t2 BAD Unknown command/],
    ["constructor", /^t2 BAD/],
    ["LOGIN alice a", /^t2 BAD/],
    ["AUTHENTICATE PLAIN", /^t2 BAD/],
    ["STARTTLS", /^t2 BAD/],
    ["LOGOUT", /^\* BYE .*\r\nt2 OK/],
  ];
  for (const [command, answer] of answers) {
    test(command, async () => expect(await (await imap())(command)).toMatch(answer));
  }

  const selected: readonly [command: string, answer: RegExp][] = [
    ["SEARCH ALL", /^\* SEARCH( [0-9]+)*\r\nt3 OK/],
    ["UID SEARCH UNSEEN", /^\* SEARCH( [0-9]+)*\r\nt3 OK/],
    ["SEARCH SEEN", /^\* SEARCH\r\nt3 OK/],
    ["FETCH 500:* FLAGS", /t3 OK/],
    ["FETCH 99 FLAGS", /^t3 OK/],
    ["FETCH 0 FLAGS", /^t3 BAD/],
    ["FETCH 1,,2 FLAGS", /^t3 BAD/],
    ["FETCH 1 FROB", /^t3 BAD/],
    ["FETCH 1 (FLAGS", /^t3 BAD/],
    ["FETCH 1 BODY[2.MIME]", /^t3 BAD/],
    ["FETCH 1", /^t3 BAD/],
    ["STORE 1 +FLAGS (\\Seen)", /^t3 NO \[NOPERM\]/],
    ["UID STORE 1 +FLAGS (\\Seen)", /^t3 NO \[NOPERM\]/],
    ["UID FROB", /^t3 BAD/],
    ["EXPUNGE", /^t3 NO/],
    ["CHECK", /^t3 OK/],
    ["CLOSE", /^t3 OK/],
    ["UNSELECT", /^t3 OK/],
  ];
  for (const [command, answer] of selected) {
    test(`${command}, INBOX selected`, async () => {
      const run = await imap();
      await run("SELECT INBOX");
      expect(await run(command)).toMatch(answer);
    });
  }

  test("a client that never makes sense is sent away", async () => {
    const wire = new Dialogue(server.ports.imap);
    await wire.say("", /^\* OK/);
    await wire.say(`a AUTHENTICATE PLAIN ${plain("alice", "a")}\r\n`, /^a OK/m);
    expect(await wire.say("x FROB\r\n".repeat(200), /BYE/)).toContain("* BYE Too many commands");
  });
});

describe("R-LIM-03 mailboxes are bounded", () => {
  test("by number and octets of mails", () => {
    const box = new Mailbox({ maxMails: 3, maxBytes: 100, maxMailboxes: 1 });
    for (let i = 0; i < 5; i++) box.add(Buffer.alloc(10));
    expect(box.mails.map(({ uid }) => uid)).toEqual([3, 4, 5]);
    box.add(Buffer.alloc(90));
    expect(box.mails.map(({ uid }) => uid)).toEqual([5, 6]);
    box.add(Buffer.alloc(101));
    expect(box.nextUid).toBe(7);
  });

  test("by number of mailboxes; one that is watched stays", () => {
    const boxes = new Mailboxes({ maxMailboxes: 2 });
    const first = boxes.of("__proto__");
    const stop = first.watch(() => {});
    for (const name of ["b", "c", "d"]) boxes.of(name).add(Buffer.alloc(1));
    expect(boxes.of("__proto__")).toBe(first);
    stop();
    expect(boxes.of("b").mails).toHaveLength(0);
  });
});
