// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";

/** A workload that is no pod: a WorkloadEntry's spec, and an inline endpoint of a ServiceEntry. */
export interface WorkloadEntrySpec {
  /** An IP address, a host name or `unix://` and a path. */
  readonly address?: string;
  /** The workload's ports, by the names of the service's ports. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  /** Region, zone and subzone, divided by slashes. */
  readonly locality?: string;
  readonly weight?: number;
  readonly serviceAccount?: string;
}

/** networking.istio.io/v1 WorkloadEntry. */
export interface WorkloadEntry extends KubernetesObject {
  readonly apiVersion: "networking.istio.io/v1";
  readonly kind: "WorkloadEntry";
  readonly spec?: WorkloadEntrySpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ServiceEntryPort {
  readonly number: number;
  readonly name: string;
  readonly protocol?: string;
  /** The workloads' port where it is another one. */
  readonly targetPort?: number;
}

export type ServiceEntryResolution = "NONE" | "STATIC" | "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS";

export interface ServiceEntrySpec {
  readonly hosts: readonly string[];
  /** IP addresses or CIDR blocks. */
  readonly addresses?: readonly string[];
  readonly ports?: readonly ServiceEntryPort[];
  readonly location?: "MESH_EXTERNAL" | "MESH_INTERNAL";
  readonly resolution?: ServiceEntryResolution;
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

/** networking.istio.io/v1 ServiceEntry. */
export interface ServiceEntry extends KubernetesObject {
  readonly apiVersion: "networking.istio.io/v1";
  readonly kind: "ServiceEntry";
  readonly spec: ServiceEntrySpec;
  readonly status?: {
    readonly conditions?: readonly Condition[];
    /** Addresses that istiod gave to hosts. */
    readonly addresses?: readonly { readonly value: string; readonly host?: string }[];
  };
}
