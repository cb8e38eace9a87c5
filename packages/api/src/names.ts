// SPDX-License-Identifier: Apache-2.0

/** Fixed ports of the mesh (Istio 1.31). */
export const PORTS = {
  /** ztunnel: outbound capture in the pod. */
  OUTBOUND: 15001,
  /** ztunnel: inbound plaintext capture in the pod. */
  INBOUND_PLAINTEXT: 15006,
  /** HBONE: HTTP/2 CONNECT inside mTLS. */
  HBONE: 15008,
  /** ztunnel: DNS proxy in the pod. */
  DNS: 15053,
  /** Admin endpoint, loopback only. */
  ADMIN: 15000,
  /** Prometheus metrics of the data plane. */
  STATS: 15020,
  /** Readiness of the data plane. */
  READINESS: 15021,
  /** istiod: plaintext xDS, loopback unless asked otherwise. */
  ISTIOD_GRPC: 15010,
  /** istiod: xDS and certificates over TLS. */
  ISTIOD_SECURE_GRPC: 15012,
  /** istiod: metrics. */
  ISTIOD_MONITORING: 15014,
  /** istiod: webhooks. */
  ISTIOD_WEBHOOK: 15017,
  /** istiod: readiness and debug. */
  ISTIOD_HTTP: 8080,
} as const;

/** Netfilter marks that keep the proxy's own traffic apart (istio.io CNI contract). */
export const MARKS = {
  /** Socket mark on every socket of ztunnel. */
  PACKET: 0x539,
  /** Connection mark of connections that ztunnel opens towards the app. */
  CONNECTION: 0x111,
  MASK: 0xfff,
} as const;

/** Label and annotation keys that users set or see. */
export const KEYS = {
  DATAPLANE_MODE: "istio.io/dataplane-mode",
  REDIRECTION: "ambient.istio.io/redirection",
  BYPASS_INBOUND_CAPTURE: "ambient.istio.io/bypass-inbound-capture",
  DNS_CAPTURE: "ambient.istio.io/dns-capture",
  REROUTE_VIRTUAL_INTERFACES: "istio.io/reroute-virtual-interfaces",
  USE_WAYPOINT: "istio.io/use-waypoint",
  USE_WAYPOINT_NAMESPACE: "istio.io/use-waypoint-namespace",
  USE_WAYPOINT_CANARY: "istio.io/use-waypoint-canary",
  USE_WAYPOINT_CANARY_NAMESPACE: "istio.io/use-waypoint-canary-namespace",
  USE_WAYPOINT_CANARY_WEIGHT: "istio.io/use-waypoint-canary-weight",
  INGRESS_USE_WAYPOINT: "istio.io/ingress-use-waypoint",
  /** Ours, on Services: their pods refuse whoever is not the waypoint. */
  ONLY_THROUGH_WAYPOINT: "ambientmesh.io/only-through-waypoint",
  WAYPOINT_FOR: "istio.io/waypoint-for",
  WAYPOINT_INBOUND_BINDING: "ambient.istio.io/waypoint-inbound-binding",
  GATEWAY_SERVICE_ACCOUNT: "gateway.istio.io/service-account",
  GATEWAY_MANAGED: "gateway.istio.io/managed",
  GATEWAY_NAME: "gateway.networking.k8s.io/gateway-name",
  ENABLE_AUTO_ALLOCATE_IP: "networking.istio.io/enable-autoallocate-ip",
  DRY_RUN: "istio.io/dry-run",
  SIDECAR_STATUS: "sidecar.istio.io/status",
  NETWORK: "topology.istio.io/network",
  SUBZONE: "topology.istio.io/subzone",
  REGION: "topology.kubernetes.io/region",
  ZONE: "topology.kubernetes.io/zone",
  CANONICAL_NAME: "service.istio.io/canonical-name",
  CANONICAL_REVISION: "service.istio.io/canonical-revision",
  TUNNEL: "networking.istio.io/tunnel",
  TRAFFIC_DISTRIBUTION: "networking.istio.io/traffic-distribution",
  SERVICE_NAME: "kubernetes.io/service-name",
} as const;

/** Trust domain, domain suffix and cluster id where nothing else is configured. */
export const DEFAULTS = {
  TRUST_DOMAIN: "cluster.local",
  CLUSTER_DOMAIN: "cluster.local",
  CLUSTER_ID: "Kubernetes",
  ROOT_NAMESPACE: "istio-system",
  TOKEN_AUDIENCE: "istio-ca",
  ROOT_CERT_CONFIGMAP: "istio-ca-root-cert",
  ROOT_CERT_KEY: "root-cert.pem",
} as const;
