// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../schema/schema.ts";
import {
  anyFields,
  atomicObject,
  bool,
  int32,
  int64,
  keyedList,
  listOf,
  mapOf,
  object,
  oneOf,
  text,
  time,
  withDefault,
} from "./build.ts";
import { containers, ephemeralContainers, imagePullSecrets, volumes } from "./container.ts";
import { conditions, kindSchema, objectMeta } from "./meta.ts";

/** v1 PodSpec. */
const podSpec: Schema = object(
  {
    containers: { ...containers, minItems: 1 },
    initContainers: containers,
    ephemeralContainers,
    volumes,
    nodeName: text,
    nodeSelector: { ...mapOf(text), "x-kubernetes-map-type": "atomic" },
    serviceAccountName: text,
    serviceAccount: text,
    automountServiceAccountToken: bool,
    hostNetwork: bool,
    hostPID: bool,
    hostIPC: bool,
    hostUsers: bool,
    hostname: text,
    hostnameOverride: text,
    subdomain: text,
    setHostnameAsFQDN: bool,
    shareProcessNamespace: bool,
    restartPolicy: withDefault(oneOf("Always", "OnFailure", "Never"), "Always"),
    terminationGracePeriodSeconds: withDefault({ ...int64, minimum: 0 }, 30),
    activeDeadlineSeconds: int64,
    dnsPolicy: withDefault(oneOf("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"), "ClusterFirst"),
    dnsConfig: anyFields,
    hostAliases: keyedList(object({ ip: text, hostnames: listOf(text) }, ["ip"]), "ip"),
    enableServiceLinks: bool,
    securityContext: anyFields,
    imagePullSecrets,
    affinity: anyFields,
    tolerations: listOf(anyFields),
    topologySpreadConstraints: listOf(anyFields),
    schedulerName: text,
    schedulingGates: keyedList(object({ name: text }, ["name"]), "name"),
    priority: int32,
    priorityClassName: text,
    preemptionPolicy: text,
    readinessGates: listOf(anyFields),
    runtimeClassName: text,
    overhead: anyFields,
    os: anyFields,
    resourceClaims: listOf(anyFields),
    resources: anyFields,
  },
  ["containers"],
);

const containerStatuses = listOf(
  object({
    name: text,
    ready: bool,
    started: bool,
    restartCount: int32,
    image: text,
    imageID: text,
    containerID: text,
    state: anyFields,
    lastState: anyFields,
    resources: anyFields,
    allocatedResources: anyFields,
    volumeMounts: listOf(anyFields),
    user: anyFields,
  }),
);

const podStatus = object({
  phase: oneOf("Pending", "Running", "Succeeded", "Failed", "Unknown"),
  reason: text,
  message: text,
  hostIP: text,
  hostIPs: listOf(atomicObject({ ip: text })),
  podIP: text,
  podIPs: keyedList(object({ ip: text }, ["ip"]), "ip"),
  startTime: time,
  conditions,
  containerStatuses,
  initContainerStatuses: containerStatuses,
  ephemeralContainerStatuses: containerStatuses,
  nominatedNodeName: text,
  qosClass: text,
  observedGeneration: int64,
});

/** v1 Pod. */
export const pod: Schema = kindSchema(
  "A group of containers that share one network namespace.",
  { spec: podSpec, status: podStatus },
  ["spec"],
);

/** v1 PodTemplateSpec. */
export const podTemplate: Schema = object({ metadata: objectMeta, spec: podSpec }, ["spec"]);
