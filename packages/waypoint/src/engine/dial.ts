// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:net";
import type { Dial } from "../cluster/dial.ts";

/** Envoy's words for what may happen to a connection that is being made. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "delayed connect error: Connection refused",
  EHOSTUNREACH: "delayed connect error: No route to host",
  ENETUNREACH: "immediate connect error: Network is unreachable",
};

/** Plain TCP. */
export const dialTcp: Dial = ({ address: host, port }, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof connect>>();
  const socket = connect({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true });
  // The option `signal` of node:net would end the connection also after it was made.
  const giveUp = (): void => void socket.destroy(new Error("the attempt was given up", { cause: signal.reason }));
  signal.addEventListener("abort", giveUp, { once: true });
  const failed = (error: NodeJS.ErrnoException): void => {
    signal.removeEventListener("abort", giveUp);
    socket.destroy();
    reject(new Error(WORDS[error.code ?? ""] ?? error.message, { cause: error }));
  };
  if (signal.aborted) giveUp();
  socket.once("error", failed);
  socket.once("connect", () => {
    signal.removeEventListener("abort", giveUp);
    socket.off("error", failed);
    resolve(socket);
  });
  return promise;
};
