/**
 * From an HTTP connection to a WebSocket with XMPP in it. Source: RFC 7395 §3.1.
 *
 * @module
 */
import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

/** The subprotocol. */
const XMPP = "xmpp";

/** Longest message; the stream above has limits of its own. */
const MAX_PAYLOAD = 10_485_760;

/** How long a client may take to ask for its WebSocket; from then on the stream has a limit of its own. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Answers HTTP with WebSockets on any path, and with 426 what asks for none.
 *
 * @param onSocket takes an open WebSocket over, and the connection below it.
 * @param timeoutMs for a request; Node's own limits are for servers that listen themselves
 * @returns what takes accepted sockets over; TLS sockets after their handshake.
 */
export function websockets(
  onSocket: (websocket: WebSocket, socket: Socket) => void,
  timeoutMs: number = REQUEST_TIMEOUT_MS,
): (socket: Socket) => void {
  const asking = new WeakMap<Socket, ReturnType<typeof setTimeout>>();
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(XMPP) ? XMPP : false),
  });
  const http = createServer((_, response) => {
    response.writeHead(426, { upgrade: "websocket", connection: "close" }).end("XMPP over WebSocket is here.\n");
  });
  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    clearTimeout(asking.get(socket));
    server.handleUpgrade(request, socket, head, (websocket) => {
      websocket.on("error", () => {}); // it is closed then, which its reader is told
      if (websocket.protocol === XMPP) onSocket(websocket, socket);
      else websocket.close(1002, "the subprotocol is xmpp");
    });
  });
  return (socket) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    asking.set(socket, timer);
    socket.once("close", () => clearTimeout(timer));
    http.emit("connection", socket);
  };
}
