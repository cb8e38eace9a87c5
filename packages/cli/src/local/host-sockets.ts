// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { linuxErrors, openTcpListener } from "@ambientmesh/linux";
import { cliErrors } from "../errors.ts";

/** A listening socket on the machine's loopback. Whoever takes it closes it, as by `server.listen({ fd })`. */
export interface HostSocket {
  readonly fd: number;
  readonly port: number;
}

/** A port of the machine's loopback that is to lead into the mesh. */
export interface WantedSocket {
  /** What it is for, for messages and to tell sockets apart. */
  readonly key: string;
  /** 0: any free one. */
  readonly port: number;
  /** What to do if the port is taken: fail, naming the flag that chooses another, or take a free one. */
  readonly ifBusy: { readonly flag: string } | "choose-another";
}

/** Where listening sockets on the machine's loopback come from. */
export interface HostSockets {
  /** @throws MeshError CLI_PORT_BUSY */
  take(wanted: WantedSocket): HostSocket;
}

/** Where kubectl finds the API server if nothing else is asked for. */
export const USUAL_API: WantedSocket = { key: "the Kubernetes API", port: 16_443, ifBusy: "choose-another" };

export const LOOPBACK = "127.0.0.1";
const BACKLOG = 128;
/** Where the search for a free port begins if none was named. */
const FIRST_PORT = 18_100;
const MAX_TRIES = 200;

/** Opens sockets when they are asked for: for a process that is in the machine's own network namespace. */
export const ownSockets: HostSockets = { take: openSocket };

/** Opens a socket; where another port will do, the next free one. @throws MeshError CLI_PORT_BUSY */
export function openSocket({ key, port, ifBusy }: WantedSocket): HostSocket {
  const first = port === 0 ? FIRST_PORT : port;
  const tries = ifBusy === "choose-another" || port === 0 ? MAX_TRIES : 1;
  for (let candidate = first; candidate < first + tries; candidate++) {
    const fd = tryListen(candidate);
    if (fd !== undefined) return { fd, port: candidate };
  }
  const hint =
    ifBusy === "choose-another" ? `and so are the ${MAX_TRIES} after it` : `choose another one with ${ifBusy.flag}`;
  throw cliErrors.create("CLI_PORT_BUSY", `port ${first} of ${LOOPBACK} for ${key} is in use; ${hint}`);
}

/** Not shared with other programs, this user's neither. */
function tryListen(port: number): number | undefined {
  try {
    return openTcpListener({ address: LOOPBACK, port, reusePort: false, backlog: BACKLOG });
  } catch (error) {
    if (linuxErrors.is(error, "LINUX_SYSCALL") && error.details["errno"] === "EADDRINUSE") return undefined;
    throw error;
  }
}

/** Sockets that a process was started with, as text for its environment. */
export function formatInherited(sockets: ReadonlyMap<string, HostSocket>): string {
  return JSON.stringify(Object.fromEntries(sockets));
}

/** The sockets of {@link formatInherited}, in the process that was started with them. Each can be taken once. */
export function inheritedSockets(text: string): HostSockets & Disposable {
  const sockets = new Map(Object.entries(JSON.parse(text) as Readonly<Record<string, HostSocket>>));
  return {
    take({ key }) {
      const socket = sockets.get(key);
      if (socket === undefined) throw cliErrors.create("CLI_PORT_BUSY", `this process was given no port for ${key}`);
      sockets.delete(key);
      return socket;
    },
    // Nobody would ever answer on those that are not taken.
    [Symbol.dispose]() {
      for (const { fd } of sockets.values()) closeSync(fd);
      sockets.clear();
    },
  };
}
