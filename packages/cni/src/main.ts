#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { isMeshError, messageOf } from "@ambientmesh/core";
import { connectKube } from "@ambientmesh/kube";
import { createLogOutput, createLogger, type LogOutput } from "@ambientmesh/telemetry";
import { startAgent } from "./app.ts";
import { parseConfig } from "./config.ts";
import type { AgentConfig } from "./config/agent-config.ts";
import { isBeingUninstalled } from "./installer/uninstall-decision.ts";
import { selfCheck } from "./self-check.ts";
import { VERSION } from "./version.ts";

const HELP = `usage: install-cni            run the node agent; settings come from the environment
       install-cni version    print the version
       install-cni help       print this
`;

async function run(config: AgentConfig, output: LogOutput): Promise<void> {
  const logger = createLogger({ output }, { scope: "cni" });
  process.on("uncaughtException", (error) => {
    logger.error("the agent ends because of an unexpected error", { error });
    process.exit(1);
  });
  const stop = new AbortController();
  const stopped = once(stop.signal, "abort");
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort(name));
  logger.info("the CNI agent starts", { version: VERSION, node: process.versions.node, config });
  for (const warning of config.warnings) logger.warn(warning);
  await selfCheck(logger, config.procDirectory);
  using client = await connectKube(config.apiServer, {}, { userAgent: `istio-cni-node/${VERSION}` });
  try {
    await using agent = await startAgent(config, { output, client }, stop.signal);
    await stopped;
    const ownPod = { namespace: config.agentNamespace, name: config.podName };
    if (config.install && (await isBeingUninstalled(client, ownPod, logger))) await agent.uninstall();
  } catch (error) {
    // Asked to stop while it was still starting.
    if (!isMeshError(error, "ABORTED") || !stop.signal.aborted) throw error;
  }
  logger.info("the CNI agent stops, pods stay as they are", { reason: String(stop.signal.reason) });
}

async function main([command = "run"]: readonly string[]): Promise<number> {
  if (command === "version") process.stdout.write(`install-cni ${VERSION} (Node.js ${process.versions.node})\n`);
  else if (command !== "run") process.stdout.write(HELP);
  if (command !== "run") return command === "version" || command === "help" ? 0 : 1;
  const config = parseConfig(process.env);
  await using output = createLogOutput({}, { fd: 1, format: config.logFormat });
  await run(config, output);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const prefix = isMeshError(error, "CONFIG_INVALID") ? "" : "install-cni: ";
    process.stderr.write(`${prefix}${messageOf(error)}\n`);
    process.exit(1);
  },
);
