// SPDX-License-Identifier: Apache-2.0

/** Who may import whom (docs/architecture/packages.md). Imports point down only; the executables meet on the wire. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  api: [],
  telemetry: ["core"],
  kube: ["core", "api"],
  linux: ["core"],
  spiffe: ["core"],
  authz: ["core", "api"],
  xds: ["core", "api"],
  ca: ["core", "api", "spiffe"],
  hbone: ["core", "spiffe"],
  istiod: ["core", "api", "telemetry", "kube", "spiffe", "ca", "xds", "authz"],
  ztunnel: ["core", "api", "telemetry", "spiffe", "ca", "xds", "authz", "hbone", "linux"],
  cni: ["core", "api", "telemetry", "kube", "linux"],
  waypoint: ["core", "api", "telemetry", "spiffe", "ca", "xds", "authz", "hbone"],
  cli: [
    "core",
    "api",
    "telemetry",
    "kube",
    "linux",
    "spiffe",
    "ca",
    "xds",
    "authz",
    "hbone",
    "istiod",
    "ztunnel",
    "cni",
    "waypoint",
  ],
  testkit: ["core", "api", "telemetry", "kube", "linux", "spiffe", "authz", "xds", "ca", "hbone"],
};

/** Packages that carry no native code, so that they run wherever Node does. */
export const WITHOUT_NATIVE_CODE: readonly string[] = ["core", "api", "spiffe", "xds", "authz", "hbone", "ca", "kube"];

/** A program may start the executables as processes; their sources are off limits even for the cli. */
export const ONLY_AS_PROCESSES: readonly string[] = ["istiod", "ztunnel", "cni", "waypoint"];
