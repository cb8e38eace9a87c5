// SPDX-License-Identifier: Apache-2.0
/** The control plane as a service, for programs and tests that bring their own clock, log and API client. */
export { Istiod, type IstiodAddresses, type IstiodDeps } from "./app.ts";
export { describeConfig, parseConfig, type Command, type ConfigInput, type IstiodConfig } from "./config/config.ts";
export type { Environment } from "./config/environment.ts";
export type { Flags } from "./config/flags.ts";
export type { ListenAddress } from "./config/listen-address.ts";
export type { MeshConfig } from "./config/mesh-config.ts";
export { errors as istiodErrors } from "./errors.ts";

/** From objects to resources, without a server. */
export { createMeshModel, type MeshModel, type MeshModelOptions } from "./model/mesh-model.ts";
export type { MeshSources } from "./model/mesh-sources.ts";
export { translateObjects, type TranslatedResource, type Translation } from "./translate/translate.ts";
export type { ObjectStatus, StatusKind } from "./model/model-statuses.ts";
export type { PolicyOutcome } from "./model/policy-outcome.ts";
