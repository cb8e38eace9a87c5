// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { Clock, Logger } from "@ambientmesh/core";
import { cliErrors } from "../errors.ts";
import { openForward, type ForwardOptions, type PortForward } from "../local/forward/port-forward.ts";
import type { HostSockets, WantedSocket } from "../local/host-sockets.ts";
import type { RunningMesh } from "../local/running-mesh.ts";
import { CONTROL_PLANE } from "../local/topology.ts";

/** A port of the machine that is to lead to a service. */
export interface WantedForward {
  /** Undefined: any free one. */
  readonly localPort: number | undefined;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

const FORWARD = /^(?:(?<local>\d{1,5}):)?(?<namespace>[a-z0-9-]+)\/(?<service>[a-z0-9-]+):(?<port>\d{1,5})$/;

/** Services that are forwarded if they are there, without being asked for. */
const USUAL_SERVICE: WantedForward = { localPort: 18_080, namespace: "bookshop", service: "storefront", port: 80 };
const ISTIOD: WantedSocket = { key: "istiod's debug pages", port: 18_081, ifBusy: "choose-another" };
const ADMIN_NODE = "node1";
const ADMIN: WantedSocket = {
  key: `ztunnel's admin page on ${ADMIN_NODE}`,
  port: 18_082,
  ifBusy: "choose-another",
};

/** @throws MeshError CLI_ARGUMENT_INVALID */
export function parseForwards(texts: readonly string[]): readonly WantedForward[] {
  return texts.map((text) => {
    const { local, namespace, service, port } = FORWARD.exec(text)?.groups ?? {};
    const numbers = [local, port].filter((number) => number !== undefined).map(Number);
    const isGood = numbers.every((number) => number > 0 && number < 65_536);
    if (namespace !== undefined && service !== undefined && isGood) {
      return { localPort: local === undefined ? undefined : Number(local), namespace, service, port: Number(port) };
    }
    throw cliErrors.create("CLI_ARGUMENT_INVALID", `--forward "${text}" is not [LOCAL-PORT:]NAMESPACE/SERVICE:PORT`);
  });
}

/** The sockets that {@link openForwards} will take, for a process that has to be given them. */
export function socketsOfForwards(wanted: readonly WantedForward[]): readonly WantedSocket[] {
  return [...wanted.map((forward) => socketOf(forward)), usualSocket(), ISTIOD, ADMIN];
}

/** Opens what was asked for, and the usual ones as far as they lead somewhere. The stack closes them. @throws MeshError CLI_PORT_BUSY */
export async function openForwards(
  stack: AsyncDisposableStack,
  mesh: RunningMesh,
  wanted: readonly WantedForward[],
  deps: { readonly clock: Clock; readonly logger: Logger; readonly sockets: HostSockets },
): Promise<readonly PortForward[]> {
  const opened: PortForward[] = [];
  const open = async (socket: WantedSocket, target: ForwardOptions["target"]): Promise<void> => {
    opened.push(stack.use(await openForward({ name: socket.key, socket: deps.sockets.take(socket), target }, deps)));
  };
  const toService = ({ namespace, service, port }: WantedForward): ForwardOptions["target"] => {
    return () => mesh.serviceTarget(namespace, service, port);
  };
  for (const forward of wanted) await open(socketOf(forward), toService(forward));
  const toUsual = toService(USUAL_SERVICE);
  if (toUsual() !== undefined) await open(usualSocket(), toUsual);
  if (!mesh.hasComponents) return opened;
  await open(ISTIOD, () => mesh.loopbackTarget(CONTROL_PLANE.name, PORTS.ISTIOD_HTTP));
  await open(ADMIN, () => mesh.loopbackTarget(ADMIN_NODE, PORTS.ADMIN));
  return opened;
}

function usualSocket(): WantedSocket {
  return { ...socketOf(USUAL_SERVICE), ifBusy: "choose-another" };
}

function socketOf({ localPort = 0, namespace, service, port }: WantedForward): WantedSocket {
  return { key: `${namespace}/${service}:${port}`, port: localPort, ifBusy: { flag: "--forward" } };
}
