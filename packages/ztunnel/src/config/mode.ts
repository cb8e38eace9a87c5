// SPDX-License-Identifier: Apache-2.0
import { messageOf, type ConfigReader } from "@ambientmesh/core";
import { NO_LOCAL_CONFIG, parseLocalConfig } from "../local/local-config.ts";
import type { ProxyMode, ZtunnelConfig } from "./model.ts";
import type { ConfigFiles } from "./sources.ts";

/** Whom to serve. */
export function readMode(reader: ConfigReader): ProxyMode {
  const mode = reader.oneOf({
    name: "PROXY_MODE",
    default: "shared",
    values: ["shared", "dedicated"],
    description: "`shared` serves all pods of a node; `dedicated` the one workload in whose network namespace it runs.",
  });
  const info = reader.string({
    name: "PROXY_WORKLOAD_INFO",
    default: undefined,
    description: "The workload of dedicated mode: `namespace/name/service-account`.",
  });
  if (mode === "shared") return { kind: "shared" };
  const [namespace = "", name = "", serviceAccount = "", ...more] = (info ?? "").split("/");
  if (namespace === "" || name === "" || serviceAccount === "" || more.length > 0) {
    reader.problem(
      `PROXY_WORKLOAD_INFO="${info ?? ""}" is not namespace/name/service-account, which PROXY_MODE=dedicated needs`,
    );
  }
  return { kind: "dedicated", workload: { namespace, name, serviceAccount } };
}

/** Whether there is more to run than the DNS proxy. */
export function readIsProxyEnabled(reader: ConfigReader, dnsProxy: ZtunnelConfig["dnsProxy"]): boolean {
  const isEnabled = reader.boolean({
    name: "ENABLE_PROXY",
    default: true,
    description: "Run the proxies; `false` leaves the DNS proxy alone.",
  });
  if (!isEnabled && !dnsProxy) reader.problem("ENABLE_PROXY=false and DNS capture off leave nothing to run");
  return isEnabled;
}

/** Whether addresses are fetched one by one. */
export function readIsOnDemand(reader: ConfigReader, dnsProxy: ZtunnelConfig["dnsProxy"]): boolean {
  const isOnDemand = reader.boolean({
    name: "XDS_ON_DEMAND",
    default: false,
    description:
      "Fetch workloads and services when they are called, not all of them at the start; not with the DNS proxy.",
  });
  // Names can't be looked up among what was never sent.
  if (isOnDemand && dnsProxy) reader.problem("XDS_ON_DEMAND=true needs ISTIO_META_DNS_CAPTURE=false");
  return isOnDemand;
}

/** What is known without a control plane. */
export function readLocalConfig(reader: ConfigReader, files: ConfigFiles): ZtunnelConfig["localConfig"] {
  const optional = (name: string, description: string): string | undefined =>
    reader.string({ name, default: undefined, description }) || undefined;
  const path = optional("LOCAL_XDS_PATH", "YAML file with workloads, services and policies, read once at the start.");
  const inline = optional("LOCAL_XDS", "The same as text; not both.");
  if (path !== undefined && inline !== undefined) reader.problem("LOCAL_XDS_PATH and LOCAL_XDS are both set");
  const text = path === undefined ? inline : files.read(path);
  if (text === undefined) {
    if (path !== undefined) reader.problem(`LOCAL_XDS_PATH="${path}" can't be read`);
    return NO_LOCAL_CONFIG;
  }
  try {
    return parseLocalConfig(text);
  } catch (error) {
    reader.problem(messageOf(error));
    return NO_LOCAL_CONFIG;
  }
}
