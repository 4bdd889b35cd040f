import { describe, expect, test } from "vitest";
import { closing, openStore } from "./stores.js";

/** A store that says all it was told. */
const talkative = (schemes: string[]) => ({
  stores: [
    {
      name: "talkative",
      schemes,
      open: (url: string) => {
        throw new Error(`cannot open ${url} (${decoded(url)})`);
      },
    },
  ],
});

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return "";
  }
}

describe("R-GEN-30 the password of a URL is in no message", () => {
  const urls: readonly [why: string, url: string, secrets: string[]][] = [
    ["behind the user", "x://admin:hunter2@db/accounts", ["hunter2"]],
    ["encoded", "x://admin:hunter%202@db/accounts", ["hunter 2", "hunter%202"]],
    ["with what should have been encoded", "x://admin:hunt/er@2?@db/accounts", ["hunt/er", "er@2"]],
    ["without a user", "x://:hunter2@db", ["hunter2"]],
    ["as a parameter", "x://db/accounts?user=a&password=hunter2&sslmode=require", ["hunter2"]],
    ["as an LDAP extension", "x://db/o=x?uid?sub??x-bindpw=hunter2", ["hunter2"]],
    ["that does not decode", "x://admin:hunter2%zz@db", ["hunter2"]],
  ];
  for (const [why, url, secrets] of urls) {
    test(why, async () => {
      const plugins = talkative(["x"]);
      const error = await openStore(url, { plugins }).catch((error: Error) => error);
      for (const secret of secrets) expect((error as Error).message).not.toContain(secret);
      expect((error as Error).message).toContain("db");
    });
  }
});

test("a plug-in's store takes the place of ours of the same scheme", async () => {
  const opening = openStore("file:users", { plugins: talkative(["file"]) });
  await expect(opening).rejects.toThrow(/^cannot open file:users/);
});

test("a store that does not open in time is given up, and closed should it open after all", async () => {
  let closed = false;
  let open: (accounts: object) => void = () => {};
  const opened = new Promise<object>((resolve) => {
    open = resolve;
  });
  const slow = { name: "slow", schemes: ["slow"], open: () => opened as never };
  await expect(openStore("slow:x", { plugins: { stores: [slow] }, timeoutMs: 10 })).rejects.toMatchObject({
    code: "store-failed",
    message: "the store did not open within 0.01 s",
  });
  open({
    close: () => {
      closed = true;
    },
  });
  await expect.poll(() => closed).toBe(true);
});

describe("a store is closed", () => {
  const closes = (fault?: Error) => {
    let count = 0;
    const close = (): void => {
      count++;
      if (fault) throw fault;
    };
    const mask = (text: string): string => text.replaceAll("hunter2", "<>");
    return { opened: { accounts: { lookup: () => undefined, close }, mask }, count: () => count };
  };
  const late = new Error("lost hunter2");

  test("once the work is done", async () => {
    const { opened, count } = closes();
    expect(await closing(opened, async () => 7)).toBe(7);
    expect(count()).toBe(1);
  });

  test("and says so when it cannot, without its password", async () => {
    const { opened } = closes(late);
    await expect(closing(opened, async () => 7)).rejects.toMatchObject({ code: "store-failed", message: "lost <>" });
  });

  test("and not instead of what went wrong before", async () => {
    const { opened, count } = closes(late);
    await expect(closing(opened, () => Promise.reject(new Error("first")))).rejects.toThrow("first");
    expect(count()).toBe(1);
  });
});
