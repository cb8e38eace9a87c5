// SPDX-License-Identifier: Apache-2.0
import { mkdir, open, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, type Clock, type GaugeSeries, type Logger, type Metrics } from "@ambientmesh/core";
import type { KubeTarget } from "@ambientmesh/kube";
import { cniErrors } from "../errors.ts";
import { kubeconfigFor } from "./kubeconfig-text.ts";
import { KUBECONFIG_NAME, PLUGIN_NAME } from "./names.ts";
import { launcher } from "./launcher.ts";
import { isConfigName, planChain, planUnchain, type ChainOptions, type ChainPlan } from "./network-config.ts";
import {
  ENTRY_TARGET,
  LIBRARIES_TARGET,
  LOADER_TARGET,
  NODE_TARGET,
  isRuntimeThere,
  writeRuntime,
  type PluginRuntime,
} from "./plugin-files.ts";

export interface InstallerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface InstallerOptions {
  /** The configuration directory, as this process sees it. */
  readonly configDirectory: string;
  /** The directory of plugins, as this process sees it, and as the node does. */
  readonly binDirectory: string;
  readonly nodeBinDirectory: string;
  /** Holds the plugin's kubeconfig; the same for both. */
  readonly runDirectory: string;
  readonly apiServer: KubeTarget;
  readonly chain: ChainOptions;
  readonly runtime: PluginRuntime;
  /** `process.arch`. */
  readonly architecture: string;
}

/** What became of an installation. */
export type InstallState = { readonly kind: "installed" } | { readonly kind: "waiting"; readonly reason: string };

const RUNTIMES = `${PLUGIN_NAME}.d`;
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Puts the plugin on the node and has the container runtime call it: first the runtime, then the launcher, the
 * kubeconfig, and last the network configuration. Each file appears complete or not at all, and is left alone while it is
 * as it should be.
 */
export class Installer {
  readonly #deps: InstallerDeps;
  readonly #options: InstallerOptions;
  readonly #isInstalled: GaugeSeries;

  constructor(deps: InstallerDeps, options: InstallerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#isInstalled = deps.metrics
      .gauge({
        name: "istio_cni_installed",
        help: "1 if the CNI plugin is installed and called by the runtime, else 0.",
      })
      .with({});
    this.#isInstalled.set(0);
  }

  /** Brings the node to where it should be; to be repeated. @throws MeshError CNI_INSTALL_FAILED */
  async install(): Promise<InstallState> {
    this.#isInstalled.set(0);
    try {
      await this.#installPlugin();
      await this.#installKubeconfig();
      const plan = planChain(await this.#configFiles(), this.#options.chain);
      if (plan.kind === "wait") return { kind: "waiting", reason: plan.reason };
      await this.#carryOut(plan);
    } catch (error) {
      throw cniErrors.create("CNI_INSTALL_FAILED", `the CNI plugin can't be installed: ${messageOf(error)}`, {
        cause: error,
        retryable: true,
      });
    }
    this.#isInstalled.set(1);
    return { kind: "installed" };
  }

  /** Takes everything away again, in the other order. @throws MeshError CNI_INSTALL_FAILED */
  async uninstall(): Promise<void> {
    const { binDirectory, runDirectory, chain } = this.#options;
    this.#isInstalled.set(0);
    try {
      await this.#carryOut(planUnchain(await this.#configFiles(), chain));
      await rm(join(binDirectory, PLUGIN_NAME), { force: true });
      await rm(join(binDirectory, RUNTIMES), { recursive: true, force: true });
      await rm(join(runDirectory, KUBECONFIG_NAME), { force: true });
    } catch (error) {
      throw cniErrors.create("CNI_INSTALL_FAILED", `the CNI plugin can't be removed: ${messageOf(error)}`, {
        cause: error,
        retryable: true,
      });
    }
    this.#deps.logger.info("the CNI plugin was removed from the node");
  }

  async #installPlugin(): Promise<void> {
    const { binDirectory, nodeBinDirectory, runtime, architecture } = this.#options;
    const directory = join(binDirectory, RUNTIMES, runtime.version);
    if (!(await isRuntimeThere(runtime, directory))) {
      await mkdir(join(binDirectory, RUNTIMES), { recursive: true, mode: 0o755 });
      await writeRuntime(runtime, directory);
      this.#deps.logger.info("the CNI plugin's runtime was installed", { directory, files: runtime.files.length });
    }
    const place = join(nodeBinDirectory, RUNTIMES, runtime.version);
    const script = [join(place, NODE_TARGET), join(place, ENTRY_TARGET)] as const;
    const hasLoader = runtime.files.some(({ target }) => target === LOADER_TARGET);
    const command = hasLoader
      ? {
          program: join(place, LOADER_TARGET),
          args: ["--library-path", join(place, LIBRARIES_TARGET), ...script],
        }
      : { program: script[0], args: [script[1]] };
    if (await this.#write(join(binDirectory, PLUGIN_NAME), launcher(command, architecture), 0o755)) {
      await this.#removeOldRuntimes();
    }
  }

