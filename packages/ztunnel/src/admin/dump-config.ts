// SPDX-License-Identifier: Apache-2.0
import type { ControlPlaneConfig, RootSource, ZtunnelConfig } from "../config/model.ts";
import { formatSocketAddress } from "../net/address.ts";

type Json = Readonly<Record<string, unknown>>;

const duration = (ms: number): Json => ({ secs: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) });
const wildcard = (config: ZtunnelConfig, port: number): string =>
  config.isIpv6Enabled ? `[::]:${port}` : `0.0.0.0:${port}`;
const url = ({ host, port }: ControlPlaneConfig): string =>
  `https://${host.includes(":") ? `[${host}]` : host}:${port}`;

function rootCert(root: RootSource): unknown {
  switch (root.kind) {
    case "file":
      return { File: root.path };
    case "inline":
      return "Static";
    case "system":
      return "Default";
  }
}

/** The settings under the names of ztunnel's config_dump (Istio 1.31). Tokens are never among them. */
export function dumpConfig(config: ZtunnelConfig, illegalPorts: ReadonlySet<number>): Json {
  return {
    proxy: config.isProxyEnabled,
    dnsProxy: config.dnsProxy !== undefined,
    proxyMode: config.mode.kind === "shared" ? "Shared" : "Dedicated",
    proxyWorkloadInformation: config.mode.kind === "shared" ? null : config.mode.workload,
    xdsOnDemand: config.isOnDemand,
    fakeCa: false,
    fakeSelfInbound: false,
    socks5Addr: null,
    dnsProxyAddr: dnsAddress(config),
    dnsResolverCfg: null,
    dnsResolverOpts: null,
    numWorkerThreads: 1,
    ...dumpIdentity(config),
    ...dumpControlPlane(config),
    ...dumpListeners(config, illegalPorts),
    ...dumpTransport(config),
  };
}

/** Where DNS proxies listen: loopback, in the pod's IP versions, or at an address. */
function dnsAddress({ dnsProxy, isIpv6Enabled }: ZtunnelConfig): unknown {
  if (!dnsProxy) return null;
  const { ip, port } = dnsProxy;
  return ip === undefined ? { Localhost: [isIpv6Enabled, port] } : { SocketAddr: formatSocketAddress({ ip, port }) };
}

function dumpIdentity(config: ZtunnelConfig): Json {
  const { podName, podNamespace, serviceAccount, trustDomain } = config;
  const isKnown = podName !== undefined && podNamespace !== undefined && serviceAccount !== undefined;
  return {
    network: config.network,
    localNode: config.localNode ?? null,
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    proxyArgs: config.proxyArgs,
    proxyMetadata: config.proxyMetadata,
    preferedServiceNamespace: config.preferredServiceNamespace ?? null,
    ztunnelIdentity: isKnown ? `spiffe://${trustDomain}/ns/${podNamespace}/sa/${serviceAccount}` : null,
    ztunnelWorkload: isKnown ? { name: podName, namespace: podNamespace, serviceAccount } : null,
  };
}

function dumpControlPlane(config: ZtunnelConfig): Json {
  const { xds, ca } = config;
  return {
    xdsAddress: xds ? url(xds) : null,
    xdsRootCert: xds ? rootCert(xds.root) : null,
    altXdsHostname: xds?.altHostname ?? null,
    xdsHeaders: xds?.headers ?? [],
    caAddress: ca ? url(ca) : null,
    caRootCert: ca ? rootCert(ca.root) : null,
    altCaHostname: ca?.altHostname ?? null,
    caHeaders: ca?.headers ?? [],
    secretTtl: duration(config.secretTtlMs),
    crlPath: config.crlPath ?? null,
  };
}

function dumpListeners(config: ZtunnelConfig, illegalPorts: ReadonlySet<number>): Json {
  return {
    adminAddr: { Localhost: [config.isIpv6Enabled, config.adminPort] },
    statsAddr: { SocketAddr: wildcard(config, config.statsPort) },
    readinessAddr: { SocketAddr: wildcard(config, config.readinessPort) },
    inboundAddr: wildcard(config, 15_008),
    inboundPlaintextAddr: wildcard(config, 15_006),
    outboundAddr: wildcard(config, 15_001),
    illegalPorts: [...illegalPorts].toSorted((a, b) => a - b),
    ipv6Enabled: config.isIpv6Enabled,
    inpodUds: config.inpodUds,
    inpodPortReuse: config.isPortReused,
    packetMark: config.packetMark ?? null,
    requireOriginalSource: config.originalSource === "auto" ? null : config.originalSource === "required",
    localhostAppTunnel: config.isLocalhostAppTunnel,
  };
}

function dumpTransport(config: ZtunnelConfig): Json {
  const { keepalive } = config;
  return {
    windowSize: config.windowSize,
    connectionWindowSize: config.connectionWindowSize,
    frameSize: config.frameSize,
    poolMaxStreamsPerConn: config.poolMaxStreams,
    poolUnusedReleaseTimeout: duration(config.poolUnusedReleaseMs),
    selfTerminationDeadline: duration(config.terminationDeadlineMs),
    socketConfig: {
      keepaliveTime: duration(keepalive.timeMs),
      keepaliveInterval: duration(keepalive.intervalMs),
      keepaliveRetries: keepalive.retries,
      keepaliveEnabled: keepalive.isEnabled,
      userTimeoutEnabled: keepalive.isUserTimeoutEnabled,
    },
    enableEnhancedBaggage: config.isBaggageEnabled,
  };
}
