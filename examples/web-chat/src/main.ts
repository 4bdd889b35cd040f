/**
 * The page: what is shown, and what the user does. Text of others becomes text of the page, never markup.
 *
 * @module
 */
import { isSASLError } from "sasl-core";
import { parseJid } from "sasl-xmpp";
import { forgetEverything, keptFor, remember, rememberedAccount } from "./kept.js";
import { type Account, bareOf, isPrivate, type Message, Session, type State } from "./session.js";
import { INSECURE_PAGE, wordsFor, wordsForLogin, wordsForReturning, wordsForWaiting } from "./words.js";

/** An element of `index.html`. */
function the<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

const views = ["opening", "login", "chat"].map((id) => the(id));
const [address, password, server] = ["address", "password", "server"].map((id) => the<HTMLInputElement>(id)) as [
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
];
const loginButton = the("login-button");

let session: Session | undefined;
let countdown: ReturnType<typeof setInterval> | undefined;
/** Messages by the other one's address. */
const conversations = new Map<string, { readonly messages: Message[]; unread: number }>();
let current: string | undefined;
/** Of messages that have not gone out, or did not arrive. */
const notes = new Map<string, { readonly text: string; readonly problem: boolean }>();

function show(view: "opening" | "login" | "chat"): void {
  for (const each of views) each.hidden = each.id !== view;
}

function wait(what: string, cancellable = true): void {
  the("opening-text").textContent = what;
  the("cancel").hidden = !cancellable;
  show("opening");
}

// ------------------------------------------------------------------------------------------------------------ log in

function showLogin(problem = "", at: HTMLInputElement = password): void {
  show("login");
  the("login-problem").textContent = problem;
  for (const each of [address, password, server]) {
    each.removeAttribute("aria-invalid");
    each.removeAttribute("aria-errormessage");
  }
  if (problem !== "") {
    at.setAttribute("aria-invalid", "true");
    at.setAttribute("aria-errormessage", "login-problem");
  }
  if (at === server) the<HTMLDetailsElement>("more").open = true;
  const first = problem === "" && address.value === "" ? address : at;
  first.focus();
  first.select();
  the("login-problem").scrollIntoView({ block: "nearest" }); // on a small screen the field alone would be seen
}

/** Where an account's server usually is; on this machine that is `sasl serve --ws 5280`. */
function usualServer(domain: string): string {
  return domain === "localhost" ? "ws://localhost:5280/" : `wss://${domain}/xmpp-websocket`;
}

let serverTyped = false;
server.addEventListener("input", () => {
  serverTyped = server.value !== "";
});
address.addEventListener("input", () => {
  const jid = parseJid(address.value.trim());
  if (!serverTyped) server.value = jid?.local === undefined ? "" : usualServer(jid.domain);
});

the("show-password").addEventListener("click", () => showPassword(password.type === "password"));

function showPassword(shown: boolean): void {
  password.type = shown ? "text" : "password";
  const button = the("show-password");
  button.textContent = shown ? "Hide" : "Show";
  button.setAttribute("aria-label", `${button.textContent} the password`);
}

the("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (loginButton.getAttribute("aria-disabled") === "true") return;
  const jid = parseJid(address.value.trim());
  if (jid?.local === undefined) return showLogin("Please give your whole address, like alice@example.org.", address);
  if (password.value === "") return showLogin("Please give your password.", password);
  const url = server.value.trim() || usualServer(jid.domain);
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol))
    return showLogin("The address of a server starts with wss://", server);
  if (!isPrivate(url)) {
    return showLogin("Others could read along with this server. Use an address that starts with wss://", server);
  }
  void logIn({ address: `${jid.local}@${jid.domain}`, server: url }, password.value);
});

async function logIn(account: Account, typed: string): Promise<void> {
  loginButton.setAttribute("aria-disabled", "true");
  loginButton.textContent = "Logging in…";
  the("login-problem").textContent = "";
  try {
    await begin(account, typed);
    remember(account);
    password.value = "";
    showPassword(false);
  } catch (error) {
    const unreachable = isSASLError(error) && ["connection-lost", "timed-out"].includes(error.code);
    showLogin(wordsFor(error, new URL(account.server).host), unreachable ? server : password);
  } finally {
    loginButton.removeAttribute("aria-disabled");
    loginButton.textContent = "Log in";
  }
}

