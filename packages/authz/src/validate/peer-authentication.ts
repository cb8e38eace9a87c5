// SPDX-License-Identifier: Apache-2.0
import type { MtlsMode, PeerAuthentication } from "@ambientmesh/api/istio";
import { shown } from "../problem.ts";
import { parsePort } from "../values/port.ts";
import { checkAttachment } from "./attachment.ts";
import { Findings, type Finding } from "./findings.ts";

const MODES: readonly MtlsMode[] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];

/** Checks a PeerAuthentication as Istio's webhook does (Istio 1.31). */
export function validatePeerAuthentication(object: PeerAuthentication): readonly Finding[] {
  const findings = new Findings();
  const { selector, mtls, portLevelMtls } = object.spec ?? {};
  if (selector) checkAttachment({ selector }, findings);
  checkMode(mtls?.mode, "spec.mtls.mode", findings);
  if (portLevelMtls === undefined) return findings.list;
  const path = "spec.portLevelMtls";
  if (Object.keys(selector?.matchLabels ?? {}).length === 0) {
    findings.error(path, "needs a selector with labels: ports belong to workloads");
  }
  const ports = Object.entries(portLevelMtls);
  if (ports.length === 0) findings.error(path, "is empty; leave it out or name a port");
  for (const [text, setting] of ports) {
    const port = parsePort(text);
    if (!port.ok) findings.error(`${path}[${text}]`, port.message);
    checkMode(setting.mode, `${path}[${text}].mode`, findings);
  }
  return findings.list;
}

function checkMode(mode: MtlsMode | undefined, path: string, findings: Findings): void {
  if (mode !== undefined && !MODES.includes(mode)) {
    findings.error(path, `${shown(mode)} is none of ${MODES.join(", ")}`);
  }
}
