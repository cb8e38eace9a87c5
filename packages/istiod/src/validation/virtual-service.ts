// SPDX-License-Identifier: Apache-2.0
import type { HttpRoute, RouteDestinationReference, VirtualService } from "@ambientmesh/api/istio";
import { Findings, type Finding } from "@ambientmesh/authz";
import { checkPort, isHostPattern } from "./findings.ts";

interface Weighted {
  readonly destination: RouteDestinationReference;
  readonly weight?: number;
}

/** Checks a VirtualService: hosts, what routes do, destinations and weights (a part of the rules of Istio 1.31). */
export function validateVirtualService({ spec = {} }: VirtualService): readonly Finding[] {
  const findings = new Findings();
  const { hosts = [], http = [], tls = [], tcp = [] } = spec;
  for (const [at, host] of hosts.entries()) {
    if (host !== "*" && !isHostPattern(host) && !/^[\d.:a-f/]+$/i.test(host)) {
      findings.error(`spec.hosts[${at}]`, `"${host}" is no host name or address`);
    }
  }
  if (http.length + tls.length + tcp.length === 0)
    findings.error("spec", "has no routes: one of http, tls and tcp is needed");
  for (const [at, route] of http.entries()) checkHttpRoute(route, `spec.http[${at}]`, findings);
  for (const [at, { match = [], route = [] }] of tls.entries()) {
    if (match.length === 0) findings.error(`spec.tls[${at}].match`, "is empty: TLS routes are chosen by SNI");
    checkDestinations(route, `spec.tls[${at}].route`, findings);
  }
  for (const [at, { route = [] }] of tcp.entries()) checkDestinations(route, `spec.tcp[${at}].route`, findings);
  return findings.list;
}

function checkHttpRoute(route: HttpRoute, path: string, findings: Findings): void {
  const { redirect, directResponse, delegate } = route;
  const isRouted = (route.route?.length ?? 0) > 0;
  const actions = [isRouted, redirect !== undefined, directResponse !== undefined, delegate !== undefined];
  const count = actions.filter(Boolean).length;
  if (count !== 1)
    findings.error(path, `needs exactly one of route, redirect, directResponse and delegate, and has ${count}`);
  if (isRouted) checkDestinations(route.route ?? [], `${path}.route`, findings);
  const attempts = route.retries?.attempts ?? 0;
  if (attempts < 0) findings.error(`${path}.retries.attempts`, "is negative");
}

function checkDestinations(destinations: readonly Weighted[], path: string, findings: Findings): void {
  if (destinations.length === 0) findings.error(path, "is empty; name a destination");
  for (const [at, { destination, weight = 0 }] of destinations.entries()) {
    if (destination.host === "") findings.error(`${path}[${at}].destination.host`, "is empty");
    if (destination.port?.number !== undefined)
      checkPort(destination.port.number, `${path}[${at}].destination.port.number`, findings);
    if (weight < 0) findings.error(`${path}[${at}].weight`, "is negative");
  }
  const total = destinations.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (destinations.length > 1 && total === 0) findings.error(path, "has no weights: the destinations share nothing");
}
