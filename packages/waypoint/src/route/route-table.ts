// SPDX-License-Identifier: Apache-2.0
import type { Route, RouteConfiguration, VirtualHost } from "@ambientmesh/api/envoy/route";
import { invalid, unsupported } from "../config/refusal.ts";
import { compileOverrides } from "../filters/compile-filters.ts";
import type { FilterOverride } from "../filters/filter.ts";
import { isGrpc, pathOf, requestHeaderValues, type RequestHead } from "../http/head.ts";
import { compileFraction } from "../match/fraction.ts";
import { compileHeaderMatchers } from "../match/header-matcher.ts";
import { compileForward, type Forward, type Inherited } from "./forward.ts";
import { compileHeaderMutation, type HeaderMutation } from "./header-mutation.ts";
import { compilePathMatch, type PathMatch } from "./path-match.ts";
import { compileQueryMatchers, parseQuery } from "./query.ts";
import { compileRedirect, type CompiledRedirect } from "./redirect.ts";

/** An answer that a route gives by itself. */
export interface DirectResponse {
  readonly kind: "direct";
  readonly status: number;
  readonly body: Buffer;
}

export type RouteTarget = Forward | DirectResponse | ({ readonly kind: "redirect" } & CompiledRedirect);

/** One route, ready to be used. */
export interface CompiledRoute {
  readonly name: string;
  readonly matches: (request: RequestHead, random: number) => boolean;
  readonly target: RouteTarget;
  /** In the order in which they apply. */
  readonly requestMutations: readonly HeaderMutation[];
  readonly responseMutations: readonly HeaderMutation[];
  /** By name of the filter; the route's own win over the virtual host's. */
  readonly overrides: ReadonlyMap<string, FilterOverride>;
  readonly countsAttemptsInRequest: boolean;
  readonly countsAttemptsInResponse: boolean;
  /** Octets of a request's body that are kept for another attempt; undefined: the connection's limit. */
  readonly bufferLimit: number | undefined;
}

/** All routes of a connection manager. */
export interface RouteTable {
  readonly name: string;
  /** `random` is in [0, 1) and the same for all routes. */
  readonly select: (request: RequestHead, random: number) => CompiledRoute | undefined;
  /** Names of all clusters that are fixed. */
  readonly clusters: ReadonlySet<string>;
}

const DEFAULT_MAX_BODY = 4096;

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileRouteTable(config: RouteConfiguration, path: string): RouteTable {
  const hosts = config.virtualHosts.map((host, index) => {
    const at = `${path}.virtual_hosts[${index}]`;
    return { domains: host.domains, routes: compileRoutes(host, config, at) };
  });
  const hostOf = compileDomains(hosts, `${path}.virtual_hosts`);
  const isPortIgnored = config.ignorePortInHostMatching;
  return {
    name: config.name,
    clusters: clustersOf(config),
    select: (request, random) => {
      const host = request.authority.toLowerCase();
      const routes = hostOf(isPortIgnored ? host.replace(/:[^:\]]*$/, "") : host);
      return routes?.find((route) => route.matches(request, random));
    },
  };
}

type Routes = readonly CompiledRoute[];

/** Exact names first, then the longest suffix (`*.a`), then the longest prefix (`a.*`), then `*`. */
function compileDomains(
  hosts: readonly { readonly domains: readonly string[]; readonly routes: Routes }[],
  path: string,
): (host: string) => Routes | undefined {
  const exact = new Map<string, Routes>();
  const suffixes: [string, Routes][] = [];
  const prefixes: [string, Routes][] = [];
  const seen = new Set<string>();
  for (const [index, { domains, routes }] of hosts.entries()) {
    for (const domain of domains.map((name) => name.toLowerCase())) {
      if (seen.has(domain)) throw invalid(`${path}[${index}].domains`, `has ${domain}, which another one has too`);
      seen.add(domain);
      if (domain === "*" || !domain.includes("*")) exact.set(domain, routes);
      else if (domain.startsWith("*")) suffixes.push([domain.slice(1), routes]);
      else prefixes.push([domain.slice(0, -1), routes]);
    }
  }
  const longest = (a: [string, Routes], b: [string, Routes]): number => b[0].length - a[0].length;
  suffixes.sort(longest);
  prefixes.sort(longest);
  return (host) =>
    exact.get(host) ??
    suffixes.find(([end]) => host.length > end.length && host.endsWith(end))?.[1] ??
    prefixes.find(([start]) => host.length > start.length && host.startsWith(start))?.[1] ??
    exact.get("*");
}

