// SPDX-License-Identifier: Apache-2.0
import { create, toBinary } from "@bufbuild/protobuf";
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { Action, AuthorizationSchema, Scope, type Authorization } from "@ambientmesh/api/security";
import { translateAuthorizationPolicy, type AcceptedCondition, type PolicyContext } from "@ambientmesh/authz";
import { messageOf } from "@ambientmesh/core";
import { objectKey } from "@ambientmesh/kube";
import type { ResourceInput } from "@ambientmesh/xds";
import type { LabelSet } from "./labels.ts";
import { checkPolicyShape } from "./policy-shape.ts";

/** What becomes of an AuthorizationPolicy. */
export interface PolicyOutcome {
  readonly namespace: string;
  /** Absent if node proxies have nothing to do with it. */
  readonly resource: ResourceInput | undefined;
  /** Labels of the workloads it is attached to by name; absent if it holds for its whole scope. */
  readonly selector: LabelSet | undefined;
  /** To be written to the object's status; absent if the condition does not belong there. */
  readonly condition: AcceptedCondition | undefined;
}

/** An authorization as a resource, named "namespace/name". */
export function authorizationResource(authorization: Authorization): ResourceInput {
  return { name: objectKey(authorization), value: toBinary(AuthorizationSchema, authorization) };
}

/** @throws when the object has a shape that no validated policy has; {@link failedPolicy} stands for it then. */
export function policyOutcome(policy: AuthorizationPolicy, context: PolicyContext): PolicyOutcome {
  checkPolicyShape(policy);
  const { authorization, condition } = translateAuthorizationPolicy(policy, context);
  return {
    namespace: policy.metadata.namespace ?? "",
    resource: authorization && authorizationResource(authorization),
    selector: authorization?.scope === Scope.WORKLOAD_SELECTOR ? labelsOf(policy) : undefined,
    condition,
  };
}

/**
 * What stands for a policy that can't be read. It fails closed: one that denies denies everything in its scope, any other
 * allows nothing, so that only what other policies allow gets through.
 */
export function failedPolicy(policy: AuthorizationPolicy, error: unknown, context: PolicyContext): PolicyOutcome {
  const { namespace = "", name } = policy.metadata;
  const isDeny = policy.spec?.action === "DENY";
  const isSelecting = policy.spec?.selector !== undefined && policy.spec.selector !== null;
  const area = namespace === context.rootNamespace ? Scope.GLOBAL : Scope.NAMESPACE;
  const authorization = create(AuthorizationSchema, {
    namespace,
    name,
    scope: isSelecting ? Scope.WORKLOAD_SELECTOR : area,
    action: isDeny ? Action.DENY : Action.ALLOW,
    // A group without rules matches everything; a policy without groups matches nothing.
    groups: isDeny ? [{}] : [],
  });
  const treatment = isDeny ? "denies everything" : "allows nothing";
  return {
    namespace,
    resource: authorizationResource(authorization),
    selector: isSelecting ? labelsOf(policy) : undefined,
    condition: {
      type: "ZtunnelAccepted",
      status: "False",
      reason: "UnsupportedValue",
      message: `The policy can't be read and ${treatment} until it is corrected: ${messageOf(error)}`,
    },
  };
}

/** Labels that are no text select nothing less: a policy must not lose workloads by being wrong. */
function labelsOf({ spec }: AuthorizationPolicy): LabelSet {
  const labels: unknown = spec?.selector?.matchLabels;
  if (typeof labels !== "object" || labels === null) return {};
  return Object.fromEntries(
    Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
