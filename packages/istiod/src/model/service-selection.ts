// SPDX-License-Identifier: Apache-2.0
import type { Collection } from "../collections/collection.ts";
import type { CollectionIndex } from "../collections/collection-index.ts";
import type { Fetch } from "../collections/derived-collection.ts";
import { selects, type LabelSet } from "./labels.ts";
import type { ServiceView } from "./service-view.ts";

/** Services by the workloads that they select. */
export interface ServiceSelection {
  readonly index: CollectionIndex<ServiceView>;
  /** Services of the namespace that select these labels. */
  selecting(namespace: string, labels: LabelSet, fetch: Fetch): ServiceView[];
}

export function selectServices(views: Collection<ServiceView>): ServiceSelection {
  const index = views.index("selector", selectorKeys);
  return {
    index,
    selecting: (namespace, labels, fetch) =>
      Object.entries(labels).flatMap(([key, value]) =>
        fetch.many(index, selectorKey(namespace, key, value), ({ selector }) => selects(selector, labels)),
      ),
  };
}

/**
 * One of the labels a service asks for: a workload that has it is compared with the whole selector. So it looks at the
 * services of its own labels, however many others there are.
 */
function selectorKeys({ namespace, selector }: ServiceView): string[] {
  const [first] = Object.entries(selector);
  return first ? [selectorKey(namespace, ...first)] : [];
}

function selectorKey(namespace: string, label: string, value: string): string {
  return `${namespace}/${label}=${value}`;
}
