// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { ConfigReader } from "@ambientmesh/core";
import { DEFAULT_SELECTORS, type EligibilityRules } from "../eligibility/eligibility.ts";
import { KUBECONFIG_NAME, PLUGIN_NAME } from "../installer/names.ts";
import type { AgentConfig, InstallSettings } from "./agent-config.ts";

type Surroundings = Pick<AgentConfig, "agentNamespace" | "runDirectory"> & { readonly eligibility: EligibilityRules };

/** How the plugin is installed; all settings but the first and the third are Istio's. */
export function readInstallSettings(reader: ConfigReader, surroundings: Surroundings): InstallSettings | undefined {
  const text = (name: string, fallback: string, description: string): string =>
    reader.string({ name, default: fallback, description }) || fallback;
  const isInstalling = reader.boolean({
    name: "INSTALL_CNI_PLUGIN",
    default: true,
    description: "Whether the agent installs the CNI plugin on its node; `false` if something else does.",
  });
  const configDirectory = text(
    "MOUNTED_CNI_NET_DIR",
    "/host/etc/cni/net.d",
    "Where the directory of the node's network configurations is seen.",
  );
  const binDirectory = text(
    "MOUNTED_CNI_BIN_DIR",
    "/host/opt/cni/bin",
    "Where the node's directory of plugins is seen.",
  );
  const nodeBinDirectory = text("CNI_BIN_DIR", "/opt/cni/bin", "The same directory as the node itself knows it.");
  const settings = { configDirectory, binDirectory, nodeBinDirectory, chain: readChain(reader, surroundings) };
  return isInstalling ? settings : undefined;
}

function readChain(reader: ConfigReader, surroundings: Surroundings): InstallSettings["chain"] {
  const isChained = reader.boolean({
    name: "CHAINED_CNI_PLUGIN",
    default: true,
    description:
      "Whether the plugin is added to the node's own network configuration; `false` writes one of its own, to be called by name.",
  });
  const isOwned = reader.boolean({
    name: "ISTIO_OWNED_CNI_CONFIG",
    default: false,
    description:
      "Whether the node's configuration is copied into a file of the agent's own, which comes first and is there again right after a reboot.",
  });
  const configName = reader.string({
    name: "CNI_CONF_NAME",
    default: undefined,
    description: "Name of the node's network configuration; by default the first valid one.",
  });
  const ownedName = reader.string({
    name: "ISTIO_OWNED_CNI_CONF_FILENAME",
    default: "02-istio-cni.conflist",
    description: "Name of the agent's own network configuration.",
  });
  if (!/^[\w-][\w.-]*\.conflist$/.test(ownedName)) {
    reader.problem(`ISTIO_OWNED_CNI_CONF_FILENAME="${ownedName}" is no name of a .conflist`);
  }
  if (configName !== undefined && /[/]|^\.\.?$/.test(configName)) {
    reader.problem(`CNI_CONF_NAME="${configName}" is no name of a file`);
  }
  const { agentNamespace, eligibility, runDirectory } = surroundings;
  return {
    mode: !isChained ? "standalone" : isOwned ? "owned" : "chained",
    configName: configName === "" ? undefined : configName,
    ownedName,
    plugin: {
      type: PLUGIN_NAME,
      cni_agent_run_dir: runDirectory,
      ambient_enabled: true,
      exclude_namespaces: eligibility.excludedNamespaces,
      pod_namespace: agentNamespace,
      ...(eligibility.selectors !== DEFAULT_SELECTORS && { enablement_selectors: eligibility.selectors }),
      kubernetes: { kubeconfig: join(runDirectory, KUBECONFIG_NAME) },
    },
  };
}
