// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { CertificateSource } from "@ambientmesh/spiffe";
import type { ZtunnelConfig } from "../config/model.ts";
import type { Hosting } from "../hosting/hosting.ts";
import type { MeshState } from "../state/mesh-state.ts";
import { VERSION } from "../version.ts";
import { dumpCertificates } from "./dump-certificates.ts";
import { dumpConfig } from "./dump-config.ts";
import { dumpWorkloadState } from "./dump-connections.ts";
import { dumpEndpoints, dumpPolicy, dumpService, dumpWorkload } from "./dump-state.ts";

export interface ConfigDumpSources {
  readonly config: ZtunnelConfig;
  readonly illegalPorts: ReadonlySet<number>;
  readonly state: MeshState;
  readonly certificates: CertificateSource;
  readonly hosting: Pick<Hosting, "pods">;
  readonly clock: Clock;
}

/** `/config_dump` with the names of Istio 1.31, which `istioctl ztunnel-config` reads. */
export function configDump(sources: ConfigDumpSources): Readonly<Record<string, unknown>> {
  const { config, state, certificates, hosting, clock } = sources;
  const { policies, services, workloads } = config.localConfig;
  const byText = <T>(items: Iterable<T>, text: (item: T) => string): T[] =>
    [...items].toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
  return {
    certificates: dumpCertificates(certificates),
    config: dumpConfig(config, sources.illegalPorts),
    policies: byText(state.policies.all(), ({ namespace, name }) => `${namespace}/${name}`).map(dumpPolicy),
    services: byText(state.services.all(), ({ service }) => service.hostname).map(dumpService),
    stagedServices: Object.fromEntries(
      [...state.services.staged()].map(([key, endpoints]) => [key, dumpEndpoints(endpoints)]),
    ),
    staticConfig: {
      policies: policies.map(({ source }) => dumpPolicy(source)),
      services: services.map((service) => dumpService({ service, endpoints: new Map() })),
      workloads: workloads.map(dumpWorkload),
    },
    version: versionInfo(config),
    workloads: byText(state.workloads.all(), ({ uid }) => uid).map(dumpWorkload),
    ...(hosting.pods && { workloadState: dumpWorkloadState(hosting.pods, clock.monotonicMs()) }),
  };
}

/** Istio's names; those about Rust say what stands in its place. */
function versionInfo({ proxyMetadata }: Pick<ZtunnelConfig, "proxyMetadata">): Readonly<Record<string, string>> {
  return {
    version: VERSION,
    gitRevision: "unknown",
    rustVersion: `none (Node.js ${process.versions.node})`,
    buildProfile: "release",
    buildStatus: "unknown",
    cryptoProvider: `openssl ${process.versions.openssl}`,
    istioVersion: proxyMetadata["ISTIO_VERSION"] ?? "unknown",
  };
}
