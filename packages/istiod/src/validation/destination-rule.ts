// SPDX-License-Identifier: Apache-2.0
import type { ClientTlsSettings, DestinationRule, TrafficPolicy } from "@ambientmesh/api/istio";
import { Findings, type Finding } from "@ambientmesh/authz";
import { checkPort, checkUnique, isHostPattern } from "./findings.ts";

const SUBSET_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Checks a DestinationRule: host, subsets, TLS settings, ports (a part of the rules of Istio 1.31). */
export function validateDestinationRule({ spec }: DestinationRule): readonly Finding[] {
  const findings = new Findings();
  const { host = "", subsets = [], trafficPolicy } = spec ?? {};
  if (host !== "*" && !isHostPattern(host)) findings.error("spec.host", `"${host}" is no host name`);
  checkUnique(
    subsets.map(({ name }) => name),
    (at) => `spec.subsets[${at}].name`,
    findings,
  );
  if (trafficPolicy) checkTraffic(trafficPolicy, "spec.trafficPolicy", findings);
  for (const [at, { name, trafficPolicy: own }] of subsets.entries()) {
    const path = `spec.subsets[${at}]`;
    if (!SUBSET_NAME.test(name)) findings.error(`${path}.name`, `"${name}" is no DNS label`);
    if (own) checkTraffic(own, `${path}.trafficPolicy`, findings);
  }
  return findings.list;
}

function checkTraffic(policy: TrafficPolicy, path: string, findings: Findings): void {
  const { tls, loadBalancer, portLevelSettings = [], tunnel } = policy;
  if (tls) checkTls(tls, `${path}.tls`, findings);
  if (loadBalancer?.simple !== undefined && loadBalancer.consistentHash) {
    findings.error(`${path}.loadBalancer`, "only one of simple and consistentHash may be set");
  }
  for (const [at, { port, tls: portTls }] of portLevelSettings.entries()) {
    checkPort(port?.number ?? 0, `${path}.portLevelSettings[${at}].port.number`, findings);
    if (portTls) checkTls(portTls, `${path}.portLevelSettings[${at}].tls`, findings);
  }
  if (tunnel) checkPort(tunnel.targetPort, `${path}.tunnel.targetPort`, findings);
}

function checkTls(
  { mode, credentialName = "", clientCertificate = "", privateKey = "" }: ClientTlsSettings,
  path: string,
  findings: Findings,
): void {
  if (mode !== "MUTUAL" || credentialName !== "") return;
  if (clientCertificate === "")
    findings.error(`${path}.clientCertificate`, "is missing: MUTUAL needs it, or a credentialName");
  if (privateKey === "") findings.error(`${path}.privateKey`, "is missing: MUTUAL needs it, or a credentialName");
}