  /** But not the youngest of them: a call of the plugin may still be running there. */
  async #removeOldRuntimes(): Promise<void> {
    const { binDirectory, runtime } = this.#options;
    const parent = join(binDirectory, RUNTIMES);
    const others = (await readdir(parent)).filter((name) => name !== runtime.version);
    const dated = await Promise.all(
      others.map(async (name) => ({ name, atMs: (await stat(join(parent, name))).mtimeMs })),
    );
    const old = dated.toSorted((a, b) => b.atMs - a.atMs).slice(1);
    for (const { name } of old) await rm(join(parent, name), { recursive: true, force: true });
  }

  async #installKubeconfig(): Promise<void> {
    const { runDirectory, apiServer } = this.#options;
    await mkdir(runDirectory, { recursive: true, mode: 0o755 });
    const text = await kubeconfigFor(apiServer);
    await this.#write(join(runDirectory, KUBECONFIG_NAME), Buffer.from(text), 0o600);
  }

  async #configFiles(): Promise<ReadonlyMap<string, string>> {
    const { configDirectory } = this.#options;
    const files = new Map<string, string>();
    for (const entry of await readdir(configDirectory, { withFileTypes: true })) {
      const path = join(configDirectory, entry.name);
      if (!isConfigName(entry.name) || entry.isDirectory()) continue;
      if ((await stat(path)).size <= MAX_CONFIG_BYTES) files.set(entry.name, await readFile(path, "utf8"));
    }
    return files;
  }

  async #carryOut({ writes, removals }: ChainPlan & { readonly kind: "plan" }): Promise<void> {
    const { configDirectory } = this.#options;
    for (const [name, text] of writes) await this.#write(join(configDirectory, name), Buffer.from(text), 0o600);
    for (const name of removals) {
      await rm(join(configDirectory, name), { force: true });
      this.#deps.logger.info("a network configuration was removed", { name });
    }
  }

  /** False if the file is there already, with these contents and this mode. */
  async #write(path: string, contents: Buffer, mode: number): Promise<boolean> {
    if (await isFile(path, contents, mode)) return false;
    // Runtimes read no names that begin with a dot.
    const draft = join(path, "..", `.${PLUGIN_NAME}-draft-${process.pid}`);
    await rm(draft, { force: true });
    {
      await using file = await open(draft, "wx", mode);
      await file.writeFile(contents);
      await file.chmod(mode);
      await file.sync();
    }
    await rename(draft, path);
    this.#deps.logger.info("a file was installed on the node", { path });
    return true;
  }
}

async function isFile(path: string, contents: Buffer, mode: number): Promise<boolean> {
  try {
    const found = await stat(path);
    if ((found.mode & 0o777) !== mode || found.size !== contents.length) return false;
    return contents.equals(await readFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
