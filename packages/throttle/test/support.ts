/** What the tests of the rule share: outcomes as a session tells them, and how long something took on a fake clock. */
import type { ServerEvent, Throttle } from "sasl-core";
import { vi } from "vitest";

/** An outcome as a session tells it. */
function outcome(code: ServerEvent["code"], remote: string | undefined, authcid?: string): ServerEvent {
  const ok = code === undefined;
  const rest = { service: undefined, authzid: undefined, channelBinding: undefined, detail: undefined };
  return { mechanism: "PLAIN", ok, code, remote, authcid, ...rest };
}

/** One attempt as a session has it. */
export class Peer {
  readonly attempt: object = {};
  readonly rule: Throttle;
  readonly remote: string | undefined;

  constructor(rule: Throttle, remote: string | undefined) {
    this.rule = rule;
    this.remote = remote;
  }

  async begin(): Promise<void> {
    await this.rule.begin(this.remote, this.attempt);
  }

  async end(code: ServerEvent["code"], authcid?: string): Promise<void> {
    await this.rule.ended(outcome(code, this.remote, authcid), this.attempt);
  }
}

/** A wrong guess, whose beginning and refusal are waited for. */
export async function guess(rule: Throttle, remote: string | undefined, authcid?: string): Promise<void> {
  const peer = new Peer(rule, remote);
  await peer.begin();
  await peer.end("refused", authcid);
}

/** A login with the right password. */
export async function login(rule: Throttle, remote: string | undefined, authcid: string): Promise<void> {
  const peer = new Peer(rule, remote);
  await peer.begin();
  await peer.end(undefined, authcid);
}

/** How it comes out, and when on the fake clock: `ms`, `limit-exceeded` behind it when it was refused. */
export function timed(work: Promise<void>): { readonly at: () => string } {
  const start = Date.now();
  let at = "never";
  work.then(
    () => {
      at = `${Date.now() - start}`;
    },
    (error: { readonly code?: string }) => {
      at = `${Date.now() - start} ${error.code}`;
    },
  );
  return { at: () => at };
}

/** The same after enough time for everything. */
export async function took(work: Promise<void>): Promise<string> {
  const { at } = timed(work);
  for (let i = 0; i < 200 && at() === "never"; i++) await vi.advanceTimersByTimeAsync(500);
  return at();
}
