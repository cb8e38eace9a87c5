// SPDX-License-Identifier: Apache-2.0
import type { LeaderTask } from "@ambientmesh/kube";
import type { IstiodConfig } from "../config/config.ts";
import { CaBundleWriter } from "../webhook/ca-bundle-writer.ts";
import { AddressAllocator } from "./address-allocator.ts";
import { ConditionWriter, STATUS_KINDS, type ConditionWriterDeps } from "./condition-writer.ts";
import { RootConfigMapWriter, type RootConfigMapWriterDeps } from "./root-config-map-writer.ts";

export type LeaderTaskDeps = ConditionWriterDeps & Pick<RootConfigMapWriterDeps, "keeper">;

/** Everything that one replica at a time writes to the API, until it is told to stop. */
export function leaderTask(
  deps: LeaderTaskDeps,
  config: Pick<IstiodConfig, "certificates" | "givenAddresses" | "isStatusWritten" | "namespace" | "webhookAddress">,
): LeaderTask {
  const { certificates, givenAddresses, isStatusWritten, namespace, webhookAddress } = config;
  const { namespaces, serviceEntries } = deps.model.sources;
  const kinds = isStatusWritten ? STATUS_KINDS : [];
  const writers = [
    new RootConfigMapWriter({ ...deps, namespaces }, certificates.rootConfigMap),
    ...kinds.map((kind) => new ConditionWriter(deps, kind)),
    ...(webhookAddress ? [new CaBundleWriter(deps, namespace)] : []),
    ...(givenAddresses ? [new AddressAllocator({ ...deps, entries: serviceEntries }, givenAddresses)] : []),
  ];
  return async (signal) => {
    await Promise.all(writers.map((writer) => writer.run(signal)));
  };
}
