/**
 * How the client starts and ends: as the library does it, but for two faults. Its `start()` leaves a rejection to nobody when a
 * login fails while it still waits for the header of the stream, and so ends a program. Its `disconnect()` runs once more beside
 * itself when the server ends the stream with an error meanwhile; then a client that was stopped is not `offline`, comes back
 * after a second, and cannot be started.
 *
 * @module
 */
import type { Entity } from "./library.js";

/** @returns the JID, once the client is `online`. @throws the first `error`, and why there is no connection. */
export async function start(entity: Entity): Promise<unknown> {
  if (entity.status !== "offline") throw new Error("Connection is not offline");
  const { service, domain, lang } = entity.options;
  await entity.connect(service);
  const online = settled(entity);
  await Promise.race([online, entity.open({ domain, lang })]); // leaves neither to nobody
  return online;
}

/** @returns `disconnect()` for a client: whoever calls it while it runs waits for the same. */
export function disconnecting(entity: Entity): () => Promise<unknown> {
  const { disconnect } = entity;
  let running: Promise<unknown> | undefined;
  return () => {
    running ??= disconnect.call(entity).finally(() => {
      running = undefined;
    });
    return running;
  };
}

function settled(entity: Entity): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const after = (settle: (value: never) => void) => (value: never) => {
      entity.removeListener("online", isOnline);
      entity.removeListener("error", failed);
      settle(value);
    };
    const isOnline = after(resolve);
    const failed = after(reject);
    entity.on("online", isOnline);
    entity.on("error", failed);
  });
}
