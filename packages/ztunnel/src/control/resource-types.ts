// SPDX-License-Identifier: Apache-2.0
import { fromBinary } from "@bufbuild/protobuf";
import { AUTHORIZATION_TYPE_URL, AuthorizationSchema } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL, AddressSchema, type Address } from "@ambientmesh/api/workload";
import { compileAuthorization, policyNotUnderstood, type Problem } from "@ambientmesh/authz";
import { messageOf } from "@ambientmesh/core";
import type { Rejection, ResourceType } from "@ambientmesh/xds";
import { ztunnelErrors } from "../errors.ts";
import { decodeService } from "../state/decode-service.ts";
import { decodeWorkload } from "../state/decode-workload.ts";
import type { Decoded } from "../state/decoded.ts";
import type { AddressResource, MeshState } from "../state/mesh-state.ts";
import type { Service, Workload } from "../state/model.ts";
import type { PolicyResource } from "../state/policy-store.ts";

/** Workloads and services, applied to the state. What can't be used is refused by itself, with the reason. */
export function addressType(state: MeshState): ResourceType<AddressResource> {
  return {
    typeUrl: ADDRESS_TYPE_URL,
    decode: (bytes) => addressOf(fromBinary(AddressSchema, bytes)),
    apply: ({ upserted, removed }) => {
      state.applyAddresses(
        upserted.map(({ value }) => value),
        removed,
      );
      return [];
    },
  };
}

function addressOf({ type }: Address): AddressResource {
  switch (type.case) {
    case "workload":
      return { kind: "workload", workload: valueOf<Workload>(decodeWorkload(type.value)) };
    case "service":
      return { kind: "service", service: valueOf<Service>(decodeService(type.value)) };
    case undefined:
      throw ztunnelErrors.create("ZTUNNEL_RESOURCE", "it is neither a workload nor a service");
  }
}

function valueOf<T>(decoded: Decoded<T>): T {
  if (decoded.ok) return decoded.value;
  throw ztunnelErrors.create("ZTUNNEL_RESOURCE", decoded.reason);
}

interface ReceivedPolicy extends PolicyResource {
  readonly problems: readonly Problem[];
}

/**
 * Policies, applied to the state. One that is not understood in full is refused and the last good version stays; if
 * there is none, what was understood is enforced so that it errs to the safe side.
 */
export function policyType(state: MeshState): ResourceType<ReceivedPolicy> {
  return {
    typeUrl: AUTHORIZATION_TYPE_URL,
    decode: (bytes, name) => policyOf(bytes, name),
    apply: ({ upserted, removed }) => {
      const usable = upserted.filter(({ name, value }) => value.problems.length === 0 || !state.policies.has(name));
      state.applyPolicies(
        usable.map(({ value }) => value),
        removed,
      );
      return upserted.flatMap(({ name, value: { problems } }): readonly Rejection[] =>
        problems.length === 0 ? [] : [{ name, reason: messageOf(policyNotUnderstood(name, problems)) }],
      );
    },
  };
}

function policyOf(bytes: Uint8Array, name: string): ReceivedPolicy {
  const source = fromBinary(AuthorizationSchema, bytes);
  const { policy, problems } = compileAuthorization(source);
  if (policy.key === name) return { policy, problems, source };
  // Removal goes by resource name: a policy that does not answer to it could never be removed.
  throw ztunnelErrors.create("ZTUNNEL_RESOURCE", `it holds the policy ${policy.key}, not the one it is named after`);
}
