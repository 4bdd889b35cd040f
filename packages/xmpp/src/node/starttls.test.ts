import { once } from "node:events";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { cert, key } from "../../test/certificate.js";
import { rejection } from "../../test/support.js";
import { certificateUpgrade, plainUpgrade } from "./starttls.js";

for (const upgrade of [plainUpgrade, certificateUpgrade]) {
  test(`R-LIM-05 ${upgrade.name} waits for no handshake on a socket that is closed already`, async () => {
    const socket = new Socket();
    socket.destroy();
    await once(socket, "close");
    expect(await rejection(upgrade({ key, cert })(socket))).toMatchObject({ code: "connection-lost" });
  });
}
