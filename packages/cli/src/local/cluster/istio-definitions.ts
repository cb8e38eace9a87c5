// SPDX-License-Identifier: Apache-2.0
import type { CustomResourceDefinition } from "@ambientmesh/api/kubernetes";

const text = { type: "string" } as const;
const texts = { type: "array", items: text } as const;

function fields(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: "object", properties, ...(required.length > 0 && { required }) };
}

function listOf(items: object): object {
  return { type: "array", items };
}

/** The same fields twice, once as they are and once for the opposite ("principals", "notPrincipals"). */
function withOpposites(names: readonly string[]): object {
  const opposite = (name: string): string => `not${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
  return fields(Object.fromEntries(names.flatMap((name) => [name, opposite(name)]).map((name) => [name, texts])));
}

const selector = fields({ matchLabels: { type: "object", additionalProperties: { type: "string", maxLength: 63 } } });
const targetRef = fields({ group: text, kind: text, name: text, namespace: text }, ["kind", "name"]);
const mtls = fields({ mode: { type: "string", enum: ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"] } });

const authorizationPolicySpec = fields({
  selector,
  targetRef,
  targetRefs: { ...listOf(targetRef), maxItems: 16 },
  action: { type: "string", enum: ["ALLOW", "DENY", "AUDIT", "CUSTOM"] },
  provider: fields({ name: text }),
  rules: {
    ...listOf(
      fields({
        from: listOf(
          fields({
            source: withOpposites([
              "principals",
              "requestPrincipals",
              "namespaces",
              "serviceAccounts",
              "ipBlocks",
              "remoteIpBlocks",
              "trustDomains",
            ]),
          }),
        ),
        to: listOf(fields({ operation: withOpposites(["hosts", "ports", "methods", "paths"]) })),
        when: listOf(fields({ key: text, values: texts, notValues: texts }, ["key"])),
      }),
    ),
    maxItems: 512,
  },
});

const peerAuthenticationSpec = fields({
  selector,
  mtls,
  portLevelMtls: { type: "object", additionalProperties: mtls },
});

/** security.istio.io: what istiod writes is not checked, so `status` is open. */
function definition(
  names: { readonly kind: string; readonly plural: string; readonly shortName: string },
  spec: object,
  column: { readonly name: string; readonly jsonPath: string },
): CustomResourceDefinition {
  const { kind, plural, shortName } = names;
  const status = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const version = {
    served: true,
    schema: { openAPIV3Schema: fields({ spec, status }) },
    subresources: { status: {} },
    additionalPrinterColumns: [
      { ...column, type: "string" },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ],
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.security.istio.io` },
    spec: {
      group: "security.istio.io",
      scope: "Namespaced",
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        shortNames: [shortName],
        categories: ["istio-io", "security-istio-io"],
      },
      versions: [
        { ...version, name: "v1", storage: true },
        { ...version, name: "v1beta1", storage: false },
      ],
    },
  };
}

/** Istio's kinds that istiod of this version reads, with the fields of Istio 1.31. */
export const ISTIO_DEFINITIONS: readonly CustomResourceDefinition[] = [
  definition(
    { kind: "AuthorizationPolicy", plural: "authorizationpolicies", shortName: "ap" },
    authorizationPolicySpec,
    { name: "Action", jsonPath: ".spec.action" },
  ),
  definition({ kind: "PeerAuthentication", plural: "peerauthentications", shortName: "pa" }, peerAuthenticationSpec, {
    name: "Mode",
    jsonPath: ".spec.mtls.mode",
  }),
];
