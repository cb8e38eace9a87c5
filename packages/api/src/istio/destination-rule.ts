// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";
import type { WorkloadSelector } from "./policy.ts";

export interface TcpSettings {
  readonly maxConnections?: number;
  readonly connectTimeout?: string;
  readonly tcpKeepalive?: { readonly probes?: number; readonly time?: string; readonly interval?: string };
  readonly maxConnectionDuration?: string;
  readonly idleTimeout?: string;
}

export interface HttpSettings {
  readonly http1MaxPendingRequests?: number;
  readonly http2MaxRequests?: number;
  readonly maxRequestsPerConnection?: number;
  readonly maxRetries?: number;
  readonly idleTimeout?: string;
  readonly h2UpgradePolicy?: "DEFAULT" | "DO_NOT_UPGRADE" | "UPGRADE";
  readonly useClientProtocol?: boolean;
  readonly maxConcurrentStreams?: number;
  readonly http2KeepAlive?: { readonly interval?: string; readonly timeout?: string };
}

export interface ConnectionPoolSettings {
  readonly tcp?: TcpSettings;
  readonly http?: HttpSettings;
}

export interface HttpCookie {
  readonly name: string;
  readonly path?: string;
  readonly ttl?: string;
  readonly attributes?: readonly { readonly name: string; readonly value?: string }[];
}

export interface ConsistentHash {
  readonly httpHeaderName?: string;
  readonly httpCookie?: HttpCookie;
  readonly useSourceIp?: boolean;
  readonly httpQueryParameterName?: string;
  readonly ringHash?: { readonly minimumRingSize?: number };
  readonly maglev?: { readonly tableSize?: number };
  readonly minimumRingSize?: number;
}

export interface LocalityFailover {
  readonly from?: string;
  readonly to?: string;
}

export interface LocalityLbSetting {
  readonly distribute?: readonly { readonly from?: string; readonly to?: Readonly<Record<string, number>> }[];
  readonly failover?: readonly LocalityFailover[];
  readonly failoverPriority?: readonly string[];
  readonly enabled?: boolean;
}

export interface ZoneAwareLbSetting {
  readonly enabled?: boolean;
  readonly failover?: readonly LocalityFailover[];
  readonly failoverPriority?: readonly string[];
  readonly minClusterSize?: number;
}

export interface LoadBalancerSettings {
  readonly simple?: "UNSPECIFIED" | "LEAST_CONN" | "RANDOM" | "PASSTHROUGH" | "ROUND_ROBIN" | "LEAST_REQUEST";
  readonly consistentHash?: ConsistentHash;
  readonly localityLbSetting?: LocalityLbSetting;
  readonly zoneAwareLbSetting?: ZoneAwareLbSetting;
  readonly warmupDurationSecs?: string;
  readonly warmup?: { readonly duration: string; readonly minimumPercent?: number; readonly aggression?: number };
}

export interface OutlierDetection {
  readonly consecutiveErrors?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly consecutiveLocalOriginFailures?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly consecutive5xxErrors?: number;
  readonly interval?: string;
  readonly baseEjectionTime?: string;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
  readonly outlierDetectionHttpErrorCodes?: readonly number[];
}

export interface ClientTlsSettings {
  readonly mode?: "DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL";
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly subjectAltNames?: readonly string[];
  readonly sni?: string;
  readonly insecureSkipVerify?: boolean;
}

/** What may differ by port. */
export interface PortTrafficPolicy {
  readonly port?: { readonly number?: number };
  readonly connectionPool?: ConnectionPoolSettings;
  readonly loadBalancer?: LoadBalancerSettings;
  readonly outlierDetection?: OutlierDetection;
  readonly tls?: ClientTlsSettings;
}

export interface TrafficPolicy {
  readonly connectionPool?: ConnectionPoolSettings;
  readonly loadBalancer?: LoadBalancerSettings;
  readonly outlierDetection?: OutlierDetection;
  readonly tls?: ClientTlsSettings;
  readonly portLevelSettings?: readonly PortTrafficPolicy[];
  readonly tunnel?: { readonly protocol?: string; readonly targetHost: string; readonly targetPort: number };
  readonly proxyProtocol?: { readonly version?: "V1" | "V2" };
  readonly retryBudget?: {
    readonly percent?: number;
    readonly minRetryConcurrency?: number;
    readonly budgetInterval?: string;
  };
}

export interface DestinationSubset {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly trafficPolicy?: TrafficPolicy;
}

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets?: readonly DestinationSubset[];
  readonly exportTo?: readonly string[];
  readonly workloadSelector?: WorkloadSelector;
}

/** networking.istio.io/v1 DestinationRule. */
export interface DestinationRule extends KubernetesObject {
  readonly apiVersion: "networking.istio.io/v1";
  readonly kind: "DestinationRule";
  readonly spec?: DestinationRuleSpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}
