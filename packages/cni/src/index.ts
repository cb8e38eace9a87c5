// SPDX-License-Identifier: Apache-2.0

/** The node agent. */
export { startAgent, type Agent, type AgentDeps } from "./app.ts";
export { describeConfig, parseConfig } from "./config.ts";
export type { AgentConfig, InstallSettings } from "./config/agent-config.ts";
export type { ChainOptions, PluginEntry } from "./installer/network-config.ts";
export { AGENT_CAPABILITIES } from "./self-check.ts";

/** Who joins the mesh. */
export {
  DEFAULT_SELECTORS,
  createEligibility,
  type Eligibility,
  type EligibilityRules,
  type EligibilityTest,
  type EnablementSelector,
  type Ineligibility,
} from "./eligibility/eligibility.ts";

/** How traffic is taken over. */
export type { DualStackAddress, PodRules, Redirection, RedirectionState } from "./redirection/redirection.ts";
export { chooseRedirection, type RedirectionKind } from "./redirection/choose-redirection.ts";

/** What keeps the mesh's traffic away. */
export {
  findBlockedHbone,
  type BlockedHbone,
  type JsonPatchAddition,
  type NetworkPolicy,
  type NetworkPolicyPort,
  type NetworkPolicyRule,
  type PodOfMesh,
} from "./network-policy/blocked-hbone.ts";

/** How pods say whether they are in the mesh. */
export { MESH_READY } from "./enrolment/mesh-condition.ts";

export { cniErrors, type CniErrorCode } from "./errors.ts";