async function begin(account: Account, typed?: string): Promise<void> {
  const next = new Session(account, await keptFor(account), {
    state: (state) => next === session && showState(state),
    message: take,
    sent: (id) => note(id),
    undelivered: (id) => note(id, "Not delivered: nobody is there", true),
  });
  session = next;
  await next.begin(typed);
  if (the("me").textContent !== account.address) forgetConversations();
  the("me").textContent = account.address;
  show("chat");
  focusChat();
}

function focusChat(): void {
  (current === undefined ? the("new-peer") : the("text")).focus();
}

/** As at the last visit, where there was one. */
async function comeBack(account: Account): Promise<void> {
  wait("Logging in…");
  address.value = account.address;
  server.value = account.server;
  serverTyped = true;
  try {
    await begin(account);
  } catch (error) {
    if (!the("opening").hidden) showLogin(wordsForReturning(error, new URL(account.server).host));
  }
}

the("cancel").addEventListener("click", () => {
  session?.end();
  showLogin();
});

// --------------------------------------------------------------------------------------------------------- connected

function showState(state: State): void {
  clearInterval(countdown);
  const line = the("connection");
  const text = the("connection-text");
  const retry = the("retry");
  if (state.is === "ended") {
    if (state.error !== undefined) thrownOut(state.error);
    return;
  }
  line.dataset.is = state.is;
  const hidden = state.is !== "lost" && state.is !== "elsewhere";
  if (hidden && retry === document.activeElement) focusChat();
  retry.hidden = hidden;
  retry.textContent = state.is === "elsewhere" ? "Use it here" : "Try now";
  if (state.is === "connecting") text.textContent = "Connecting…";
  if (state.is === "elsewhere") text.textContent = "The chat goes on in another tab or window.";
  if (state.is === "connected") text.textContent = wordsForLogin(state.login);
  if (state.is === "lost") {
    const say = () => {
      text.textContent = wordsForWaiting(state.again, Date.now());
    };
    say();
    // A screen reader is told once, and not each second.
    text.setAttribute("aria-live", "off");
    if (state.again !== undefined) countdown = setInterval(say, 1000);
    the("news").textContent = text.textContent ?? "";
  } else text.removeAttribute("aria-live");
}

function thrownOut(error: unknown): void {
  const { server: url } = session?.account ?? { server: location.href };
  session = undefined;
  showLogin(wordsForReturning(error, new URL(url).host));
}

the("retry").addEventListener("click", () => session?.reconnect());

the("logout").addEventListener("click", async () => {
  const leaving = session;
  session = undefined;
  clearInterval(countdown);
  wait("Logging out…", false);
  forgetConversations();
  the("me").textContent = "";
  let told = true;
  await leaving?.logout().catch(() => {
    told = false;
  });
  const cleared = await forgetEverything().then(
    () => true,
    () => false,
  );
  address.value = leaving?.account.address ?? "";
  showLogin();
  const words = [
    ...(told
      ? []
      : ["The server could not be told that you left. If somebody else has had this device, change your password."]),
    ...(cleared
      ? []
      : ["Not everything could be removed from this device. Please delete the data of this site in your browser."]),
  ];
  the("login-problem").textContent = words.join(" ");
});

// ---------------------------------------------------------------------------------------------------------- messages

the("new-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = the<HTMLInputElement>("new-peer");
  const jid = parseJid(field.value.trim());
  const fits = jid?.local !== undefined;
  the("new-problem").textContent = fits ? "" : "Please give a whole address, like bob@example.org.";
  if (fits) field.removeAttribute("aria-invalid");
  else field.setAttribute("aria-invalid", "true");
  if (!fits) return field.focus();
  field.value = "";
  openConversation(bareOf(`${jid.local}@${jid.domain}`));
});

the("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = the<HTMLInputElement>("text");
  if (session === undefined || current === undefined || field.value.trim() === "") return;
  const message = session.send(current, field.value);
  notes.set(message.id, { text: "Waits for the connection", problem: false });
  conversation(current).messages.push(message);
  field.value = "";
  showMessages();
});

