// SPDX-License-Identifier: Apache-2.0
import type { PolicyTargetReference, WorkloadSelector } from "../policy.ts";
import { fields, filledText, limited, listOf, mapOf, text, type FieldSchema } from "./field-schema.ts";

const LABEL_VALUE_LENGTH = 63;
const SUBDOMAIN_LENGTH = 253;
const KIND_LENGTH = 63;
const MAX_LABELS = 4096;
const MAX_TARGETS = 16;

/** Pods by labels. */
export const selector: FieldSchema<WorkloadSelector> = fields<WorkloadSelector>({
  matchLabels: mapOf(limited(text, { maxLength: LABEL_VALUE_LENGTH }), { maxProperties: MAX_LABELS }),
});

/** A Service, ServiceEntry, Gateway or GatewayClass. */
export const targetRef: FieldSchema<PolicyTargetReference> = fields<PolicyTargetReference>(
  {
    group: limited(text, {
      maxLength: SUBDOMAIN_LENGTH,
      pattern: String.raw`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
    }),
    kind: limited(filledText, { maxLength: KIND_LENGTH, pattern: "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$" }),
    name: limited(filledText, { maxLength: SUBDOMAIN_LENGTH }),
    namespace: text,
  },
  "kind",
  "name",
);

export const targetRefs: FieldSchema<readonly PolicyTargetReference[]> = listOf(targetRef, { maxItems: MAX_TARGETS });
