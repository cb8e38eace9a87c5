// SPDX-License-Identifier: Apache-2.0
import { SUBNETS } from "../topology.ts";
import type { Backend, VirtualPort } from "./virtual-ports.ts";

/** Our table in each node's namespace. */
export const TABLE = "ambient-local";

/**
 * What kube-proxy does, as one nftables table: connections to a service's address get the address of a random ready pod.
 * The text replaces the whole table in one transaction.
 */
export function servicesRuleset(ports: readonly VirtualPort[]): string {
  const served = ports.filter(({ backends }) => backends.length > 0);
  const backends = uniqueBackends(served);
  return [
    `table inet ${TABLE} {}`,
    `delete table inet ${TABLE}`,
    `table inet ${TABLE} {`,
    ...backends.flatMap((backend) => backendChain(backend)),
    ...served.flatMap((port) => portChain(port)),
    ...chain("services", [servicesRule(served)]),
    ...chain("prerouting", ["type nat hook prerouting priority dstnat", "jump services"]),
    ...chain("output", ["type nat hook output priority -100", "jump services"]),
    ...chain("postrouting", ["type nat hook postrouting priority srcnat", hairpinRule(backends)]),
    ...chain("refuse", [`ip daddr ${SUBNETS.services} reject`]),
    ...chain("refuse-forwarded", ["type filter hook forward priority filter", "jump refuse"]),
    ...chain("refuse-own", ["type filter hook output priority filter", "jump refuse"]),
    "}",
    "",
  ].join("\n");
}

function chain(name: string, rules: readonly (string | undefined)[]): readonly string[] {
  const lines = rules.filter((rule) => rule !== undefined);
  return [`  chain ${name} {`, ...lines.map((line) => `    ${line}`), "  }"];
}

const dashed = (address: string): string => address.replaceAll(".", "-");
const backendName = ({ address, port }: Backend): string => `backend-${dashed(address)}-${port}`;
const portName = ({ address, protocol, port }: VirtualPort): string => `port-${dashed(address)}-${protocol}-${port}`;

function uniqueBackends(ports: readonly VirtualPort[]): readonly Backend[] {
  const byName = new Map(ports.flatMap(({ backends }) => backends.map((backend) => [backendName(backend), backend])));
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, backend]) => backend);
}

function backendChain(backend: Backend): readonly string[] {
  const { address, port } = backend;
  const rules = ["tcp", "udp"].map((protocol) => `meta l4proto ${protocol} dnat ip to ${address}:${port}`);
  return chain(backendName(backend), rules);
}

function portChain(port: VirtualPort): readonly string[] {
  const targets = port.backends.map((backend, index) => `${index} : goto ${backendName(backend)}`).join(", ");
  return chain(portName(port), [
    `numgen random mod ${port.backends.length} vmap { ${targets} } comment ${JSON.stringify(port.name)}`,
  ]);
}

function servicesRule(ports: readonly VirtualPort[]): string | undefined {
  if (ports.length === 0) return undefined;
  const targets = ports.map((port) => `${port.address} . ${port.protocol} . ${port.port} : goto ${portName(port)}`);
  return `ip daddr . meta l4proto . th dport vmap { ${targets.join(", ")} }`;
}

/** A pod that reaches itself through a service would see its own address as the sender and drop the packet. */
function hairpinRule(backends: readonly Backend[]): string | undefined {
  const addresses = [...new Set(backends.map(({ address }) => address))];
  if (addresses.length === 0) return undefined;
  return `ip saddr . ip daddr { ${addresses.map((address) => `${address} . ${address}`).join(", ")} } masquerade`;
}
