/**
 * The web example, used as a person would, at a server that is stopped and started again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { attempt } from "./report.js";
import { exampleSite, type Site } from "./site.js";

/** A server of chats that can be away for a while. */
export interface ChatServer {
  readonly name: string;
  /** Of its WebSocket. */
  readonly url: string;
  /** Whether it has tokens, so that the second login takes one round trip. */
  readonly tokens: boolean;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Gives a user another password, where the server can be told so. */
  readonly changePassword?: ((user: string, password: string) => Promise<void>) | undefined;
  /** How many tokens there are of a user, where that can be asked. */
  readonly countTokens?: ((user: string) => Promise<number>) | undefined;
}

/** A user of every server here. */
export const users = { alice: "correct horse battery staple", bob: "open sesame" } as const;

/** Where screenshots go, for people to look at. Not set: nowhere. */
const pictures = process.env.SASL_SCREENSHOTS;

const connected = /^Connected\. You were logged in (with|without) your password, in (.*) and \d+ ms\.$/;

/** A browser of one person, and the page in it. */
class Person {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the page complained about: exceptions, and what its security policy held back. */
  readonly complaints: string[] = [];

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => this.complaints.push(error.stack ?? error.message));
    page.on("console", (message) => {
      if (/Content Security Policy|Uncaught/.test(message.text())) this.complaints.push(message.text());
    });
  }

  static async arrive(
    browser: Browser,
    site: Site,
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<Person> {
    const context = await browser.newContext(options);
    const person = new Person(context, await context.newPage());
    await person.page.goto(site.url);
    return person;
  }

  button(name: string) {
    return this.page.getByRole("button", { name, exact: true });
  }

  field(name: string) {
    return this.page.getByLabel(name, { exact: true });
  }

  /** By the keyboard alone, from where the page has put the focus. */
  async logIn(name: keyof typeof users, server: string, password: string = users[name]): Promise<void> {
    const { keyboard } = this.page;
    await this.page.locator("#address:focus").waitFor();
    await keyboard.type(`${name}@localhost`);
    await keyboard.press("Tab");
    await keyboard.type(password);
    await keyboard.press("Tab"); // shows the password
    await keyboard.press("Tab");
    await keyboard.press("Enter"); // opens what is about the server
    await keyboard.press("Tab");
    await keyboard.press("Control+a");
    await keyboard.type(server);
    await keyboard.press("Enter");
  }

  /** What the page says about the connection, once that fits. */
  async says(words: RegExp): Promise<string> {
    const status = this.page.locator("#connection-text").filter({ hasText: words });
    await status.waitFor();
    return (await status.textContent()) ?? "";
  }

  async problem(): Promise<string> {
    const alert = this.page.locator("#login-problem:not(:empty)");
    await alert.waitFor();
    return (await alert.textContent()) ?? "";
  }

  async writeTo(peer: string, text: string): Promise<void> {
    await this.field("Write to").fill(peer);
    await this.field("Write to").press("Enter");
    await this.say(text);
  }

  async say(text: string): Promise<void> {
    await this.field("Message").fill(text);
    await this.field("Message").press("Enter");
  }

  /** Nothing of the page lies outside of the window. */
  async fits(): Promise<void> {
    const { scrollWidth, scrollHeight } = await this.page.evaluate<{ scrollWidth: number; scrollHeight: number }>(
      "({ scrollWidth: document.documentElement.scrollWidth, scrollHeight: document.documentElement.scrollHeight })",
    );
    assert.deepEqual({ width: scrollWidth, height: scrollHeight }, this.page.viewportSize());
  }

  async picture(name: string): Promise<void> {
    if (pictures !== undefined) await this.page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  async leave(): Promise<void> {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }
}

export async function webChat(browser: Browser, server: ChatServer): Promise<void> {
  const site = await exampleSite();
  const arrive = (options?: Parameters<Browser["newContext"]>[0]) => Person.arrive(browser, site, options);
  const as = (what: string, run: () => Promise<void>) => attempt(`web-chat at ${server.name}: ${what}`, run);
  await server.start();
  try {
    await as("log in by keyboard, come back without the password, write, lose the connection, log out", async () => {
      const alice = await arrive();
      await alice.picture("login");
      await named(alice.page);
      await alice.logIn("alice", server.url);
      assert.match(await alice.says(connected), /with your password/);
      await alice.page.locator("#new-peer:focus").waitFor();

      const bob = await arrive({ colorScheme: "dark" });
      await bob.logIn("bob", server.url);
      await bob.says(connected);
      const other = await arrive({ viewport: { width: 360, height: 640 } }); // her telephone
      await other.logIn("alice", server.url);
      await other.says(connected);

      const text = "Hello <img src=x onerror=alert(1)> & ]]> 🙂";
      await alice.writeTo("bob@localhost", text);
      await bob.button("alice@localhost (1 new)").click();
      await bob.page.locator("#messages li").filter({ hasText: text }).waitFor();
      await other.button("bob@localhost (1 new)").click();
      await other.page.locator("#messages li.mine").filter({ hasText: text }).waitFor();
      await bob.say("Good evening");
      await alice.page.locator("#messages li:not(.mine)").filter({ hasText: "Good evening" }).waitFor();
      await named(alice.page);
      await alice.picture("chat");
      await bob.picture("chat-dark");
      await other.picture("chat-narrow");
      await other.leave();

      await alice.writeTo("nobody@localhost", "Is anybody there?");
      await alice.page.locator("li[data-problem]").filter({ hasText: "Not delivered" }).waitFor();
      await alice.button("bob@localhost").click();

      await alice.page.reload();
      assert.match(
        await alice.says(connected),
        server.tokens ? /without your password, in one round trip/ : /without your password/,
      );
      assert.doesNotMatch(await stored(alice.page), new RegExp(users.alice));

      await alice.writeTo("bob@localhost", "Before");
      await server.stop();
      await alice.says(/^The connection was lost\. Next attempt in \d+ seconds?\.$/);
      await alice.say("After");
      await alice.page.locator("li").filter({ hasText: "Waits for the connection" }).waitFor();
      await alice.picture("lost");
      await server.start();
      await alice.button("Try now").press("Enter");
      await alice.says(/^Connected\. You were logged in without your password/);
      await alice.page.locator("#text:focus").waitFor();
      await bob.says(connected); // by himself
      await alice.page.locator("li").filter({ hasText: "After", hasNotText: "Waits" }).waitFor();

      await alice.context.setOffline(true);
      await alice.says(/^You are offline\./);
      await alice.context.setOffline(false);
      await alice.says(connected);

      await alice.field("Message").fill("A secret that is not sent");
      await alice.button("Log out").click();
      await alice.page.locator("#password:focus").waitFor();
      assert.doesNotMatch(await everything(alice.page), /bob|secret/);
      assert.equal(await alice.page.locator("#login-problem").textContent(), "");
      assert.equal(await stored(alice.page), "{}");
      if (server.countTokens) assert.equal(await server.countTokens("alice"), 1, "the telephone's token alone");
      await alice.page.reload();
      await alice.page.locator("#address:focus").waitFor();
      await alice.leave();
      await bob.leave();
    });

    await as("a wrong password", async () => {
      const alice = await arrive({ colorScheme: "dark" });
      await alice.logIn("alice", server.url, "wrong");
      assert.equal(await alice.problem(), "The address or the password is wrong. Please check both.");
      await alice.page.locator("#password:focus[aria-invalid=true]").waitFor();
      await alice.picture("wrong-password-dark");
      await alice.page.keyboard.type(users.alice); // what was there is selected
      await alice.page.keyboard.press("Enter");
      await alice.says(connected);
      await alice.leave();
    });

    await as("what cannot be right is not sent", async () => {
      const alice = await arrive();
      for (const [fields, words, at] of [
        [["alice", "x", ""], /whole address/, "#address"],
        [["alice@localhost", "", ""], /give your password/, "#password"],
        [["alice@localhost", "x", "ws://chat.example/"], /Others could read along/, "#server"],
        [["alice@localhost", "x", "http://chat.example/"], /starts with wss/, "#server"],
        [["alice@localhost", "x", "chat.example"], /starts with wss/, "#server"],
        [["alice@localhost", "x", "ws://localhost:9/"], /no answer from localhost:9/, "#server"],
      ] as const) {
        for (const [index, id] of ["#address", "#password", "#server"].entries()) {
          await alice.page.locator(id).evaluate((element, value) => Object.assign(element, { value }), fields[index]);
        }
        await alice.page.locator("#password").press("Enter");
        await alice.page.locator("#login-problem").filter({ hasText: words }).waitFor();
        await alice.page.locator(`${at}:focus[aria-invalid=true]`).waitFor();
      }
      await alice.picture("wrong-server");
      await alice.leave();
    });

    await as("much and foreign text, on a telephone", async () => {
      const alice = await arrive({ viewport: { width: 360, height: 640 } });
      await alice.logIn("alice", server.url);
      await alice.says(connected);
      await alice.writeTo(`${"long.".repeat(20)}name@${"long-".repeat(8)}name.example`, "x".repeat(400));
      await alice.fits();
      await alice.writeTo("bob@localhost", "many words ".repeat(60));
      for (const text of ["שלום עולם, abc!", "مرحبا بالعالم؟", "日本語", "a\u202eb"]) await alice.say(text);
      const texts = alice.page.locator("#messages li bdi");
      await texts.nth(4).waitFor();
      const ways = "[...document.querySelectorAll('#messages bdi')].map((each) => getComputedStyle(each).direction)";
      assert.deepEqual(await alice.page.evaluate(ways), ["ltr", "rtl", "rtl", "ltr", "ltr"]);
      await alice.fits();
      await alice.picture("chat-foreign");
      await alice.page.setViewportSize({ width: 320, height: 256 }); // as at 400 %
      const log = await alice.page.locator("#log").boundingBox();
      assert.ok(log !== null && log.height >= 96, "messages can be read");
      await alice.picture("chat-small");
      await alice.leave();
    });

    await as("a browser that keeps nothing", async () => {
      const alice = await arrive();
      await alice.page.addInitScript(`for (const name of ["localStorage", "indexedDB"])
        Object.defineProperty(globalThis, name, { get() { throw new DOMException("no", "SecurityError"); } })`);
      await alice.page.reload();
      await alice.logIn("alice", server.url);
      await alice.says(connected);
      await alice.button("Log out").click();
      await alice.page.locator("#password:focus").waitFor();
      await alice.leave();
    });

    await as("a page that came without TLS", async () => {
      const alice = await arrive();
      await alice.page.addInitScript("Object.defineProperty(globalThis, 'isSecureContext', { value: false })");
      await alice.page.reload();
      assert.match(await alice.problem(), /Open it with https/);
      await alice.page.locator("#address:focus").waitFor();
      await alice.leave();
    });

    await as("another account instead, before the last one is back", async () => {
      const alice = await arrive();
      await alice.logIn("alice", server.url);
      await alice.says(connected);
      const second = await alice.context.newPage();
      await second.goto(site.url);
      await second.locator("#connection-text").filter({ hasText: connected }).waitFor();
      await second.evaluate(
        "void navigator.locks.request('log in as alice@localhost', () => new Promise((done) => { globalThis.release = done; }))",
      );
      await alice.page.reload();
      await alice.button("Use another account").click();
      await alice.page.locator("#password:focus").waitFor();
      await second.evaluate("release()");
      await second.evaluate("navigator.locks.request('log in as alice@localhost', () => {})"); // after her turn
      assert.equal(await alice.page.locator("#login").isVisible(), true);
      await alice.leave();
    });

    await as("another tab takes over, and gives back", async () => {
      const alice = await arrive();
      await alice.logIn("alice", server.url);
      await alice.says(connected);
      const second = await alice.context.newPage();
      await second.goto(site.url);
      await second.locator("#connection-text").filter({ hasText: connected }).waitFor();
      if (!server.tokens) return alice.leave(); // sessions that are bound apart
      await alice.says(/^The chat goes on in another tab or window\.$/);
      await alice.button("Use it here").click();
      await alice.says(connected);
      await second.locator("#connection-text").filter({ hasText: "another tab" }).waitFor();
      await alice.leave();
    });

    const { changePassword } = server;
    if (changePassword) {
      await as("another password ends what was kept", async () => {
        const alice = await arrive();
        await alice.logIn("alice", server.url);
        await alice.says(connected);
        await changePassword("alice", "another one");
        await alice.page.reload();
        assert.equal(await alice.problem(), "You were logged out, because the server wants your password again.");
        await alice.picture("logged-out");
        await alice.page.keyboard.type("another one");
        await alice.page.keyboard.press("Enter");
        await alice.says(connected);
        await alice.writeTo("bob@localhost", "Between the two of us");
        await changePassword("alice", users.alice);
        await alice.context.setOffline(true);
        await alice.says(/^You are offline\./);
        await alice.context.setOffline(false);
        await alice.problem();
        for (const [id, value] of Object.entries({ address: "bob@localhost", password: users.bob })) {
          await alice.page.locator(`#${id}`).fill(value);
        }
        await alice.page.locator("#server").evaluate((element, value) => Object.assign(element, { value }), server.url);
        await alice.page.keyboard.press("Enter");
        await alice.says(connected);
        assert.doesNotMatch(await everything(alice.page), /Between/, "what was said to somebody else");
        await alice.leave();
      });
    }
  } finally {
    await server.stop();
    await site.close();
  }
}

/** All text of the page, shown or not, and what is in its fields. */
function everything(page: Page): Promise<string> {
  return page.evaluate<string>(
    "[document.querySelector('#chat').textContent, ...[...document.querySelectorAll('#chat input')].map(({ value }) => value)].join()",
  );
}

/** All that the page's origin keeps, as text; keys show no more than that they are there. `{}` for nothing. */
function stored(page: Page): Promise<string> {
  return page.evaluate<string>(`(async () => {
    const all = Object.fromEntries(Object.entries(localStorage));
    for (const { name } of await indexedDB.databases()) {
      const db = await new Promise((done) => { indexedDB.open(name).onsuccess = (event) => done(event.target.result); });
      for (const table of db.objectStoreNames) {
        const rows = await new Promise((done) => { db.transaction(table).objectStore(table).getAll().onsuccess = (event) => done(event.target.result); });
        if (rows.length > 0) all[name] = rows;
      }
      db.close();
    }
    const text = (key, value) => value instanceof CryptoKey ? (value.extractable ? "READABLE KEY" : "key") : value;
    return JSON.stringify(all, text);
  })()`);
}

const controls = [
  "button",
  "textbox",
  "searchbox",
  "link",
  "checkbox",
  "combobox",
  "DisclosureTriangle",
  "log",
  "main",
  "navigation",
];

/** Every control of the accessibility tree has a name. */
async function named(page: Page): Promise<void> {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  const shown = nodes.filter((node) => !node.ignored && controls.includes(node.role?.value));
  assert.ok(shown.length >= 4, "there are controls");
  const nameless = shown.filter((node) => !node.name?.value && node.role?.value !== "main");
  assert.deepEqual(
    nameless.map((node) => node.role?.value),
    [],
  );
  await cdp.detach();
}
