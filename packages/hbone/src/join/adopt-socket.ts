// SPDX-License-Identifier: Apache-2.0
import { Socket, type SocketConstructorOpts } from "node:net";
import { TLSSocket } from "node:tls";

/** What is used of Node's own object behind a socket. It has no public interface. */
interface Handle {
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

/** Where an adopted socket reads into and whom it tells. */
export interface ReadTarget {
  /** Asked before each read; the same memory may be given to any number of sockets. */
  readonly buffer: () => Uint8Array;
  /** `count` octets are at the start of the buffer. False stops reading until `resume()`. */
  readonly onRead: (count: number) => boolean;
}

/**
 * Moves a connected socket into a new one that reads into memory of ours, which Node lets be chosen only when a socket is
 * made: an accepted one never can be. The old object is left without a connection; destroy it when the new one has closed.
 *
 * Undefined if this Node.js does not work as expected, or for other sockets than plain ones: read those as usual. Bytes the
 * old socket had read already must be taken out of it before.
 */
export function adoptSocket(socket: Socket, target: ReadTarget): Socket | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (socket instanceof TLSSocket || !isHandle(handle)) return undefined;
  socket.setTimeout(0);
  // Also makes an end of the stream that the old socket has seen come again.
  if (handle.readStop() !== 0) return undefined;
  handle.reading = false;
  Reflect.set(socket, "_handle", null);
  const onread = { buffer: target.buffer, callback: target.onRead };
  // The option `handle` is what net.Server makes its sockets with; the types know nothing of it.
  const options: SocketConstructorOpts & { readonly handle: Handle } = { handle, onread, allowHalfOpen: true };
  return new Socket(options);
}

function isHandle(value: unknown): value is Handle {
  if (typeof value !== "object" || value === null) return false;
  const { reading, readStop, useUserBuffer } = value as Partial<Handle>;
  return (
    (reading === undefined || typeof reading === "boolean") &&
    typeof readStop === "function" &&
    typeof useUserBuffer === "function"
  );
}
