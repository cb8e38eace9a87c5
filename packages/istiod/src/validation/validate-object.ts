// SPDX-License-Identifier: Apache-2.0
import type {
  AuthorizationPolicy,
  DestinationRule,
  PeerAuthentication,
  RequestAuthentication,
  ServiceEntry,
  Telemetry,
  VirtualService,
  WorkloadEntry,
} from "@ambientmesh/api/istio";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { validateAuthorizationPolicy, validatePeerAuthentication, type Finding } from "@ambientmesh/authz";
import { checkPolicyShape } from "../model/policy-shape.ts";
import { checkedPeerAuthentication } from "../model/peer-authentication.ts";
import { validateDestinationRule } from "./destination-rule.ts";
import { validateRequestAuthentication } from "./request-authentication.ts";
import { validateServiceEntry } from "./service-entry.ts";
import { validateTelemetry } from "./telemetry.ts";
import { validateVirtualService } from "./virtual-service.ts";
import { validateWorkloadEntry } from "./workload-entry.ts";

type Validate = (object: KubernetesObject) => readonly Finding[];

/** By group and kind; all served versions of a kind have one form. */
const VALIDATORS: ReadonlyMap<string, Validate> = new Map<string, Validate>([
  [
    "security.istio.io/AuthorizationPolicy",
    (object) => {
      checkPolicyShape(object as AuthorizationPolicy);
      return validateAuthorizationPolicy(object as AuthorizationPolicy);
    },
  ],
  [
    "security.istio.io/PeerAuthentication",
    (object) => validatePeerAuthentication(checkedPeerAuthentication(object as PeerAuthentication)),
  ],
  [
    "security.istio.io/RequestAuthentication",
    (object) => validateRequestAuthentication(object as RequestAuthentication),
  ],
  ["networking.istio.io/ServiceEntry", (object) => validateServiceEntry(object as ServiceEntry)],
  ["networking.istio.io/WorkloadEntry", (object) => validateWorkloadEntry(object as WorkloadEntry)],
  ["networking.istio.io/DestinationRule", (object) => validateDestinationRule(object as DestinationRule)],
  ["networking.istio.io/VirtualService", (object) => validateVirtualService(object as VirtualService)],
  ["telemetry.istio.io/Telemetry", (object) => validateTelemetry(object as Telemetry)],
]);

/**
 * What is wrong with an object of one of Istio's kinds, beyond its schema.
 * @returns undefined for kinds that have no rules here
 * @throws whatever reading an object of another shape than its schema's throws; an API server lets none through
 */
export function validateObject(object: KubernetesObject): readonly Finding[] | undefined {
  const group = object.apiVersion.split("/")[0] ?? "";
  return VALIDATORS.get(`${group}/${object.kind}`)?.(object);
}
