// SPDX-License-Identifier: Apache-2.0
import type { ConfigReader } from "@ambientmesh/core";

/** What Istio's ztunnel can do and this version can't: asking for it is an error, never ignored. */
export function refuseUnsupported(reader: ConfigReader): void {
  const refuse = (name: string, text: string, isAsked: boolean): void => {
    if (isAsked) reader.problem(`${name} asks for ${text}, which this version can't do`);
  };
  const mode = reader.oneOf({
    name: "PROXY_MODE",
    default: "shared",
    values: ["shared", "dedicated"],
    description: "`shared` serves all pods of a node; `dedicated` (one workload) is not in this version.",
  });
  refuse("PROXY_MODE", "dedicated mode", mode === "dedicated");
  const flags = [
    ["XDS_ON_DEMAND", "on-demand discovery", "Fetch workloads only when they are called; not in this version."],
    ["FAKE_CA", "a CA for tests", "Certificates without a CA, for tests; not in this version."],
    ["UNSTABLE_ENABLE_SOCKS5", "the SOCKS5 listener", "SOCKS5 on port 15080; not in this version."],
  ] as const;
  for (const [name, text, description] of flags)
    refuse(name, text, reader.boolean({ name, default: false, description }));
  const texts = [
    ["LOCAL_XDS_PATH", "a local configuration", "Workloads, services and policies from a file; not in this version."],
    ["LOCAL_XDS", "a local configuration", "The same as text; not in this version."],
    ["PROXY_WORKLOAD_INFO", "dedicated mode", "The workload of dedicated mode; not in this version."],
  ] as const;
  for (const [name, text, description] of texts) {
    refuse(name, text, (reader.string({ name, default: undefined, description }) ?? "") !== "");
  }
  const isProxying = reader.boolean({
    name: "ENABLE_PROXY",
    default: true,
    description: "Run the proxies; must be true, since this version has nothing else to run.",
  });
  if (!isProxying) reader.problem("ENABLE_PROXY=false leaves nothing to run");
}

/** What differs from Istio's ztunnel but harms nobody by itself: said at start. */
export function warningsOf(reader: ConfigReader, concurrency: number | undefined): readonly string[] {
  const warnings: string[] = [];
  const threads = readWorkerThreads(reader);
  if ((threads ?? concurrency ?? 1) !== 1)
    warnings.push("worker threads are not part of this version: one event loop serves all pods");
  return warnings;
}

function readWorkerThreads(reader: ConfigReader): number | undefined {
  const text = reader.string({
    name: "ZTUNNEL_WORKER_THREADS",
    default: undefined,
    description:
      "Threads that move bytes: a number, 0 for all cores, or a percentage of the cores. This version always uses one.",
  });
  for (const name of ["ZTUNNEL_CPU_LIMIT", "ZTUNNEL_RESOURCE_CPU_LIMIT", "ZTUNNEL_RESOURCE_CPU_REQUEST"]) {
    reader.string({
      name,
      default: undefined,
      description: "Cores that the default of ZTUNNEL_WORKER_THREADS is derived from; without effect in this version.",
    });
  }
  if (text === undefined || text === "") return undefined;
  const match = /^(\d{1,4})%?$/.exec(text);
  if (!match) reader.problem(`ZTUNNEL_WORKER_THREADS="${text}" is neither a number nor a percentage`);
  return match && !text.endsWith("%") ? Number(match[1]) : 0;
}
