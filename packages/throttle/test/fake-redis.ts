/** As much of an `ioredis` client as the counters use, with a switch for what goes wrong. */
import type { RedisClient } from "../src/counter.js";

type Result = [error: Error | null, value: unknown];

/** Values live as long as the test; what is asked for is kept in `asked`. */
export class FakeRedis implements RedisClient {
  status = "ready";
  /** `down` rejects commands, `readonly` those that write, `hung` never answers, `nonsense` answers what is no number. */
  state: "up" | "down" | "readonly" | "hung" | "nonsense" = "up";
  readonly values = new Map<string, number>();
  readonly asked: string[] = [];

  defineCommand(name: string): void {
    Object.assign(this, { [name]: (args: string[]) => this.#answer(`incr ${args[0]}`, () => this.#increase(args)) });
  }

  multi() {
    let key = "";
    const chain = {
      get: (name: string) => {
        key = name;
        return chain;
      },
      pttl: () => chain,
      exec: () => this.#answer(`get ${key}`, () => this.#read(key)),
    };
    return chain;
  }

  del(key: string): Promise<unknown> {
    return this.#answer(`del ${key}`, () => Number(this.values.delete(key)));
  }

  #increase([key = "", points]: string[]): unknown {
    const value = (this.values.get(key) ?? 0) + Number(points);
    this.values.set(key, value);
    return [value, 60_000];
  }

  #read(key: string): Result[] {
    const value = this.values.get(key);
    return [
      [null, value === undefined ? null : String(value)],
      [null, 60_000],
    ];
  }

  #answer<T>(asked: string, answer: () => T): Promise<unknown> {
    this.asked.push(asked);
    if (this.state === "hung") return new Promise(() => {});
    if (this.state === "readonly" && !asked.startsWith("get ")) {
      return Promise.reject(new Error("READONLY You can't write against a read only replica."));
    }
    if (this.state === "down") return Promise.reject(new Error("ECONNREFUSED"));
    const nonsense = [
      [null, "x"],
      [null, "y"],
    ];
    return Promise.resolve(this.state === "nonsense" ? nonsense : answer());
  }
}
