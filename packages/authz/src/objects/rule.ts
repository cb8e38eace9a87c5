// SPDX-License-Identifier: Apache-2.0
import type { Cidr } from "../values/ip.ts";
import type { Pattern } from "../values/pattern.ts";
import type { ServiceAccountName } from "../values/service-account.ts";

/** The values of one L4 attribute of a source, an operation or a condition. */
export type Constraint = {
  readonly isNegated: boolean;
  /** Values that could not be read, each as "path: message". */
  readonly unreadable: readonly string[];
} & (
  | {
      readonly attribute: "namespaces" | "principals";
      readonly values: readonly Pattern[];
    }
  /** Patterns for principals that say the same. */
  | { readonly attribute: "trustDomains"; readonly values: readonly Pattern[] }
  | { readonly attribute: "serviceAccounts"; readonly values: readonly ServiceAccountName[] }
  | { readonly attribute: "sourceIps" | "destinationIps"; readonly values: readonly Cidr[] }
  | { readonly attribute: "destinationPorts"; readonly values: readonly number[] }
);

/** One source, one operation or one condition: all of its constraints have to hold. */
export interface Term {
  readonly path: string;
  readonly constraints: readonly Constraint[];
  /** Names of attributes that only HTTP proxies can judge. */
  readonly httpAttributes: readonly string[];
}

/** A rule of an AuthorizationPolicy as a node proxy can judge it: one of each list that is not empty, all of `when`. */
export interface Rule {
  readonly to: readonly Term[];
  readonly from: readonly Term[];
  readonly when: readonly Term[];
}

/** The HTTP attributes of all terms. */
export function httpAttributesOf(rule: Rule): readonly string[] {
  return [...rule.to, ...rule.from, ...rule.when].flatMap((term) => term.httpAttributes);
}
