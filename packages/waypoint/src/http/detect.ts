// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Looks at the first octets of a connection and puts them back: HTTP/2 begins with its preface (RFC 9113 section 3.4),
 * which is no request of HTTP/1. The callback is not called for connections that end before they can be told apart.
 */
export function detectHttp2(socket: Duplex, decided: (isHttp2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  const look = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isPreface && length < PREFACE.length) return;
    socket.off("readable", look);
    socket.off("error", ended);
    socket.off("end", ended);
    socket.unshift(seen);
    decided(isPreface);
  };
  const ended = (): void => void socket.destroy();
  socket.on("error", ended);
  socket.on("end", ended);
  socket.on("readable", look);
}
