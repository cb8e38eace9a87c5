// SPDX-License-Identifier: Apache-2.0
import type { fault as proto } from "@ambientmesh/api/envoy/http-filters";
import type { Clock } from "@ambientmesh/core";
import { durationMs } from "../config/durations.ts";
import type { Exchange } from "../http/exchange.ts";
import { requestHeaderValues } from "../http/head.ts";
import type { LocalReply } from "../http/local-reply.ts";
import { compileFraction, type FractionTest } from "../match/fraction.ts";
import { compileHeaderMatchers, type HeaderTest } from "../match/header-matcher.ts";

/** Faults that are injected on purpose. */
export interface CompiledFault {
  readonly applies: HeaderTest;
  /** Only for requests to this cluster; "" for all. */
  readonly cluster: string;
  readonly delay: { readonly ms: number; readonly admits: FractionTest } | undefined;
  readonly abort: { readonly status: number; readonly grpcStatus?: number; readonly admits: FractionTest } | undefined;
}

/** @throws MeshError WAYPOINT_CONFIG_INVALID */
export function compileFault(config: proto.HTTPFault, path: string): CompiledFault {
  const { delay, abort } = config;
  return {
    applies: compileHeaderMatchers(config.headers, `${path}.headers`),
    cluster: config.upstreamCluster,
    delay:
      delay?.faultDelaySecifier.case === "fixedDelay"
        ? { ms: durationMs(delay.faultDelaySecifier.value) ?? 0, admits: compileFraction(delay.percentage) }
        : undefined,
    abort: compileAbort(abort),
  };
}

function compileAbort(abort: proto.FaultAbort | undefined): CompiledFault["abort"] {
  const type = abort?.errorType;
  const admits = compileFraction(abort?.percentage);
  if (type?.case === "httpStatus") return { status: type.value, admits };
  // Clients that do not speak gRPC see a success, as with Envoy.
  if (type?.case === "grpcStatus") return { status: 200, grpcStatus: type.value, admits };
  return undefined;
}

/** Delays, then aborts, each with its own share of requests. */
export async function injectFault(
  { applies, cluster, delay, abort }: CompiledFault,
  exchange: Exchange,
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
): Promise<LocalReply | undefined> {
  const { head, record, closed } = exchange;
  if (!applies((name) => requestHeaderValues(head, name))) return undefined;
  if (cluster !== "" && cluster !== record.cluster) return undefined;
  if (delay?.admits(random())) {
    record.flags.add("DI");
    await clock.sleep(delay.ms, closed);
  }
  if (!abort?.admits(random())) return undefined;
  const { status, grpcStatus } = abort;
  return {
    status,
    body: "fault filter abort",
    details: "fault_filter_abort",
    flag: "FI",
    ...(grpcStatus !== undefined && { grpcStatus }),
  };
}
