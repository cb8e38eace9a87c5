// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { isFieldPath } from "./field-paths.ts";

type Json = Readonly<Record<string, unknown>>;

/** What local mode does. */
const POD_FIELDS = [
  "containers",
  "nodeName",
  "nodeSelector",
  "tolerations",
  "serviceAccountName",
  "serviceAccount",
  "hostNetwork",
  "hostPID",
  "volumes",
  "restartPolicy",
  "terminationGracePeriodSeconds",
  "dnsPolicy",
  "hostname",
];
/** What has no effect on a process without an image, and does no harm either. */
const POD_FIELDS_WITHOUT_EFFECT = [
  "subdomain",
  "automountServiceAccountToken",
  "enableServiceLinks",
  "securityContext",
  "imagePullSecrets",
  "affinity",
  "topologySpreadConstraints",
  "schedulerName",
  "priority",
  "priorityClassName",
  "preemptionPolicy",
  "overhead",
  "runtimeClassName",
  "os",
  "resources",
  "hostUsers",
];

const CONTAINER_FIELDS = ["name", "command", "args", "workingDir", "ports", "env", "volumeMounts", "readinessProbe"];
const CONTAINER_FIELDS_WITHOUT_EFFECT = [
  "image",
  "imagePullPolicy",
  "resources",
  "resizePolicy",
  "securityContext",
  "terminationMessagePath",
  "terminationMessagePolicy",
];

const KNOWN_POD_FIELDS: ReadonlySet<string> = new Set([...POD_FIELDS, ...POD_FIELDS_WITHOUT_EFFECT]);
const KNOWN_CONTAINER_FIELDS: ReadonlySet<string> = new Set([...CONTAINER_FIELDS, ...CONTAINER_FIELDS_WITHOUT_EFFECT]);
const VOLUME_FIELDS = new Set(["name", "configMap", "emptyDir", "hostPath", "projected"]);
const PROJECTIONS = new Set(["serviceAccountToken", "configMap", "downwardAPI"]);
const MOUNT_FIELDS = new Set(["name", "mountPath", "readOnly", "mountPropagation", "recursiveReadOnly"]);
const PROBE_KINDS = ["httpGet", "tcpSocket"];

/** The fields of a pod that ask for what local mode can't do, each with what is wrong; empty for a pod that can run. */
export function unsupportedFields(pod: Pod): readonly string[] {
  const spec = pod.spec as unknown as Json;
  return [
    ...others(spec, KNOWN_POD_FIELDS, "spec"),
    ...(spec["dnsPolicy"] === "None" ? ["spec.dnsPolicy: None is not supported in local mode"] : []),
    ...listAt(spec, "containers").flatMap((container, index) =>
      containerProblems(container, `spec.containers[${index}]`),
    ),
    ...listAt(spec, "volumes").flatMap((volume, index) => volumeProblems(volume, `spec.volumes[${index}]`)),
  ];
}

function containerProblems(container: Json, path: string): readonly string[] {
  const probe = (container["readinessProbe"] ?? {}) as Json;
  const hasProbe = Object.keys(probe).length > 0;
  return [
    ...others(container, KNOWN_CONTAINER_FIELDS, path),
    ...(isUnset(container["command"])
      ? [`${path}.command: local mode runs programs, not images; name the program to run`]
      : []),
    ...listAt(container, "env").flatMap((variable, index) => variableProblems(variable, `${path}.env[${index}]`)),
    ...listAt(container, "volumeMounts").flatMap((mount, index) =>
      others(mount, MOUNT_FIELDS, `${path}.volumeMounts[${index}]`),
    ),
    ...(hasProbe && !PROBE_KINDS.some((kind) => kind in probe)
      ? [`${path}.readinessProbe: only httpGet and tcpSocket are supported in local mode`]
      : []),
  ];
}

function variableProblems(variable: Json, path: string): readonly string[] {
  if (isUnset(variable["valueFrom"])) return [];
  const source = variable["valueFrom"] as Json;
  const fieldRef = source["fieldRef"] as { readonly fieldPath?: string } | undefined;
  if (fieldRef === undefined) return [`${path}.valueFrom: only fieldRef is supported in local mode`];
  const fieldPath = fieldRef.fieldPath ?? "";
  return isFieldPath(fieldPath)
    ? []
    : [`${path}.valueFrom.fieldRef.fieldPath: "${fieldPath}" is not supported in local mode`];
}

function volumeProblems(volume: Json, path: string): readonly string[] {
  const projected = (volume["projected"] ?? {}) as Json;
  return [
    ...others(volume, VOLUME_FIELDS, path),
    ...listAt(projected, "sources").flatMap((source, index) =>
      others(source, PROJECTIONS, `${path}.projected.sources[${index}]`),
    ),
  ];
}

function others(object: Json, known: ReadonlySet<string>, path: string): readonly string[] {
  return Object.entries(object)
    .filter(([field, value]) => !known.has(field) && !isUnset(value))
    .map(([field]) => `${path}.${field}: not supported in local mode`);
}

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function listAt(object: Json, field: string): readonly Json[] {
  const value = object[field];
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
