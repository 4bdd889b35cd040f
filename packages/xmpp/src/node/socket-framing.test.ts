import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { kits } from "../../test/support.js";
import { SocketFraming } from "./socket-framing.js";

for (const { name, adapter } of kits) {
  test(`many may wait for a socket to drain, with ${name}`, async () => {
    const taken: (() => void)[] = [];
    const socket = new Duplex({
      read() {},
      write(_, __, done) {
        taken.push(done);
      },
      highWaterMark: 1,
    });
    const framing = new SocketFraming(socket, adapter as never);
    const before = socket.listenerCount("close");
    const order: number[] = [];
    const waiting = Array.from({ length: 50 }, (_, i) =>
      Promise.resolve(framing.write("<a/>")).then(() => order.push(i)),
    );
    expect([socket.listenerCount("drain"), socket.listenerCount("close")]).toEqual([1, before + 1]);
    for (let i = 0; i < 49; i++) taken.shift()?.();
    await new Promise(setImmediate);
    expect(order).toEqual([]);
    taken.shift()?.();
    await Promise.all(waiting);
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect([socket.listenerCount("drain"), socket.listenerCount("close")]).toEqual([0, before]);

    const again = Promise.resolve(framing.write("<a/>"));
    socket.destroy(); // nobody waits for ever
    await again;
  });
}
