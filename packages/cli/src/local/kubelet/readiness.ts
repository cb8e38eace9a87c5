// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { get } from "node:http";
import type { Clock } from "@ambientmesh/core";
import type { Container, IntOrString, Probe } from "@ambientmesh/api/kubernetes";
import { connectTcp, type NetnsRef } from "@ambientmesh/linux";

/** Ports on which somebody waits in a network namespace. */
export interface ListeningPorts {
  readonly tcp: ReadonlySet<number>;
  readonly udp: ReadonlySet<number>;
}

/** State of a listening TCP socket in /proc/net/tcp (TCP_LISTEN). */
const LISTEN = "0A";

/** The ports of listening TCP sockets, or with `isUdp` of all UDP sockets, in a `/proc/PID/net/{tcp,tcp6,udp,udp6}`. */
export function parseSocketTable(text: string, isUdp: boolean): readonly number[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
      return Number.isInteger(port) && (isUdp || state === LISTEN) ? [port] : [];
    });
}

/** The ports that are open in the network namespace of a process; none once it has ended. */
export function listeningPorts(pid: number): ListeningPorts {
  const ports = (names: readonly string[], isUdp: boolean): ReadonlySet<number> =>
    new Set(names.flatMap((name) => parseSocketTable(readTable(pid, name), isUdp)));
  return { tcp: ports(["tcp", "tcp6"], false), udp: ports(["udp", "udp6"], true) };
}

function readTable(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/${name}`, "utf8");
  } catch {
    // The process has ended, or the kernel has no IPv6.
    return "";
  }
}

/** True if every port that the container declares is open. */
export function servesDeclaredPorts({ ports = [] }: Container, pid: number): boolean {
  if (ports.length === 0) return true;
  const open = listeningPorts(pid);
  return ports.every(({ containerPort, protocol }) => (protocol === "UDP" ? open.udp : open.tcp).has(containerPort));
}

/** Where a probe goes. */
export interface ProbeTarget {
  readonly netns: NetnsRef;
  readonly host: string;
  readonly clock: Clock;
}

const DEFAULT_TIMEOUT_SECONDS = 1;

/**
 * One probe, from inside of the pod's namespace: so a pod in the mesh is seen as it is, whatever its policies say.
 * @returns true if it succeeded; HTTP answers from 200 to 399 count as success
 */
export async function probeOnce(
  probe: Probe,
  container: Container,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = probe.httpGet ?? probe.tcpSocket;
  const port = wanted && portNumber(wanted.port, container);
  if (port === undefined) return false;
  const timeoutMs = (probe.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
  const { netns, clock } = target;
  const host = wanted?.host ?? target.host;
  const socket = await connectTcp({ netns, host, port, timeoutMs, signal }, { clock });
  if (probe.httpGet === undefined) {
    socket.destroy();
    return true;
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const request = get({
    path: probe.httpGet.path ?? "/",
    headers: { host: `${host}:${port}`, connection: "close" },
    createConnection: () => socket,
    signal,
  });
  using _timer = clock.setTimer(timeoutMs, () => request.destroy());
  request.once("response", ({ statusCode = 0 }) => resolve(statusCode >= 200 && statusCode < 400));
  request.once("error", () => resolve(false));
  request.once("close", () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

function portNumber(port: IntOrString, { ports = [] }: Container): number | undefined {
  return typeof port === "number" ? port : ports.find(({ name }) => name === port)?.containerPort;
}
