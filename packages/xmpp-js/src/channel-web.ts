/** Browsers: WebSockets alone, and nothing is known of the TLS below them. */
import type { Channel, Destination, LibrarySocket } from "./channel.js";

export function channelOf(_socket: LibrarySocket, _to: Destination): Channel {
  return { trusted: true }; // a browser opens no other `wss:`
}

export function canStartTLS(_socket: LibrarySocket): boolean {
  return false;
}

export function letGo(_socket: LibrarySocket): () => void {
  return () => {};
}

export function drop({ socket }: LibrarySocket): void {
  (socket as WebSocket | null | undefined)?.close();
}
