// SPDX-License-Identifier: Apache-2.0
import { TaskGroup, type Clock, type Logger } from "@ambientmesh/core";
import { applyNftables, type NetnsRef } from "@ambientmesh/linux";
import type { ClusterState } from "../controllers/cluster-state.ts";
import { servicesRuleset } from "./ruleset.ts";
import { virtualPorts } from "./virtual-ports.ts";

export interface ServiceProxyDeps {
  readonly state: Pick<ClusterState, "services" | "endpointSlices">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The nodes' namespaces, by name. */
  readonly nodes: ReadonlyMap<string, NetnsRef>;
}

/** Changes that come together are applied together. */
const DEBOUNCE_MS = 20;
const RETRY_MS = 1000;

/** Keeps the rules for services in every node's namespace. They go with the namespaces. */
export async function startServiceProxy(deps: ServiceProxyDeps): Promise<AsyncDisposable> {
  const { state, clock, logger, nodes } = deps;
  const applied = new Map<string, string>();
  let isChanged = Promise.withResolvers<void>();

  async function update(signal: AbortSignal): Promise<void> {
    const ruleset = servicesRuleset(virtualPorts(state.services.values(), state.endpointSlices.values()));
    for (const [name, netns] of nodes) {
      if (applied.get(name) === ruleset) continue;
      await applyNftables(ruleset, { netns, signal });
      applied.set(name, ruleset);
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    while (!signal.aborted) {
      await Promise.race([isChanged.promise, aborted]);
      await clock.sleep(DEBOUNCE_MS, signal);
      isChanged = Promise.withResolvers();
      await update(signal).catch(async (error: unknown) => {
        if (signal.aborted) return;
        logger.error("the rules for services can't be applied", { error });
        await clock.sleep(RETRY_MS, signal);
        isChanged.resolve();
      });
    }
  }

  // The first time failures are the caller's: a kernel without the features fails here.
  await update(new AbortController().signal);
  const stack = new AsyncDisposableStack();
  const tasks = stack.use(
    new TaskGroup({ onCrash: (task, error) => logger.error("the service proxy stopped", { task, error }) }),
  );
  stack.use(state.services.subscribe(() => isChanged.resolve()));
  stack.use(state.endpointSlices.subscribe(() => isChanged.resolve()));
  tasks.run("follow", follow);
  return stack;
}
