/**
 * How the client starts: as the library does it, which leaves a rejection to nobody when a login fails while it still waits for
 * the header of the stream, and so ends a program.
 *
 * @module
 */
import type { Entity } from "./library.js";

/** @returns the JID, once the client is `online`. @throws the first `error`, and why there is no connection. */
export async function start(entity: Entity): Promise<unknown> {
  // Its stop() can end with the end of the socket, told late.
  if (entity.status !== "offline" && entity.status !== "disconnect") throw new Error("Connection is not offline");
  const { service, domain, lang } = entity.options;
  await entity.connect(service);
  const online = settled(entity);
  await Promise.race([online, entity.open({ domain, lang })]); // leaves neither to nobody
  return online;
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
