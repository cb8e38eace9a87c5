// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Takes out what no program here reads and what often is the larger half of an object: managed fields, and the copy
 * that `kubectl apply` keeps in an annotation.
 */
export function stripBookkeeping<T extends KubernetesObject>(object: T): T {
  const { managedFields: _managedFields, ...rest } = object.metadata;
  const { annotations } = rest;
  if (annotations === undefined || !Object.hasOwn(annotations, LAST_APPLIED)) return { ...object, metadata: rest };
  const { [LAST_APPLIED]: _lastApplied, ...kept } = annotations;
  return { ...object, metadata: { ...rest, annotations: kept } };
}
