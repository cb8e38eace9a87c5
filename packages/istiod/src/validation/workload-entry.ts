// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { Findings, type Finding } from "@ambientmesh/authz";
import type { WorkloadEntry, WorkloadEntrySpec } from "@ambientmesh/api/istio";
import { checkPort, isHostName } from "./findings.ts";

const SOCKET = "unix://";

/** Checks a WorkloadEntry (rules of Istio 1.31). */
export function validateWorkloadEntry({ spec = {} }: WorkloadEntry): readonly Finding[] {
  const findings = new Findings();
  checkWorkload(spec, "spec", findings);
  return findings.list;
}

/** Checks a WorkloadEntry's spec, or an endpoint of a ServiceEntry. */
export function checkWorkload(spec: WorkloadEntrySpec, path: string, findings: Findings): void {
  const { address = "", network = "", ports = {}, weight = 1 } = spec;
  if (address === "" && network === "")
    findings.error(`${path}.address`, "is missing; only a workload of another network may go without");
  if (address === "" && network !== "")
    findings.warning(`${path}.address`, "is missing: the workload is reached through the gateway of its network only");
  const isSocket = address.startsWith(SOCKET);
  if (isSocket) {
    if (!/^[/@][^/].*[^/]$|^[/@][^/]$/.test(address.slice(SOCKET.length))) {
      findings.error(`${path}.address`, "is no absolute path or abstract name of a socket");
    }
    if (Object.keys(ports).length > 0) findings.error(`${path}.ports`, "must be left out: a unix socket has no ports");
  } else if (address !== "" && isIP(address) === 0 && !isHostName(address)) {
    findings.error(`${path}.address`, `"${address}" is no IP address, host name or unix:// path`);
  }
  for (const [name, port] of Object.entries(ports)) checkPort(port, `${path}.ports[${name}]`, findings);
  if (weight < 0) findings.error(`${path}.weight`, "is negative");
}
