// SPDX-License-Identifier: Apache-2.0
// Errors
export { kubeErrors, type FieldCause, type KubeErrorCode } from "./errors.ts";
// Kinds and names
export {
  RESOURCES,
  describeObject,
  objectKey,
  parseObjectKey,
  type BuiltInKinds,
  type ObjectRef,
  type Resource,
} from "./resource.ts";
// Selectors
export {
  labelMatcher,
  labelRequirements,
  matchesLabels,
  type LabelOperator,
  type LabelRequirement,
  type LabelRequirements,
  type LabelSet,
} from "./selectors/label-selector.ts";
export { formatLabelSelector, parseLabelSelector } from "./selectors/label-selector-text.ts";
export {
  formatFieldSelector,
  matchesFields,
  parseFieldSelector,
  type FieldRequirement,
  type FieldRequirements,
} from "./selectors/field-selector.ts";
// Calls
export { connectKube, type KubeClientDeps, type KubeClientOptions } from "./client/connect.ts";
export { kubeTargetOf, type KubeTarget } from "./client/access.ts";
export type {
  AppliedConfiguration,
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListPage,
  ListQuery,
  WatchQuery,
  WriteOptions,
  WrittenMeta,
} from "./client/kube-client.ts";
export type { WatchEvent, WatchStream } from "./client/watch-stream.ts";
// Live copies
export { createInformer, type Informer, type InformerDeps, type InformerOptions } from "./informer/informer.ts";
export type { ListWatchClient } from "./informer/reflector.ts";
export { createInformers, type Informers } from "./informer/informers.ts";
export type { Store, StoreIndex, StoreListener } from "./informer/store.ts";
export { slimNode, slimPod } from "./informer/slim.ts";
// Leases and events
export {
  electLeader,
  type LeaderElectionDeps,
  type LeaderElectionOptions,
  type LeaderTask,
} from "./leader/leader-election.ts";
export {
  createEventRecorder,
  type EventRecorder,
  type EventRecorderDeps,
  type EventRecorderOptions,
  type RecordedEvent,
} from "./events/event-recorder.ts";
