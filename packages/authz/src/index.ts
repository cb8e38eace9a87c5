// SPDX-License-Identifier: Apache-2.0
export { authzErrors } from "./errors.ts";
export { policyNotUnderstood, type Problem } from "./problem.ts";

// Judging
export { connectionFacts, type Connection, type ConnectionFacts, type PeerIdentity } from "./engine/connection.ts";
export { compilePolicy, type CompiledPolicy, type PolicyDefinition, type PolicyScope } from "./engine/policy.ts";
export { PolicySet, type Explanation, type PolicyExplanation, type PolicyTarget } from "./engine/policy-set.ts";
export { reasonText, type Decision, type DryRunMatch, type Reason, type Verdict } from "./engine/verdict.ts";
export { explanationText } from "./engine/report.ts";

// Front ends, and the form they compile to
export { compileAuthorization, type CompiledAuthorization } from "./authorization/compile.ts";
export {
  compileAuthorizationPolicy,
  selectsWorkload,
  type CompiledPolicyObject,
  type PolicyContext,
} from "./objects/authorization-policy.ts";
export type { SelectableWorkload } from "./objects/scope.ts";
export {
  all,
  always,
  any,
  never,
  not,
  toTest,
  unknown,
  type Expression,
  type Leaf,
  type Test,
} from "./expression/expression.ts";
export type { KeyedFacts } from "./expression/keys.ts";
export type { Trace } from "./expression/explain.ts";
export {
  destinationIpIsIn,
  destinationPortIsOneOf,
  principalIsOneOf,
  serviceAccountIsOneOf,
  sourceIpIsIn,
  sourceNamespaceIsOneOf,
} from "./expression/attributes.ts";

// From objects to the wire
export {
  translateAuthorizationPolicy,
  type AcceptedCondition,
  type TranslatedPolicy,
} from "./translate/authorization-policy.ts";
export {
  STATIC_STRICT_POLICY,
  translatePeerAuthentications,
  type EffectiveMode,
  type EffectiveMtls,
  type TranslatedPeerAuthentications,
} from "./translate/peer-authentication.ts";

// Checking objects
export { validateAuthorizationPolicy } from "./validate/authorization-policy.ts";
export { validatePeerAuthentication } from "./validate/peer-authentication.ts";
export { checkAttachment, type Attachment } from "./validate/attachment.ts";
export { Findings, type Finding } from "./validate/findings.ts";
