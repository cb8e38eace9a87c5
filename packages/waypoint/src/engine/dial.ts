// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:net";
import type { Dial } from "../cluster/cluster.ts";

/** Envoy's words for what may happen to a connection that is being made. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "delayed connect error: Connection refused",
  EHOSTUNREACH: "delayed connect error: No route to host",
  ENETUNREACH: "immediate connect error: Network is unreachable",
};

/** Plain TCP. */
export const dialTcp: Dial = ({ address: host, port }, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof connect>>();
  const socket = connect({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true, signal });
  const failed = (error: NodeJS.ErrnoException): void => {
    socket.destroy();
    reject(new Error(WORDS[error.code ?? ""] ?? error.message, { cause: error }));
  };
  socket.once("error", failed);
  socket.once("connect", () => {
    socket.off("error", failed);
    resolve(socket);
  });
  return promise;
};
