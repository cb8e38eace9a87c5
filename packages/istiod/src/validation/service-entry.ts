// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { KEYS } from "@ambientmesh/api";
import type { ServiceEntry, ServiceEntrySpec } from "@ambientmesh/api/istio";
import { Findings, type Finding } from "@ambientmesh/authz";
import { addressRange } from "../model/ip-address.ts";
import { isWildcard } from "../model/service-entry.ts";
import { checkPort, checkUnique, isHostName, isHostPattern } from "./findings.ts";
import { checkWorkload } from "./workload-entry.ts";

/** Protocols that name the host in what they send, so that one port can lead to several hosts. */
const NAMING_PROTOCOLS: ReadonlySet<string> = new Set(["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS"]);

/** Checks a ServiceEntry (rules of Istio 1.31). */
export function validateServiceEntry({ metadata, spec }: ServiceEntry): readonly Finding[] {
  const findings = new Findings();
  checkHosts(spec, findings);
  checkAddresses(spec, findings);
  checkPorts(spec, findings);
  checkEndpoints(spec, findings);
  if (spec.resolution === "DYNAMIC_DNS") {
    checkDynamic(spec, metadata.labels?.[KEYS.USE_WAYPOINT] !== undefined, findings);
  }
  return findings.list;
}

function checkHosts({ hosts, resolution }: ServiceEntrySpec, findings: Findings): void {
  if (hosts.length === 0) findings.error("spec.hosts", "is empty; name at least one host");
  for (const [at, host] of hosts.entries()) {
    const path = `spec.hosts[${at}]`;
    if (host === "*") findings.error(path, 'is "*": an entry for all hosts is not possible');
    else if (!isHostPattern(host)) findings.error(path, `"${host}" is no host name`);
    else if (isWildcard(host) && resolution !== "DYNAMIC_DNS") {
      findings.warning(
        path,
        "is a wildcard: without resolution DYNAMIC_DNS it has no address of its own and no waypoint",
      );
    }
  }
}

function checkAddresses({ addresses = [], resolution = "NONE" }: ServiceEntrySpec, findings: Findings): void {
  for (const [at, address] of addresses.entries()) {
    const path = `spec.addresses[${at}]`;
    if (!addressRange(address)) findings.error(path, `"${address}" is no IP address and no range`);
    if (address.includes("/") && resolution !== "NONE" && resolution !== "STATIC") {
      findings.error(path, `is a range: those are for the resolutions NONE and STATIC, not ${resolution}`);
    }
  }
}

function checkPorts({ ports = [], hosts, resolution = "NONE" }: ServiceEntrySpec, findings: Findings): void {
  checkUnique(
    ports.map(({ name }) => name),
    (at) => `spec.ports[${at}].name`,
    findings,
  );
  checkUnique(
    ports.map(({ number }) => number),
    (at) => `spec.ports[${at}].number`,
    findings,
  );
  for (const [at, { number, targetPort, protocol = "TCP" }] of ports.entries()) {
    checkPort(number, `spec.ports[${at}].number`, findings);
    if (targetPort !== undefined) checkPort(targetPort, `spec.ports[${at}].targetPort`, findings);
    if (hosts.length > 1 && resolution !== "NONE" && !NAMING_PROTOCOLS.has(protocol.toUpperCase())) {
      findings.error(
        `spec.ports[${at}].protocol`,
        `${protocol} does not say which of the ${hosts.length} hosts is meant; use HTTP or TLS, or an entry for each host`,
      );
    }
  }
}

function checkEndpoints(spec: ServiceEntrySpec, findings: Findings): void {
  const { endpoints = [], workloadSelector, resolution = "NONE", hosts } = spec;
  const path = "spec.endpoints";
  if (endpoints.length > 0 && workloadSelector)
    findings.error(path, "only one of endpoints and workloadSelector may be set");
  if (endpoints.length > 0 && resolution === "NONE")
    findings.error(path, "must be left out: with resolution NONE clients choose the address");
  if (resolution === "DNS_ROUND_ROBIN" && endpoints.length > 1)
    findings.error(path, "has more than the one entry that DNS_ROUND_ROBIN allows");
  for (const [at, endpoint] of endpoints.entries()) {
    checkWorkload(endpoint, `${path}[${at}]`, findings);
    const { address = "" } = endpoint;
    if (resolution === "STATIC" && address !== "" && isIP(address) === 0 && !address.startsWith("unix://")) {
      findings.error(`${path}[${at}].address`, `"${address}" is no IP address; host names need a resolution by DNS`);
    }
  }
  const isFound = endpoints.length > 0 || workloadSelector !== undefined;
  if (isFound || (resolution !== "DNS" && resolution !== "DNS_ROUND_ROBIN")) return;
  for (const [at, host] of hosts.entries()) {
    if (!isHostName(host)) findings.error(`spec.hosts[${at}]`, `"${host}" can't be looked up in DNS; list endpoints`);
  }
}

function checkDynamic(spec: ServiceEntrySpec, hasWaypoint: boolean, findings: Findings): void {
  const { hosts, addresses = [], endpoints = [], ports = [], location } = spec;
  for (const [at, host] of hosts.entries()) {
    if (!isWildcard(host)) findings.error(`spec.hosts[${at}]`, "is no wildcard: DYNAMIC_DNS is for wildcards");
  }
  if (addresses.length > 0) findings.error("spec.addresses", "must be left out with DYNAMIC_DNS");
  if (endpoints.length > 0) findings.error("spec.endpoints", "must be left out with DYNAMIC_DNS");
  for (const [at, { protocol = "TCP" }] of ports.entries()) {
    if (!NAMING_PROTOCOLS.has(protocol.toUpperCase()))
      findings.error(`spec.ports[${at}].protocol`, `${protocol} does not name a host: DYNAMIC_DNS needs HTTP or TLS`);
  }
  if (location === "MESH_INTERNAL" && hasWaypoint)
    findings.error("spec.location", "MESH_INTERNAL is not possible with DYNAMIC_DNS and a waypoint");
}
