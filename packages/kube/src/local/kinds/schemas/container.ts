// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../schema/schema.ts";
import {
  anyFields,
  atomicObject,
  bool,
  intOrString,
  keyedList,
  listOf,
  mapOf,
  object,
  oneOf,
  portNumber,
  text,
  withDefault,
} from "./build.ts";
import { localReference } from "./meta.ts";

const keyReference = atomicObject({ name: text, key: text, optional: bool }, ["key"]);
const namedSource = object({ name: text, optional: bool });

const envVar = object(
  {
    name: text,
    value: text,
    valueFrom: object({
      fieldRef: atomicObject({ apiVersion: text, fieldPath: text }, ["fieldPath"]),
      resourceFieldRef: anyFields,
      configMapKeyRef: keyReference,
      secretKeyRef: keyReference,
    }),
  },
  ["name"],
);

const containerPort = object(
  {
    name: { ...text, maxLength: 15 },
    containerPort: portNumber,
    hostPort: portNumber,
    hostIP: text,
    protocol: withDefault(oneOf("TCP", "UDP", "SCTP"), "TCP"),
  },
  ["containerPort"],
);

const volumeMount = object(
  {
    name: text,
    mountPath: text,
    subPath: text,
    subPathExpr: text,
    readOnly: bool,
    recursiveReadOnly: text,
    mountPropagation: text,
  },
  ["name", "mountPath"],
);

/** v1 Container. Parts that no local pod uses (probes, security) are kept as they are. */
const container = object(
  {
    name: { ...text, minLength: 1 },
    image: text,
    command: listOf(text),
    args: listOf(text),
    workingDir: text,
    ports: keyedList(containerPort, "containerPort", "protocol"),
    env: keyedList(envVar, "name"),
    envFrom: listOf(object({ prefix: text, configMapRef: namedSource, secretRef: namedSource })),
    resources: object({ limits: mapOf(intOrString), requests: mapOf(intOrString), claims: listOf(anyFields) }),
    resizePolicy: listOf(anyFields),
    volumeMounts: keyedList(volumeMount, "mountPath"),
    volumeDevices: keyedList(object({ name: text, devicePath: text }), "devicePath"),
    livenessProbe: anyFields,
    readinessProbe: anyFields,
    startupProbe: anyFields,
    lifecycle: anyFields,
    terminationMessagePath: text,
    terminationMessagePolicy: text,
    imagePullPolicy: oneOf("Always", "IfNotPresent", "Never"),
    securityContext: anyFields,
    restartPolicy: text,
    stdin: bool,
    stdinOnce: bool,
    tty: bool,
  },
  ["name"],
);

/** Containers of a pod, known by name. */
export const containers: Schema = keyedList(container, "name");

/** Containers attached later by `kubectl debug`; their extra field names the container they look at. */
export const ephemeralContainers: Schema = keyedList(
  object({ ...container.properties, targetContainerName: text }, ["name"]),
  "name",
);

const volumeSources = [
  "configMap",
  "secret",
  "emptyDir",
  "hostPath",
  "projected",
  "downwardAPI",
  "csi",
  "ephemeral",
  "image",
  "nfs",
  "iscsi",
  "fc",
  "persistentVolumeClaim",
];

/** v1 Volume: a name and one source, which is kept as it is. */
export const volumes: Schema = keyedList(
  object({ name: text, ...Object.fromEntries(volumeSources.map((source) => [source, anyFields])) }, ["name"]),
  "name",
);

/** Secrets for pulling images. */
export const imagePullSecrets: Schema = keyedList(localReference, "name");
