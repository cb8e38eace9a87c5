// SPDX-License-Identifier: Apache-2.0
import { watch } from "node:fs";
import { messageOf, type Clock, type Logger, type Metrics } from "@ambientmesh/core";
import type { AgentConfig, InstallSettings } from "../config/agent-config.ts";
import { PeriodicWork } from "../periodic-work.ts";
import { Installer } from "./installer.ts";
import { collectRuntime } from "./plugin-files.ts";

export interface PluginInstallation extends AsyncDisposable {
  /** Resolves when the runtime calls the plugin for the first time. */
  readonly whenInstalled: Promise<void>;
  /** Ends, and takes the plugin away. @throws MeshError CNI_INSTALL_FAILED */
  uninstall(): Promise<void>;
}

export interface InstallationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Installs the plugin and keeps it installed: looks again at each interval, and when something in the configuration
 * directory changes. Ending leaves it in place, so that no pod of the mesh starts without an agent.
 * @throws MeshError CNI_PLUGIN_NOT_BUILT, LINUX_*
 */
export async function startInstallation(
  deps: InstallationDeps,
  config: AgentConfig,
  install: InstallSettings,
): Promise<PluginInstallation> {
  const { logger } = deps;
  const runtime = await collectRuntime();
  const installer = new Installer(deps, {
    ...install,
    runDirectory: config.runDirectory,
    apiServer: config.apiServer,
    runtime,
    architecture: process.arch,
  });
  const installed = Promise.withResolvers<void>();
  let said = "";
  const say = (text: string): void => {
    if (text !== said) logger.warn("the CNI plugin is not installed yet", { reason: text });
    said = text;
  };
  const work = new PeriodicWork(deps, {
    name: "install the plugin",
    intervalMs: config.proofIntervalMs,
    work: async () => {
      try {
        const state = await installer.install();
        if (state.kind === "waiting") return say(state.reason);
        said = "";
        installed.resolve();
      } catch (error) {
        say(messageOf(error));
      }
    },
  });
  const stack = new AsyncDisposableStack();
  stack.use(work);
  stack.use(watchDirectory(install.configDirectory, () => work.wakeUp(), logger));
  work.start();
  const end = (): Promise<void> => stack.disposeAsync();
  return {
    whenInstalled: installed.promise,
    uninstall: async () => {
      await end();
      await installer.uninstall();
    },
    [Symbol.asyncDispose]: end,
  };
}

/** Only makes repairs quicker: what can't be watched is looked at again anyway. */
function watchDirectory(path: string, onChange: () => void, logger: Logger): Disposable {
  try {
    const watcher = watch(path, { persistent: false }, onChange);
    watcher.on("error", (error) => logger.debug("a directory can't be watched", { path, error: error.message }));
    return { [Symbol.dispose]: () => watcher.close() };
  } catch (error) {
    logger.debug("a directory can't be watched", { path, error: messageOf(error) });
    return { [Symbol.dispose]: () => {} };
  }
}