/** What one account has said is not for the next. */
function forgetConversations(): void {
  conversations.clear();
  notes.clear();
  current = undefined;
  for (const id of ["new-peer", "text"]) the<HTMLInputElement>(id).value = "";
  for (const id of ["new-problem", "news"]) the(id).textContent = "";
  showPeers();
  showMessages();
}

function conversation(peer: string): { readonly messages: Message[]; unread: number } {
  const found = conversations.get(peer) ?? { messages: [], unread: 0 };
  conversations.set(peer, found);
  return found;
}

function openConversation(peer: string): void {
  current = peer;
  conversation(peer).unread = 0;
  showPeers();
  showMessages();
  the("peers").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  the("text").focus();
}

function take(message: Message): void {
  const { messages } = conversation(message.peer);
  if (messages.some(({ id, mine }) => id === message.id && mine === message.mine)) return; // written to oneself
  messages.push(message);
  if (message.peer === current) {
    showMessages();
    return;
  }
  conversation(message.peer).unread++;
  the("news").textContent = `New message from ${message.peer}`;
  showPeers();
}

function note(id: string, text?: string, problem = false): void {
  if (text === undefined) notes.delete(id);
  else notes.set(id, { text, problem });
  showMessages();
}

function showPeers(): void {
  const list = the("peers");
  const focused = (document.activeElement as HTMLElement | null)?.dataset.peer;
  list.replaceChildren(
    ...[...conversations].map(([peer, { unread }]) => {
      const button = element("button", unread === 0 ? peer : `${peer} (${unread} new)`);
      button.type = "button";
      button.dataset.peer = peer;
      button.setAttribute("aria-current", String(peer === current));
      button.addEventListener("click", () => openConversation(peer));
      const item = element("li");
      item.append(button);
      if (peer === focused) queueMicrotask(() => button.focus());
      return item;
    }),
  );
}

function showMessages(): void {
  the("peer").textContent = current ?? "No conversation yet";
  the("send-form").hidden = current === undefined;
  const messages = current === undefined ? [] : conversation(current).messages;
  const empty = the("empty");
  empty.hidden = messages.length > 0;
  empty.textContent =
    current === undefined ? "Say to whom you want to write, and open the conversation." : "Nothing was said yet.";
  const log = the("log");
  const list = the("messages");
  const newest = list.lastElementChild;
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 50; // who reads what was earlier goes on reading
  const shown = new Map([...list.children].map((item) => [(item as HTMLElement).dataset.id, item as HTMLElement]));
  for (const item of shown.values()) if (item.dataset.peer !== current) item.remove();
  for (const message of messages) {
    const key = `${message.mine} ${message.id}`;
    const had = shown.get(key);
    const item = had !== undefined && had.dataset.peer === current ? had : messageItem(message, key);
    if (!item.isConnected) list.append(item); // those that are there are not read out again
    const remark = notes.get(message.id);
    item.toggleAttribute("data-problem", remark?.problem ?? false);
    const small = item.querySelector("small.remark") ?? item.appendChild(element("small", "", "remark"));
    const words = (message.mine && remark?.text) || "";
    if (small.textContent !== words) small.textContent = words; // or it is read out again
  }
  const added = list.lastElementChild;
  if (following || (added !== newest && added?.className === "mine")) log.scrollTop = log.scrollHeight;
}

function messageItem(message: Message, key: string): HTMLElement {
  const item = element("li", "", message.mine ? "mine" : "");
  item.dataset.id = key;
  item.dataset.peer = message.peer;
  item.append(element("span", `${message.mine ? "You" : message.peer}: `, "unseen"), element("bdi", message.text));
  return item;
}

function element<N extends keyof HTMLElementTagNameMap>(name: N, text = "", className = ""): HTMLElementTagNameMap[N] {
  const made = document.createElement(name);
  made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}

const last = rememberedAccount();
if (!isSecureContext) showLogin(INSECURE_PAGE, address);
else if (last === undefined) showLogin();
else void comeBack(last);
