// SPDX-License-Identifier: Apache-2.0
import { RoutingPriority } from "@ambientmesh/api/envoy/core";
import {
  type RetryPolicy,
  type RouteAction,
  RouteAction_ClusterNotFoundResponseCode as NotFound,
  type RouteAction_RequestMirrorPolicy as MirrorPolicy,
  type WeightedCluster_ClusterWeight as ClusterWeight,
} from "@ambientmesh/api/envoy/route";
import { limitMs } from "../config/durations.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import { pathOf, requestHeader, type RequestHead } from "../http/head.ts";
import { compileFraction, type FractionTest } from "../match/fraction.ts";
import { compileHeaderMutation, type HeaderMutation } from "./header-mutation.ts";
import type { PathMatch } from "./path-match.ts";
import { compileRetryPolicy, type CompiledRetryPolicy } from "./retry-policy.ts";

/** A cluster that a request may go to, and what only those requests get. */
export interface ClusterChoice {
  readonly cluster: string;
  readonly hostRewrite?: string;
  readonly requestMutation?: HeaderMutation | undefined;
  readonly responseMutation?: HeaderMutation | undefined;
}

/** A cluster that gets copies of requests. */
export interface Mirror {
  readonly cluster: string;
  readonly admits: FractionTest;
  readonly hasHostSuffix: boolean;
}

/** What becomes of requests that are passed on. */
export interface Forward {
  readonly kind: "forward";
  /** `random` is in [0, 1). */
  readonly choose: (request: RequestHead, random: number) => ClusterChoice;
  readonly clusterNotFoundStatus: 503 | 404 | 500;
  /** Changes path and authority; says which it changed. */
  readonly rewrite: (request: RequestHead) => void;
  /** The authority becomes the host name of the endpoint. */
  readonly isAutoHostRewrite: boolean;
  /** Keep the authority that is replaced in `x-forwarded-host`. */
  readonly appendForwardedHost: boolean;
  readonly timeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  readonly retry: CompiledRetryPolicy | undefined;
  readonly mirrors: readonly Mirror[];
  readonly isHighPriority: boolean;
  /** By kind of upgrade; overrides the connection manager's. */
  readonly upgrades: ReadonlyMap<string, boolean>;
}

/** What a route inherits from its virtual host. */
export interface Inherited {
  readonly retryPolicy: RetryPolicy | undefined;
  readonly mirrors: readonly MirrorPolicy[];
}

const DEFAULT_TIMEOUT_MS = 15_000;
const NOT_FOUND_STATUS: Readonly<Record<number, 503 | 404 | 500>> = {
  [NotFound.SERVICE_UNAVAILABLE]: 503,
  [NotFound.NOT_FOUND]: 404,
  [NotFound.INTERNAL_SERVER_ERROR]: 500,
};

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileForward(action: RouteAction, match: PathMatch, inherited: Inherited, path: string): Forward {
  const retryPolicy = action.retryPolicy ?? inherited.retryPolicy;
  const mirrors = action.requestMirrorPolicies.length > 0 ? action.requestMirrorPolicies : inherited.mirrors;
  return {
    kind: "forward",
    choose: compileChoice(action, path),
    clusterNotFoundStatus: NOT_FOUND_STATUS[action.clusterNotFoundResponseCode] ?? 503,
    rewrite: compileRewrite(action, match),
    isAutoHostRewrite:
      action.hostRewriteSpecifier.case === "autoHostRewrite" && action.hostRewriteSpecifier.value.value,
    appendForwardedHost: action.appendXForwardedHost,
    // A route that limits its streams has no other limit unless it says so.
    timeoutMs: limitMs(action.timeout, action.maxStreamDuration ? undefined : DEFAULT_TIMEOUT_MS),
    idleTimeoutMs: limitMs(action.idleTimeout),
    maxStreamDurationMs: limitMs(action.maxStreamDuration?.maxStreamDuration),
    retry: retryPolicy && compileRetryPolicy(retryPolicy, `${path}.retry_policy`),
    mirrors: mirrors.map(compileMirror),
    isHighPriority: action.priority === RoutingPriority.HIGH,
    upgrades: new Map(
      action.upgradeConfigs.map(({ upgradeType, enabled }) => [upgradeType.toLowerCase(), enabled ?? true]),
    ),
  };
}

function compileChoice(action: RouteAction, path: string): Forward["choose"] {
  const specifier = action.clusterSpecifier;
  switch (specifier.case) {
    case "cluster": {
      const choice = { cluster: specifier.value };
      return () => choice;
    }
    case "clusterHeader": {
      const name = specifier.value.toLowerCase();
      return (request) => ({ cluster: requestHeader(request, name) ?? "" });
    }
    case "weightedClusters":
      return compileWeighted(specifier.value.clusters, `${path}.weighted_clusters.clusters`);
    default:
      throw unsupported(path, "names no cluster");
  }
}

function compileWeighted(weights: readonly ClusterWeight[], path: string): Forward["choose"] {
  const total = weights.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
  if (total <= 0) throw invalid(path, "have no weight together");
  let sum = 0;
  const choices = weights.map((weight, index) => {
    sum += weight.weight ?? 0;
    return { until: sum / total, choice: compileClusterWeight(weight, `${path}[${index}]`) };
  });
  const [last] = choices.slice(-1);
  return (_request, random) => {
    const chosen = choices.find(({ until }) => random < until) ?? last;
    return chosen?.choice ?? { cluster: "" };
  };
}

function compileClusterWeight(weight: ClusterWeight, path: string): ClusterChoice {
  const { hostRewriteSpecifier: host } = weight;
  return {
    cluster: weight.name,
    requestMutation: compileHeaderMutation(
      weight.requestHeadersToAdd,
      weight.requestHeadersToRemove,
      `${path}.request`,
    ),
    responseMutation: compileHeaderMutation(
      weight.responseHeadersToAdd,
      weight.responseHeadersToRemove,
      `${path}.response`,
    ),
    ...(host.case === "hostRewriteLiteral" && { hostRewrite: host.value }),
  };
}

function compileMirror(policy: MirrorPolicy): Mirror {
  return {
    cluster: policy.cluster,
    admits: policy.runtimeFraction ? compileFraction(policy.runtimeFraction.defaultValue) : () => true,
    hasHostSuffix: !policy.disableShadowHostSuffixAppend,
  };
}

function compileRewrite(action: RouteAction, match: PathMatch): (request: RequestHead) => void {
  const { prefixRewrite, hostRewriteSpecifier: host } = action;
  return (request) => {
    if (prefixRewrite !== "") {
      request.headers.set("x-envoy-original-path", request.path);
      const path = pathOf(request.path);
      request.path = prefixRewrite + request.path.slice(match.matchedLength(path));
    }
    const authority = newAuthority(host, request);
    if (authority !== undefined) replaceAuthority(request, authority, action.appendXForwardedHost);
  };
}

function newAuthority(host: RouteAction["hostRewriteSpecifier"], request: RequestHead): string | undefined {
  if (host.case === "hostRewriteLiteral") return host.value;
  return host.case === "hostRewriteHeader" ? request.headers.get(host.value.toLowerCase()) : undefined;
}

/** Puts another authority into a request; upstreams find the old one in `x-forwarded-host` if that is asked for. */
export function replaceAuthority(request: RequestHead, authority: string, isKept: boolean): void {
  if (isKept) {
    const before = request.headers.get("x-forwarded-host");
    request.headers.set(
      "x-forwarded-host",
      before === undefined ? request.authority : `${before},${request.authority}`,
    );
  }
  request.headers.set("x-envoy-original-host", request.authority);
  request.authority = authority;
}
