// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import { labelMatcher } from "@ambientmesh/kube";
import type { LabelSet } from "./labels.ts";
import type { Waypoint } from "./waypoint.ts";

/** Why an object gets no waypoint although it asks for one (Istio 1.31's reasons). */
export type BindingRefusal = "WaypointIsNotReady" | "AttachmentDenied" | "UnsupportedTrafficType";

/** A second waypoint that gets a share of the traffic. */
export interface Canary {
  readonly waypoint: Waypoint;
  /** 0 to 100. */
  readonly weight: number;
}

/** What comes of an object's wish for a waypoint. */
export type WaypointBinding =
  | { readonly kind: "none" }
  | {
      readonly kind: "bound";
      readonly waypoint: Waypoint;
      readonly canary: Canary | undefined;
      /** Why a canary that was asked for is left out. */
      readonly canaryProblem: string | undefined;
      /** Ingress gateways go through the waypoint too. */
      readonly isIngressBound: boolean;
    }
  | { readonly kind: "refused"; readonly reason: BindingRefusal; readonly message: string };

/** The part of an object or namespace that asks for a waypoint. */
export interface Wish {
  readonly labels?: LabelSet | undefined;
  readonly annotations?: LabelSet | undefined;
}

/** An object that may ask for a waypoint. */
export interface BindingRequest extends Wish {
  readonly namespace: string;
  readonly use: "service" | "workload";
}

/** What the decision depends on besides the object. */
export interface BindingSurroundings {
  /** What the object's namespace asks for. */
  readonly namespaceWish: Wish | undefined;
  /** By "namespace/name"; undefined if it isn't there or isn't ready. */
  readonly waypoint: (key: string) => Waypoint | undefined;
  /** Labels of a namespace. */
  readonly labelsOfNamespace: (namespace: string) => LabelSet | undefined;
}

const NONE: WaypointBinding = { kind: "none" };
const OPT_OUT = "none";

/**
 * The waypoint of a service or workload. Its own label counts, and that of its namespace where it has none. A waypoint that
 * is missing, not ready or not allowed means none at all, not the namespace's.
 */
export function bindWaypoint(request: BindingRequest, around: BindingSurroundings): WaypointBinding {
  const isExplicit = Boolean(request.labels?.[KEYS.USE_WAYPOINT]);
  const wish: Wish = isExplicit ? request : (around.namespaceWish ?? {});
  const name = wish.labels?.[KEYS.USE_WAYPOINT];
  if (name === undefined || name === "" || name === OPT_OUT) return NONE;
  const key = `${wish.labels?.[KEYS.USE_WAYPOINT_NAMESPACE] ?? request.namespace}/${name}`;
  const found = admitted(key, request, around);
  if (found.kind === "refused") {
    // A namespace with a waypoint for services does not ask for one for its workloads.
    return found.reason === "UnsupportedTrafficType" && !isExplicit ? NONE : found;
  }
  const canary = canaryOf(wish, key, request, around);
  const ingress =
    request.labels?.[KEYS.INGRESS_USE_WAYPOINT] ?? around.namespaceWish?.labels?.[KEYS.INGRESS_USE_WAYPOINT];
  return {
    kind: "bound",
    waypoint: found.waypoint,
    canary: typeof canary === "string" ? undefined : canary,
    canaryProblem: typeof canary === "string" ? canary : undefined,
    isIngressBound: request.use === "service" && ingress === "true",
  };
}

type Admission =
  | { readonly kind: "admitted"; readonly waypoint: Waypoint }
  | { readonly kind: "refused"; readonly reason: BindingRefusal; readonly message: string };

function admitted(key: string, { namespace, use }: BindingRequest, around: BindingSurroundings): Admission {
  const refuse = (reason: BindingRefusal, message: string): Admission => ({ kind: "refused", reason, message });
  const waypoint = around.waypoint(key);
  if (!waypoint) return refuse("WaypointIsNotReady", `waypoint ${key} is missing or has no address yet`);
  if (waypoint.namespace !== namespace && !admits(waypoint, namespace, around)) {
    return refuse("AttachmentDenied", `waypoint ${key} does not allow objects of namespace ${namespace}`);
  }
  if (use === "service" ? waypoint.servesServices : waypoint.servesWorkloads) return { kind: "admitted", waypoint };
  return refuse("UnsupportedTrafficType", `waypoint ${key} does not serve traffic to ${use}s`);
}

function admits({ admits }: Waypoint, namespace: string, { labelsOfNamespace }: BindingSurroundings): boolean {
  if (admits.from === "All") return true;
  // A selector that is absent would select everything.
  if (admits.from !== "Selector" || !admits.selector) return false;
  return labelMatcher(admits.selector)(labelsOfNamespace(namespace));
}

/** The canary, none, or the reason why the one that was asked for is left out. */
function canaryOf(
  wish: Wish,
  primary: string,
  request: BindingRequest,
  around: BindingSurroundings,
): Canary | string | undefined {
  const name = wish.labels?.[KEYS.USE_WAYPOINT_CANARY];
  if (request.use !== "service" || name === undefined || name === "") return undefined;
  const key = `${wish.labels?.[KEYS.USE_WAYPOINT_CANARY_NAMESPACE] ?? request.namespace}/${name}`;
  if (key === primary) return `CanarySameAsPrimary: ${key} is the primary waypoint already`;
  const text = wish.annotations?.[KEYS.USE_WAYPOINT_CANARY_WEIGHT] ?? "";
  const weight = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(weight <= 100)) return `CanaryInvalidWeight: "${text}" is no whole number from 0 to 100`;
  const found = admitted(key, request, around);
  return found.kind === "admitted" ? { waypoint: found.waypoint, weight } : `${found.reason}: ${found.message}`;
}
