/** SECURID, with tokens that show another passcode each time. */
import { securidServer } from "../../src/mechanisms/index.js";
import { user } from "../support.js";
import { accounts, type Subjects } from "./shared.js";

const shown = new Set<string>();

/** What the token shows now. */
function passcode(): string {
  const code = String(10_000_000 + ((shown.size * 7_654_321) % 90_000_000));
  shown.add(code);
  return code;
}

const configured = securidServer({
  verify: ({ username, passcode: code }) => (username === user.username && shown.has(code) ? "accepted" : "refused"),
});

export const subjects: Subjects = {
  SECURID: {
    configured,
    credentials: () => ({ username: user.username, passcode: passcode() }) as object,
    wrong: { username: user.username, passcode: "not-a-code" } as object,
    identity: user.username,
    server: { accounts },
    secrets: ["not-a-code"],
    exclusive: true,
  },
};
