// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:dgram";
import { abortedError, type Clock } from "@ambientmesh/core";
import { ztunnelErrors } from "../errors.ts";
import { formatSocketAddress, type SocketAddress } from "../net/address.ts";
import type { NameServerList } from "./resolv-conf.ts";
import { HEADER_BYTES } from "./wire.ts";

/** How a question goes out. */
export interface AskDeps {
  readonly clock: Clock;
  /** A fresh socket on a port of the kernel's choice, to ask this server. */
  readonly open: (server: SocketAddress) => Promise<Socket>;
  readonly nameServers: NameServerList;
}

/** Clients give up or try again after 5 s; another name server should have had its chance by then. */
const SERVER_TIMEOUT_MS = 2000;

/**
 * Passes a message on, unchanged, to one name server after the other until one answers. Each goes out from a port of its
 * own, and only the server's answer to this very message counts.
 * @throws MeshError ZTUNNEL_DNS_UNANSWERED, ABORTED
 */
export async function askUdp(deps: AskDeps, message: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const { nameServers: servers } = await deps.nameServers.current();
  let cause: unknown;
  for (const server of servers) {
    try {
      return await askOne(deps, server, message, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      deps.nameServers.silent(server);
      cause = error;
    }
  }
  throw unanswered(servers, cause);
}

/** No name server answered. */
export function unanswered(servers: readonly SocketAddress[], cause?: unknown): Error {
  const names = servers.map(formatSocketAddress).join(", ");
  const text = names === "" ? "there is no name server to ask" : `no name server answered: ${names}`;
  return ztunnelErrors.create("ZTUNNEL_DNS_UNANSWERED", text, { cause, retryable: true });
}

async function askOne(
  { clock, open }: AskDeps,
  server: SocketAddress,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = await open(server);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onAbort = (): void => reject(abortedError(signal, "a DNS question"));
  using _timer = clock.setTimer(SERVER_TIMEOUT_MS, () => reject(unanswered([server])));
  socket.on("error", reject);
  socket.on("message", (answer: Buffer) => {
    if (isAnswer(answer, message)) resolve(answer);
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    // Connected: the kernel drops what comes from elsewhere, and says so if nobody listens there.
    socket.connect(server.port, server.ip, () => socket.send(message));
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.close();
  }
}

/** The same id, and an answer. */
function isAnswer(answer: Uint8Array, message: Uint8Array): boolean {
  if (answer.length < HEADER_BYTES || ((answer[2] as number) & 0x80) === 0) return false;
  return answer[0] === message[0] && answer[1] === message[1];
}
