// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { Clock, Logger } from "@ambientmesh/core";
import { cliErrors } from "../errors.ts";
import { openForward, type PortForward } from "../local/forward/port-forward.ts";
import type { RunningMesh } from "../local/running-mesh.ts";
import { CONTROL_PLANE, WORKERS } from "../local/topology.ts";

/** A port of the machine that is to lead to a service. */
export interface WantedForward {
  /** Undefined: any free one. */
  readonly localPort: number | undefined;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

/** What is forwarded if nothing else is asked for, as far as it is there; of busy ports others are taken. */
const USUAL_SERVICE: WantedForward & { readonly localPort: number } = {
  localPort: 18_080,
  namespace: "bookshop",
  service: "storefront",
  port: 80,
};
const USUAL_ISTIOD_PORT = 18_081;
const USUAL_ADMIN_PORT = 18_082;

const FORWARD = /^(?:(?<local>\d{1,5}):)?(?<namespace>[a-z0-9-]+)\/(?<service>[a-z0-9-]+):(?<port>\d{1,5})$/;

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

/** Opens what was asked for, and the usual ones. The stack closes them. @throws MeshError CLI_PORT_BUSY */
export async function openForwards(
  stack: AsyncDisposableStack,
  mesh: RunningMesh,
  wanted: readonly WantedForward[],
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<readonly PortForward[]> {
  const opened: PortForward[] = [];
  const open = async (options: Parameters<typeof openForward>[0]): Promise<void> => {
    opened.push(stack.use(await openForward(options, deps)));
  };
  const toService = (
    { namespace, service, port, localPort }: WantedForward,
    ifBusy: "fail" | "choose-another",
  ): Promise<void> =>
    open({
      name: `${namespace}/${service}:${port}`,
      port: localPort ?? 0,
      ifBusy,
      target: () => mesh.serviceTarget(namespace, service, port),
    });
  for (const forward of wanted) await toService(forward, "fail");
  const { namespace, service, port } = USUAL_SERVICE;
  if (mesh.serviceTarget(namespace, service, port) !== undefined) await toService(USUAL_SERVICE, "choose-another");
  if (!mesh.hasComponents) return opened;
  const loopbackOf = (node: string, loopbackPort: number, localPort: number, name: string): Promise<void> =>
    open({
      name,
      port: localPort,
      ifBusy: "choose-another",
      target: () => mesh.loopbackTarget(node, loopbackPort),
    });
  const [node] = WORKERS;
  await loopbackOf(CONTROL_PLANE.name, PORTS.ISTIOD_HTTP, USUAL_ISTIOD_PORT, "istiod's debug pages");
  if (node !== undefined) {
    await loopbackOf(node.name, PORTS.ADMIN, USUAL_ADMIN_PORT, `ztunnel's admin page on ${node.name}`);
  }
  return opened;
}
