// SPDX-License-Identifier: Apache-2.0

/** Fields of Istio's MeshConfig (istio/api mesh/v1alpha1, Istio 1.31) that have no effect here; a key that is in neither list is a mistake. */
const WITHOUT_EFFECT = `
  accessLogEncoding accessLogFile accessLogFormat ca caCertificates certificates configSources connectTimeout defaultConfig
  defaultDestinationRuleExportTo defaultHttpRetryPolicy defaultProviders defaultServiceExportTo defaultTrafficPolicy
  defaultVirtualServiceExportTo disableEnvoyListenerLog discoverySelectors dnsRefreshRate enableAutoMtls
  enableEnvoyAccessLogService enablePrometheusMerge enableTracing extensionProviders h2UpgradePolicy hboneIdleTimeout
  inboundClusterStatName inboundTrafficPolicy ingressClass ingressControllerMode ingressSelector ingressService localityLbSetting
  meshMTLS outboundClusterStatName outboundTrafficPolicy pathNormalization protocolDetectionTimeout proxyHttpPort
  proxyInboundListenPort proxyListenPort serviceEntryVisibility serviceScopeConfigs serviceSettings tcpKeepalive tlsDefaults
  trustDomainAliases verifyCertificateAtClient zoneAwareLbSetting`;

const IGNORED_KEYS: ReadonlySet<string> = new Set(WITHOUT_EFFECT.trim().split(/\s+/));

/** True for a field of Istio's MeshConfig that this control plane does not follow. */
export function isIgnoredMeshKey(key: string): boolean {
  return IGNORED_KEYS.has(key);
}

/** Protobuf's JSON takes `root_namespace` for `rootNamespace`, and so do Istio's files. */
export function meshKey(key: string): string {
  return key === "mesh_mTLS"
    ? "meshMTLS"
    : key.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
