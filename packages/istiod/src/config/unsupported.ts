// SPDX-License-Identifier: Apache-2.0

/** A setting of Istio's istiod that this one doesn't follow (Istio 1.31, `discovery` flags and feature variables). */
export interface UnsupportedSetting {
  /** Values that ask for nothing else than what happens anyway. */
  readonly harmless: readonly string[];
  /** "refuse": ignoring it would be unsafe or break a promise. "warn": the mesh works without. */
  readonly effect: "refuse" | "warn";
  readonly reason: string;
}

const refuse = (reason: string, ...harmless: string[]): UnsupportedSetting => ({ harmless, effect: "refuse", reason });
const warn = (reason: string, ...harmless: string[]): UnsupportedSetting => ({ harmless, effect: "warn", reason });

const ONE_CLUSTER = "several clusters or networks are not part of this version";
const NO_WAYPOINTS = "waypoints are not configured by this version";
const ALWAYS_ON = "can't be switched off";

export const UNSUPPORTED_FLAGS: Readonly<Record<string, UnsupportedSetting>> = {
  "--networksConfig": refuse(ONE_CLUSTER, ""),
  "--clusterAliases": refuse(ONE_CLUSTER, ""),
  "--registries": refuse("Kubernetes is the only registry", "Kubernetes"),
  "--configDir": refuse("objects come from a Kubernetes API; ambientctl local serves a folder as one", ""),
  "--tls-cipher-suites": refuse("Node.js's default suites are used", ""),
  "--caCertFile": warn(
    "clients get the root of --tlsCertFile from whoever installs them, as the CA's root is another one",
    "",
  ),
  "--cniNamespace": warn("the untaint controller is not part of this version"),
  "--ctrlz_port": warn("there is no ControlZ page; see /debug on the monitoring port"),
  "--ctrlz_address": warn("there is no ControlZ page; see /debug on the monitoring port"),
  "--profile": warn("there is no pprof endpoint", "false"),
  "--kubernetesApiQPS": warn("requests to the API server are not limited by rate but merged and retried with back-off"),
  "--kubernetesApiBurst": warn(
    "requests to the API server are not limited by rate but merged and retried with back-off",
  ),
};

export const UNSUPPORTED_VARIABLES: Readonly<Record<string, UnsupportedSetting>> = {
  PILOT_ENABLE_AMBIENT: refuse("this control plane serves ambient meshes only", "true"),
  XDS_AUTH: refuse(ALWAYS_ON, "true"),
  PILOT_ENABLE_XDS_IDENTITY_CHECK: refuse(ALWAYS_ON, "true"),
  JWT_RULE: refuse("clients are authenticated by Kubernetes tokens and certificates only", ""),
  TRUSTED_GATEWAY_CIDR: refuse("clients are authenticated by Kubernetes tokens and certificates only", ""),
  PILOT_CERT_PROVIDER: refuse("the serving certificate comes from files or from the built-in CA", "istiod"),
  EXTERNAL_CA: refuse("certificates are signed by the built-in CA only", ""),
  USE_CACERTS_FOR_SELF_SIGNED_CA: refuse("the self-signed root lives in the Secret istio-ca-secret", "false"),
  ISTIO_MULTIROOT_MESH: refuse("a mesh has one trust domain and one root bundle", "false"),
  ENABLE_CLUSTER_TRUST_BUNDLE_API: refuse("the root is distributed by ConfigMap", "false"),
  AMBIENT_ENABLE_MULTI_NETWORK: refuse(ONE_CLUSTER, "false"),
  EXTERNAL_ISTIOD: refuse(ONE_CLUSTER, "false"),
  ISTIO_WATCH_NAMESPACE: refuse("all namespaces are watched", ""),
  SHARED_MESH_CONFIG: refuse("the MeshConfig comes from one place: --meshConfig or the ConfigMap istio", ""),
  PILOT_AUTO_ALLOW_WAYPOINT_POLICY: refuse(NO_WAYPOINTS, "false"),
  ENABLE_LAYERED_WAYPOINT_AUTHORIZATION_POLICIES: refuse(NO_WAYPOINTS, "false"),
  UNSAFE_ENABLE_ADMIN_ENDPOINTS: refuse("there are no endpoints that change anything", "false"),
  PILOT_ENABLE_AMBIENT_WAYPOINTS: warn(NO_WAYPOINTS, "false"),
  PILOT_PUSH_THROTTLE: warn("each client is paced by its own acknowledgements"),
  PILOT_ENABLE_EDS_DEBOUNCE: warn("one debounce holds for everything", "true"),
};
