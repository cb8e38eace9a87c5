// SPDX-License-Identifier: Apache-2.0
import type { LocalConfig } from "../local/local-config.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";

/** Where a secret or a certificate comes from. Files are read again each time they are used. */
export type TokenSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly token: string };
export type RootSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly pem: string }
  | { readonly kind: "system" };

/** A gRPC service of the control plane. */
export interface ControlPlaneConfig {
  readonly host: string;
  readonly port: number;
  readonly root: RootSource;
  /** A second name that the server's certificate may carry. */
  readonly altHostname: string | undefined;
  /** Sent with every call. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

interface KeepaliveConfig {
  readonly isEnabled: boolean;
  readonly timeMs: number;
  readonly intervalMs: number;
  readonly retries: number;
  /** TCP_USER_TIMEOUT: sent data that stays unacknowledged as long as keepalive would take ends a connection. */
  readonly isUserTimeoutEnabled: boolean;
}

/** Whom this process serves: all pods of its node, or one workload in its own network namespace. */
export type ProxyMode =
  | { readonly kind: "shared" }
  | { readonly kind: "dedicated"; readonly workload: LocalWorkloadName };

/** Everything that ztunnel can be told. Frozen. */
export interface ZtunnelConfig {
  readonly mode: ProxyMode;
  /** False: only the DNS proxy runs. */
  readonly isProxyEnabled: boolean;
  /** Workloads, services and policies that no control plane sends. */
  readonly localConfig: LocalConfig;
  readonly proxyArgs: string;
  /** Name of this node as workloads carry it; undefined: every workload counts as local. */
  readonly localNode: string | undefined;
  readonly network: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly instanceIp: string;
  readonly podName: string | undefined;
  readonly podNamespace: string | undefined;
  readonly serviceAccount: string | undefined;
  readonly trustDomain: string;
  /** Where each pod's DNS proxy listens; without an ip: on loopback. Undefined: there is none. */
  readonly dnsProxy: { readonly ip: string | undefined; readonly port: number } | undefined;
  /** resolv.conf(5) with the name servers that the DNS proxy passes questions on to. */
  readonly resolvConfPath: string;
  /** Addresses are fetched when they are called, but for those of this node, which the control plane sends unasked. */
  readonly isOnDemand: boolean;
  /** Undefined: there is only the local configuration. */
  readonly xds: ControlPlaneConfig | undefined;
  /** Undefined: nobody issues certificates, so there are no tunnels. */
  readonly ca: ControlPlaneConfig | undefined;
  readonly token: TokenSource | undefined;
  readonly secretTtlMs: number;
  readonly crlPath: string | undefined;
  /** "pqc": tunnels use the post-quantum hybrid key exchange and nothing else. */
  readonly compliance: "pqc" | undefined;
  readonly isTls12Enabled: boolean;
  readonly inpodUds: string;
  readonly isPortReused: boolean;
  /** Undefined: none; in shared mode there always is one. */
  readonly packetMark: number | undefined;
  /** Whether the app sees the client's address: it must, it never does, or it does where that works. */
  readonly originalSource: "required" | "never" | "auto";
  readonly isIpv6Enabled: boolean;
  readonly keepalive: KeepaliveConfig;
  readonly poolMaxStreams: number;
  readonly poolUnusedReleaseMs: number;
  readonly windowSize: number;
  readonly connectionWindowSize: number;
  readonly frameSize: number;
  readonly terminationDeadlineMs: number;
  readonly isBaggageEnabled: boolean;
  readonly isPolicyLoggedAsInfo: boolean;
  readonly isLocalhostAppTunnel: boolean;
  readonly preferredServiceNamespace: string | undefined;
  readonly logFilter: string;
  readonly logFormat: "plain" | "json";
  readonly adminPort: number;
  readonly statsPort: number;
  readonly readinessPort: number;
  readonly proxyMetadata: Readonly<Record<string, string>>;
  /** Sent to the control plane beside the proxy metadata. */
  readonly nodeMetadata: Readonly<Record<string, unknown>>;
  /** What was asked for, or is on by default in Istio's ztunnel, but works differently here. */
  readonly warnings: readonly string[];
}
