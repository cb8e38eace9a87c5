// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Namespace, Pod } from "@ambientmesh/api/kubernetes";
import type { Change, Metrics } from "@ambientmesh/core";
import type { Store } from "@ambientmesh/kube";
import type { PodDirectory } from "../pods/pod-directory.ts";
import { uidOf } from "../pods/pod-facts.ts";

export interface PodWatchDeps {
  readonly pods: Store<Pod>;
  readonly namespaces: Store<Namespace>;
  readonly directory: PodDirectory;
  /** Has a pod looked at, by its uid. */
  readonly onChanged: (uid: string) => void;
  readonly metrics: Metrics;
}

/** Has pods looked at whenever they, or the labels of their namespace, change. Those that are there already come first. */
export function watchPods({ pods, namespaces, directory, onChanged, metrics }: PodWatchDeps): Disposable {
  const events = metrics.counter<"type">({
    name: "nodeagent_reconcile_events_total",
    help: "The total number of node agent reconcile events.",
    labels: ["type"],
  });
  const count = ({ before, after }: Change<unknown>): void => {
    const type = before === undefined ? "add" : after === undefined ? "delete" : "update";
    events.with({ type }).add();
  };
  const watch = new DisposableStack();
  watch.use(
    pods.subscribe((changes) => {
      for (const change of changes) {
        count(change);
        if (change.before) onChanged(uidOf(change.before));
        if (change.after) onChanged(uidOf(change.after));
      }
    }),
  );
  watch.use(
    namespaces.subscribe((changes) => {
      for (const change of changes) {
        count(change);
        const { key, before, after } = change;
        if (isDeepStrictEqual(before?.metadata.labels, after?.metadata.labels)) continue;
        for (const pod of directory.inNamespace(key)) onChanged(uidOf(pod));
      }
    }),
  );
  return watch;
}
