// SPDX-License-Identifier: Apache-2.0
import type { CustomResourceDefinition, PrinterColumn } from "../kubernetes/core.ts";
import { destinationRuleSpec } from "./schemas/destination-rule.ts";
import { limited, listOf, type FieldSchema } from "./schemas/field-schema.ts";
import { authorizationPolicySpec, peerAuthenticationSpec, requestAuthenticationSpec } from "./schemas/policy.ts";
import { serviceEntrySpec, workloadEntrySpec } from "./schemas/registry.ts";
import { telemetrySpec } from "./schemas/telemetry.ts";
import { virtualServiceSpec } from "./schemas/virtual-service.ts";

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly group: "security" | "networking" | "telemetry";
  readonly spec: FieldSchema<unknown>;
  /** All served; objects are stored in the first one's form, which is that of all. */
  readonly versions: readonly string[];
  readonly columns?: readonly (readonly [name: string, jsonPath: string])[];
  readonly isSpecRequired?: boolean;
}

const SECURITY = { group: "security", versions: ["v1", "v1beta1"] } as const;
const NETWORKING = { group: "networking", versions: ["v1", "v1beta1", "v1alpha3"] } as const;

const KINDS: readonly Kind[] = [
  {
    ...SECURITY,
    kind: "AuthorizationPolicy",
    plural: "authorizationpolicies",
    shortName: "ap",
    spec: authorizationPolicySpec,
    columns: [["Action", ".spec.action"]],
  },
  {
    ...SECURITY,
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    shortName: "pa",
    spec: peerAuthenticationSpec,
    columns: [["Mode", ".spec.mtls.mode"]],
  },
  {
    ...SECURITY,
    kind: "RequestAuthentication",
    plural: "requestauthentications",
    shortName: "ra",
    spec: requestAuthenticationSpec,
  },
  {
    ...NETWORKING,
    kind: "ServiceEntry",
    plural: "serviceentries",
    shortName: "se",
    spec: serviceEntrySpec,
    columns: [
      ["Hosts", ".spec.hosts"],
      ["Location", ".spec.location"],
      ["Resolution", ".spec.resolution"],
    ],
    isSpecRequired: true,
  },
  {
    ...NETWORKING,
    kind: "WorkloadEntry",
    plural: "workloadentries",
    shortName: "we",
    spec: workloadEntrySpec,
    columns: [["Address", ".spec.address"]],
    isSpecRequired: true,
  },
  {
    ...NETWORKING,
    kind: "DestinationRule",
    plural: "destinationrules",
    shortName: "dr",
    spec: destinationRuleSpec,
    columns: [["Host", ".spec.host"]],
  },
  {
    ...NETWORKING,
    kind: "VirtualService",
    plural: "virtualservices",
    shortName: "vs",
    spec: virtualServiceSpec,
    columns: [
      ["Gateways", ".spec.gateways"],
      ["Hosts", ".spec.hosts"],
    ],
  },
  {
    group: "telemetry",
    versions: ["v1", "v1alpha1"],
    kind: "Telemetry",
    plural: "telemetries",
    shortName: "telemetry",
    spec: telemetrySpec,
  },
];

/** One condition per type, so that several writers can each own theirs; whatever else is in a status is kept. */
const STATUS = {
  type: "object",
  "x-kubernetes-preserve-unknown-fields": true,
  properties: {
    conditions: listOf(
      {
        type: "object",
        "x-kubernetes-preserve-unknown-fields": true,
        required: ["type"],
        properties: {
          type: { type: "string" },
          status: { type: "string" },
          reason: { type: "string" },
          message: { type: "string" },
          observedGeneration: { "x-kubernetes-int-or-string": true },
          lastTransitionTime: limited({ type: "string" }, { format: "date-time" }),
          lastProbeTime: limited({ type: "string" }, { format: "date-time" }),
        },
      } as FieldSchema<object>,
      { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] },
    ),
  },
};

const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function definition(kind: Kind): CustomResourceDefinition {
  const group = `${kind.group}.istio.io`;
  const columns = (kind.columns ?? []).map(([name, jsonPath]) => ({ name, type: "string", jsonPath }));
  const schema = {
    type: "object",
    properties: { spec: kind.spec, status: STATUS },
    ...(kind.isSpecRequired === true && { required: ["spec"] }),
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind: kind.kind,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        listKind: `${kind.kind}List`,
        shortNames: [kind.shortName],
        categories: ["istio-io", `${kind.group}-istio-io`],
      },
      versions: kind.versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
        additionalPrinterColumns: [...columns, AGE],
      })),
    },
  };
}

/** CustomResourceDefinitions of Istio's kinds that the mesh reads, with the fields of Istio 1.31. */
export const ISTIO_DEFINITIONS: readonly CustomResourceDefinition[] = KINDS.map((kind) => definition(kind));
