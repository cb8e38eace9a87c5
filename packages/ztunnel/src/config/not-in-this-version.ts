// SPDX-License-Identifier: Apache-2.0
import type { ConfigReader } from "@ambientmesh/core";

/** What Istio's ztunnel can do and this version can't: asking for it is an error, never ignored. */
export function refuseUnsupported(reader: ConfigReader): void {
  const refuse = (name: string, text: string, isAsked: boolean): void => {
    if (isAsked) reader.problem(`${name} asks for ${text}, which this version can't do`);
  };
  const flags = [
    ["FAKE_CA", "a CA for tests", "Certificates without a CA, for tests; not in this version."],
    ["UNSTABLE_ENABLE_SOCKS5", "the SOCKS5 listener", "SOCKS5 on port 15080; not in this version."],
  ] as const;
  for (const [name, text, description] of flags)
    refuse(name, text, reader.boolean({ name, default: false, description }));
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
