// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../schema/schema.ts";
import {
  anyFields,
  bool,
  int32,
  intOrString,
  keyedList,
  listOf,
  mapOf,
  object,
  oneOf,
  portNumber,
  setOf,
  text,
  time,
  withDefault,
} from "./build.ts";
import { imagePullSecrets } from "./container.ts";
import { conditions, kindSchema, objectReference } from "./meta.ts";

const bytes: Schema = { type: "string", format: "byte" };
const microTime: Schema = { ...time, nullable: true };

/** v1 Namespace. */
export const namespace: Schema = kindSchema("A scope for names.", {
  spec: object({ finalizers: listOf(text) }),
  status: object({ phase: oneOf("Active", "Terminating"), conditions }),
});

/** v1 Node. */
export const node: Schema = kindSchema("A machine that runs pods.", {
  spec: object({
    podCIDR: text,
    podCIDRs: setOf(text),
    providerID: text,
    unschedulable: bool,
    taints: listOf(anyFields),
  }),
  status: object({
    addresses: keyedList(object({ type: text, address: text }, ["type", "address"]), "type"),
    conditions,
    capacity: mapOf(intOrString),
    allocatable: mapOf(intOrString),
    nodeInfo: anyFields,
    daemonEndpoints: anyFields,
    images: listOf(anyFields),
    phase: text,
    features: anyFields,
    runtimeHandlers: listOf(anyFields),
  }),
});

/** v1 ServiceAccount. */
export const serviceAccount: Schema = kindSchema("An identity for pods.", {
  secrets: keyedList(objectReference, "name"),
  imagePullSecrets,
  automountServiceAccountToken: bool,
});

/** v1 ConfigMap. */
export const configMap: Schema = kindSchema("Settings as key-value pairs.", {
  data: mapOf(text),
  binaryData: mapOf(bytes),
  immutable: bool,
});

/** v1 Secret. `stringData` is merged into `data` when written. */
export const secret: Schema = kindSchema("Settings that are to stay secret, base64 encoded.", {
  data: mapOf(bytes),
  stringData: mapOf(text),
  type: withDefault(text, "Opaque"),
  immutable: bool,
});

const servicePort = object(
  {
    name: text,
    port: portNumber,
    targetPort: intOrString,
    protocol: withDefault(oneOf("TCP", "UDP", "SCTP"), "TCP"),
    appProtocol: text,
    nodePort: { ...int32, minimum: 0, maximum: 65_535 },
  },
  ["port"],
);

/** v1 Service. */
export const service: Schema = kindSchema(
  "A stable address for a set of pods.",
  {
    spec: object({
      type: withDefault(oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"), "ClusterIP"),
      selector: { ...mapOf(text), "x-kubernetes-map-type": "atomic" },
      ports: keyedList(servicePort, "port", "protocol"),
      clusterIP: text,
      clusterIPs: listOf(text),
      ipFamilies: listOf(oneOf("IPv4", "IPv6")),
      ipFamilyPolicy: oneOf("SingleStack", "PreferDualStack", "RequireDualStack"),
      externalName: text,
      externalIPs: listOf(text),
      externalTrafficPolicy: oneOf("Cluster", "Local"),
      internalTrafficPolicy: oneOf("Cluster", "Local"),
      trafficDistribution: text,
      publishNotReadyAddresses: bool,
      sessionAffinity: withDefault(oneOf("None", "ClientIP"), "None"),
      sessionAffinityConfig: anyFields,
      loadBalancerIP: text,
      loadBalancerClass: text,
      loadBalancerSourceRanges: listOf(text),
      allocateLoadBalancerNodePorts: bool,
      healthCheckNodePort: int32,
    }),
    status: object({ conditions, loadBalancer: object({ ingress: listOf(anyFields) }) }),
  },
  ["spec"],
);

/** v1 Event. */
export const event: Schema = kindSchema(
  "Something that happened to an object.",
  {
    involvedObject: objectReference,
    related: objectReference,
    reason: text,
    message: text,
    type: text,
    action: text,
    count: int32,
    firstTimestamp: microTime,
    lastTimestamp: microTime,
    eventTime: microTime,
    series: anyFields,
    source: object({ component: text, host: text }),
    reportingComponent: text,
    reportingInstance: text,
  },
  ["involvedObject"],
);
