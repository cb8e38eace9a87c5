// SPDX-License-Identifier: Apache-2.0
export { kubeErrors, type FieldCause, type KubeErrorCode } from "./errors.ts";
export {
  RESOURCES,
  describeObject,
  objectKey,
  parseObjectKey,
  type BuiltInKinds,
  type ObjectRef,
  type Resource,
} from "./resource.ts";
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
