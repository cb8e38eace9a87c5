// SPDX-License-Identifier: Apache-2.0
/** A Kubernetes API server in memory, for local mode, offline use and tests. */
export { createLocalKube, type LocalKube, type LocalKubeDeps, type LocalKubeOptions } from "./local-kube.ts";
export type { KindName, LocalObjects } from "./local-objects.ts";
export { feedFolder, type FolderFeed, type FolderFeedDeps, type FolderFeedOptions } from "./feed/folder-feed.ts";
export { applyYaml } from "./feed/apply-yaml.ts";
export { formatFeedProblem, type FeedProblem } from "./feed/feed-problem.ts";
export type { FieldIssue, FieldIssueReason, FieldPath } from "./schema/field-issue.ts";
export type { ListenOptions, ListenTarget } from "./http/listeners.ts";
export type { AdmissionHook, AdmissionOutcome, AdmissionRequest, UserInfo } from "./objects/scope.ts";
export type { StaticToken } from "./tokens/authenticator.ts";
export type { Column, KindDefinition, KindStrategy, KindVersion } from "./kinds/kind.ts";
export type { ServedKind } from "./kinds/kind-registry.ts";
export type { Schema, SchemaType } from "./schema/schema.ts";
