// SPDX-License-Identifier: Apache-2.0
import type { NetnsRef } from "@ambientmesh/linux";

/** An address of each IP version. */
export interface DualStackAddress {
  readonly v4: string;
  readonly v6: string;
}

/** Everything that the redirection of one pod depends on. */
export interface PodRules {
  /** Connections to the pod go to the node proxy. HBONE does so in any case. */
  readonly hasInboundCapture: boolean;
  /** DNS questions of the pod go to the node proxy. */
  readonly hasDnsCapture: boolean;
  /** What comes in by these interfaces (virtual machines, nested containers) counts as sent by the pod. */
  readonly outboundInterfaces: readonly string[];
  /** Also for IPv6. */
  readonly hasIpv6: boolean;
  /** Source of the node's health probes, which are left alone. */
  readonly probeSource: DualStackAddress;
  /** Probes have to arrive with a TTL of 255, which no router lets through: they come from this node. */
  readonly hasProbeHopCheck: boolean;
}

/** "altered": some of it is there, or it differs from what is wanted. */
export type RedirectionState = "intact" | "altered" | "absent";

/**
 * Takes over the traffic of pods, inside their network namespaces. Whatever the means, the outcome is the same: TCP
 * connections that the pod opens go to port 15001, those to it to 15006, port 15008 and the proxy's own packets (mark
 * 0x539) are left alone, and connections that were open before go on untouched.
 */
export interface Redirection {
  /** Name of the means, for logs and metrics. */
  readonly name: string;
  /** Makes it so, whatever was there before. Nobody sees a half of it. @throws MeshError LINUX_* */
  apply(netns: NetnsRef, rules: PodRules): Promise<void>;
  /**
   * Compares what is there with what {@link apply} would leave. What an agent of before did by other means counts as
   * altered, and is taken away by {@link apply} and {@link remove} from then on.
   * @throws MeshError LINUX_*
   */
  inspect(netns: NetnsRef, rules: PodRules): Promise<RedirectionState>;
  /**
   * A text that is another one after every change of what {@link inspect} looks at; costs next to nothing. Undefined
   * where that can't be told.
   * @throws MeshError LINUX_*
   */
  fingerprint(netns: NetnsRef): string | undefined;
  /** New connections are left alone from now on; those that were taken over go on. @throws MeshError LINUX_* */
  release(netns: NetnsRef): Promise<void>;
  /** Leaves the namespace as it was before {@link apply}; harmless where nothing is. @throws MeshError LINUX_* */
  remove(netns: NetnsRef): Promise<void>;
}