function compileRoutes(host: VirtualHost, config: RouteConfiguration, path: string): Routes {
  const outer = [mutations(host, path), mutations(config, "route_config")];
  const mirrors = host.requestMirrorPolicies.length > 0 ? host.requestMirrorPolicies : config.requestMirrorPolicies;
  const hostOverrides = compileOverrides(host.typedPerFilterConfig, `${path}.typed_per_filter_config`);
  const inherited: Inherited = { retryPolicy: host.retryPolicy, mirrors };
  return host.routes.map((route, index) => {
    const at = `${path}.routes[${index}]`;
    const levels = [mutations(route, at), ...outer];
    if (config.mostSpecificHeaderMutationsWins) levels.reverse();
    const match = compilePathMatch(route.match, `${at}.match`);
    return {
      name: route.name,
      matches: compileMatch(route, match, `${at}.match`),
      target: compileTarget(route, match, { inherited, config }, at),
      requestMutations: levels.flatMap(({ request }) => request ?? []),
      responseMutations: levels.flatMap(({ response }) => response ?? []),
      overrides: new Map([
        ...hostOverrides,
        ...compileOverrides(route.typedPerFilterConfig, `${at}.typed_per_filter_config`),
      ]),
      countsAttemptsInRequest: host.includeRequestAttemptCount,
      countsAttemptsInResponse: host.includeAttemptCountInResponse,
      bufferLimit: route.perRequestBufferLimitBytes ?? host.perRequestBufferLimitBytes,
    };
  });
}

type WithMutations = Pick<
  Route,
  "requestHeadersToAdd" | "requestHeadersToRemove" | "responseHeadersToAdd" | "responseHeadersToRemove"
>;

function mutations(
  of: WithMutations,
  path: string,
): { readonly request: HeaderMutation | undefined; readonly response: HeaderMutation | undefined } {
  return {
    request: compileHeaderMutation(of.requestHeadersToAdd, of.requestHeadersToRemove, `${path}.request`),
    response: compileHeaderMutation(of.responseHeadersToAdd, of.responseHeadersToRemove, `${path}.response`),
  };
}

function compileMatch({ match }: Route, path: PathMatch, at: string): CompiledRoute["matches"] {
  const headers = compileHeaderMatchers(match?.headers ?? [], `${at}.headers`);
  const query = compileQueryMatchers(match?.queryParameters ?? [], `${at}.query_parameters`);
  const admits = match?.runtimeFraction ? compileFraction(match.runtimeFraction.defaultValue) : () => true;
  const needsGrpc = match?.grpc !== undefined;
  return (request, random) =>
    path.test(pathOf(request.path)) &&
    admits(random) &&
    (!needsGrpc || isGrpc(request.headers)) &&
    headers((name) => requestHeaderValues(request, name)) &&
    (query === undefined || query(parseQuery(request.path)));
}

function compileTarget(
  { action }: Route,
  match: PathMatch,
  { inherited, config }: { readonly inherited: Inherited; readonly config: RouteConfiguration },
  path: string,
): RouteTarget {
  switch (action.case) {
    case "route":
      return compileForward(action.value, match, inherited, `${path}.route`);
    case "redirect":
      return { kind: "redirect", ...compileRedirect(action.value, match, `${path}.redirect`) };
    case "directResponse": {
      const { specifier } = action.value.body ?? { specifier: { case: undefined } };
      const isText = specifier.case === "inlineString" || specifier.case === "inlineBytes";
      const body = Buffer.from(isText ? specifier.value : "");
      if (body.length > (config.maxDirectResponseBodySizeBytes ?? DEFAULT_MAX_BODY)) {
        throw invalid(`${path}.direct_response.body`, `is longer than max_direct_response_body_size_bytes`);
      }
      return { kind: "direct", status: action.value.status, body };
    }
    default:
      throw unsupported(path, "has no action");
  }
}

function clustersOf({ virtualHosts }: RouteConfiguration): Set<string> {
  const names = new Set<string>();
  for (const { action } of virtualHosts.flatMap(({ routes }) => routes)) {
    if (action.case !== "route") continue;
    const { clusterSpecifier } = action.value;
    if (clusterSpecifier.case === "cluster") names.add(clusterSpecifier.value);
    if (clusterSpecifier.case !== "weightedClusters") continue;
    for (const { name } of clusterSpecifier.value.clusters) names.add(name);
  }
  return names;
}
