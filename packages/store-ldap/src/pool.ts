/**
 * A few connections for many requests: each has one for itself while it is asked, and none is used again after a failure.
 *
 * @module
 */
import type { Connection } from "./connection.js";
import { fault } from "./faults.js";

/** How a pool works. */
export interface PoolOptions {
  readonly open: () => Promise<Connection>;
  readonly max: number;
  /** How long to wait for a free connection. */
  readonly waitMs: number;
  readonly idleMs: number;
}

interface Waiting {
  readonly go: () => void;
  readonly fail: (error: unknown) => void;
}

/** Requests that wait at most; more than this will not get their turn in time. */
const MAX_WAITING = 10_000;

/** Connections of one kind. */
export class Pool {
  readonly #options: PoolOptions;
  /** Free connections, the one used last at the end. */
  readonly #idle = new Map<Connection, NodeJS.Timeout>();
  readonly #busy = new Set<Connection>();
  readonly #waiting = new Set<Waiting>();
  /** Turns given out: connections at work, and being opened. */
  #turns = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /**
   * Does something with a connection. When one that was idle turns out to be lost, it is done again with a fresh one.
   *
   * @param work nothing that would hurt to be asked twice. Throws only when the connection is of no more use.
   * @throws {SASLFailure} `temporary` for no connection; what `work` throws.
   */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    await this.#turn();
    try {
      const idle = this.#takeIdle();
      if (idle !== undefined) {
        const first = await this.#attempt(idle, work);
        if ("result" in first) return first.result;
        if (!first.lost) throw first.error;
      }
      const second = await this.#attempt(await this.#open(), work);
      if ("result" in second) return second.result;
      throw second.error;
    } finally {
      this.#turns--;
      this.#next();
    }
  }

  /** Ends all connections. What is at work fails. */
  close(): void {
    this.#closed = true;
    for (const each of this.#waiting) each.fail(closed());
    for (const [connection, timer] of this.#idle) {
      clearTimeout(timer);
      connection.close();
    }
    this.#idle.clear();
    for (const each of this.#busy) each.destroy("closed");
  }

  /** Waits until fewer than `max` are at work. */
  #turn(): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#turns < this.#options.max && this.#waiting.size === 0) {
      this.#turns++;
      return Promise.resolve();
    }
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(fault("too many requests wait"));
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        go: () => {
          done();
          this.#turns++;
          resolve();
        },
        fail: (error) => {
          done();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiting.fail(fault("no connection was free in time")), this.#options.waitMs);
      this.#waiting.add(waiting);
    });
  }

  #next(): void {
    if (this.#turns >= this.#options.max) return;
    const [first] = this.#waiting;
    first?.go();
  }

  #takeIdle(): Connection | undefined {
    for (const connection of [...this.#idle.keys()].reverse()) {
      this.#forget(connection);
      if (!connection.alive) continue;
      connection.wake();
      return connection;
    }
    return undefined;
  }

  async #open(): Promise<Connection> {
    const connection = await this.#options.open();
    connection.onEnd(() => this.#forget(connection));
    if (!this.#closed) return connection;
    connection.close();
    throw closed();
  }

  async #attempt<T>(
    connection: Connection,
    work: (connection: Connection) => Promise<T>,
  ): Promise<{ readonly result: T } | { readonly error: unknown; readonly lost: boolean }> {
    this.#busy.add(connection);
    try {
      const result = await work(connection);
      this.#busy.delete(connection);
      this.#keep(connection);
      return { result };
    } catch (error) {
      this.#busy.delete(connection);
      connection.destroy("failed");
      return { error, lost: connection.lost && !this.#closed };
    }
  }

  #keep(connection: Connection): void {
    if (this.#closed) connection.close();
    if (!connection.alive || this.#closed) return;
    connection.rest();
    const timer = setTimeout(() => {
      this.#idle.delete(connection);
      connection.close();
    }, this.#options.idleMs);
    timer.unref();
    this.#idle.set(connection, timer);
  }

  #forget(connection: Connection): void {
    clearTimeout(this.#idle.get(connection));
    this.#idle.delete(connection);
  }
}

function closed(): Error {
  return fault("the store is closed");
}
