// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { PORTS } from "@ambientmesh/api";
import type { Condition, Gateway, GatewayAddress, GatewayListener, Service } from "@ambientmesh/api/kubernetes";
import { clusterAddresses } from "../model/service.ts";

/** What the status of a Gateway depends on besides the object. */
export interface GatewayFacts {
  readonly service: Service | undefined;
  /** A pod behind the service is ready. */
  readonly hasEndpoint: boolean;
  /** Why no waypoint is deployed for it. */
  readonly problem: string | undefined;
  readonly domain: string;
}

type GatewayStatus = NonNullable<Gateway["status"]>;

/** The status as it should be (Istio 1.31); undefined if it is so already. */
export function desiredGatewayStatus(gateway: Gateway, facts: GatewayFacts, now: Date): GatewayStatus | undefined {
  const { status, metadata, spec } = gateway;
  const addresses = addressesOf(gateway, facts);
  const isProgrammed = addresses.length > 0;
  const waiting = facts.problem ?? "waiting for a ready pod of the waypoint";
  const programmed: Wanted = isProgrammed
    ? {
        type: "Programmed",
        status: "True",
        reason: "Programmed",
        message: `serves at ${addresses.map(({ value }) => value).join(", ")}`,
      }
    : { type: "Programmed", status: "False", reason: "AddressNotAssigned", message: waiting };
  const accepted: Wanted = {
    type: "Accepted",
    status: "True",
    reason: "Accepted",
    message: "the Gateway is a waypoint",
  };
  const conditionOf = timed(metadata.generation, now);
  const desired: GatewayStatus = {
    addresses,
    conditions: [accepted, programmed].map((condition) => conditionOf(condition, status?.conditions)),
    listeners: (spec.listeners ?? []).map((listener) => ({
      name: listener.name,
      attachedRoutes: 0,
      supportedKinds: [],
      conditions: listenerConditions(listener, isProgrammed).map((condition) =>
        conditionOf(condition, status?.listeners?.find(({ name }) => name === listener.name)?.conditions),
      ),
    })),
  };
  const { addresses: oldAddresses = [], conditions = [], listeners = [] } = status ?? {};
  return isDeepStrictEqual({ addresses: oldAddresses, conditions, listeners }, desired) ? undefined : desired;
}

/** Once given they stay: clients that have been sent there must not go directly because a pod restarts. */
function addressesOf(
  { status, metadata }: Gateway,
  { service, hasEndpoint, problem, domain }: GatewayFacts,
): readonly GatewayAddress[] {
  const isGiven = (status?.addresses?.length ?? 0) > 0;
  if (!service || (!isGiven && (!hasEndpoint || problem !== undefined))) return [];
  const { name, namespace = "" } = metadata;
  return [
    ...clusterAddresses(service.spec).map((value) => ({ type: "IPAddress", value })),
    { type: "Hostname", value: `${name}.${namespace}.svc.${domain}` },
  ];
}

type Wanted = Pick<Condition, "type" | "status" | "reason" | "message">;

function listenerConditions({ port, protocol }: GatewayListener, isProgrammed: boolean): readonly Wanted[] {
  const isValid = protocol === "HBONE" && port === PORTS.HBONE;
  return [
    isValid
      ? { type: "Accepted", status: "True", reason: "Accepted", message: "the listener is served" }
      : {
          type: "Accepted",
          status: "False",
          reason: "UnsupportedProtocol",
          message: `a waypoint has one listener: HBONE on port ${PORTS.HBONE}`,
        },
    { type: "Conflicted", status: "False", reason: "NoConflicts", message: "no other listener has this port" },
    {
      type: "Programmed",
      status: isValid && isProgrammed ? "True" : "False",
      reason: isValid && isProgrammed ? "Programmed" : "Pending",
      message: "",
    },
    { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "the listener refers to nothing" },
  ];
}

/** A condition with generation and time; the time of one that says the same is kept. */
function timed(
  generation: number | undefined,
  now: Date,
): (wanted: Wanted, present: readonly Condition[] | undefined) => Condition {
  return (wanted, present) => {
    const before = present?.find(({ type }) => type === wanted.type);
    const isKept = before?.status === wanted.status && before.lastTransitionTime !== undefined;
    const fresh = now.toISOString().replace(/\.\d+Z$/, "Z");
    return {
      ...wanted,
      ...(generation !== undefined && { observedGeneration: generation }),
      lastTransitionTime: isKept && before.lastTransitionTime !== undefined ? before.lastTransitionTime : fresh,
    };
  };
}
