/** PLAIN, LOGIN, CRAM-MD5, ANONYMOUS, EXTERNAL. */
import { user } from "../support.js";
import { accounts, password, type Subjects } from "./shared.js";

export const subjects: Subjects = {
  PLAIN: password,
  LOGIN: { ...password, harmless: ({ from, index }) => from === "server" && index < 2 }, // R-LOGIN-02: prompts mean nothing
  "CRAM-MD5": password,
  ANONYMOUS: {
    credentials: { trace: "sirhc" },
    identity: "nobody",
    server: { accounts, anonymous: "nobody" },
    harmless: ({ from }) => from === "client", // the trace decides nothing
  },
  EXTERNAL: {
    credentials: { authzid: user.username },
    wrong: { authzid: "anna" },
    identity: user.username,
    server: { accounts },
    connection: { external: { names: [user.username] } },
    harmless: ({ received }) => received?.length === 0, // whom the channel names, who is the same
  },
};
