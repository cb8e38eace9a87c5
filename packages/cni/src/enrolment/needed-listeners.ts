// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { NetnsRef } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";
import { listeningPorts } from "../pods/listening-ports.ts";
import type { PodRules } from "../redirection/redirection.ts";
import type { ZdsWorkload } from "../zds/zds-messages.ts";

/** The ports that traffic of the pod is redirected to, and on which nobody listens. @throws MeshError LINUX_* */
export function missingListeners(netns: NetnsRef, rules: PodRules): readonly number[] {
  const needed = [
    PORTS.OUTBOUND,
    PORTS.HBONE,
    ...(rules.hasInboundCapture ? [PORTS.INBOUND_PLAINTEXT] : []),
    ...(rules.hasDnsCapture ? [PORTS.DNS] : []),
  ];
  const present = listeningPorts(netns);
  return needed.filter((port) => !present.has(port));
}

/**
 * Connections must not be sent to ports where nobody listens: some proxies have no DNS, for example.
 * @throws MeshError CNI_LISTENERS_MISSING, LINUX_*
 */
export function checkListeners(workload: ZdsWorkload, netns: NetnsRef, rules: PodRules): void {
  const missing = missingListeners(netns, rules);
  if (missing.length === 0) return;
  const advice = missing.includes(PORTS.DNS)
    ? "; a proxy without DNS needs AMBIENT_DNS_CAPTURE=false at the CNI agent"
    : "";
  throw cniErrors.create(
    "CNI_LISTENERS_MISSING",
    `the node proxy does not listen on ${missing.join(", ")} in pod ${workload.namespace}/${workload.name}${advice}`,
    { details: { uid: workload.uid, missing }, retryable: true },
  );
}
