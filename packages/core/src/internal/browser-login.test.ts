import { afterEach, expect, test, vi } from "vitest";
import { usedOnce } from "./browser-login.js";

afterEach(() => vi.restoreAllMocks());

test("R-SAML-04 R-OID-04 what was used is known until it is good no longer, and then forgotten", () => {
  const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
  const until = new Date(Date.now() + 90_000);
  const useOnce = usedOnce();
  expect([useOnce("a", until), useOnce("a", until), useOnce("b", until)]).toEqual([true, false, true]);
  clock.mockReturnValue(until.getTime());
  expect([useOnce("a", until), useOnce("b", until)]).toEqual([false, false]);
  clock.mockReturnValue(until.getTime() + 60_000);
  expect([useOnce("a", until), useOnce("b", until)]).toEqual([true, true]);
});

test("R-LIM-02 a login does not take longer the more there were", () => {
  const until = new Date(Date.now() + 3_600_000);
  const useOnce = usedOnce();
  const start = performance.now();
  for (let i = 0; i < 40_000; i++) useOnce(String(i), until);
  expect(performance.now() - start).toBeLessThan(2000); // ten times as long where each looks at all
});
