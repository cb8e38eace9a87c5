#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from "node:os";
import { isMeshError, messageOf, systemClock } from "@ambientmesh/core";
import { connectKube, kubeTargetOf } from "@ambientmesh/kube";
import {
  createLogOutput,
  createLogger,
  createMetrics,
  exposeProcessMetrics,
  type LogOutput,
} from "@ambientmesh/telemetry";
import { Istiod } from "./app.ts";
import { parseConfig, type IstiodConfig } from "./config/config.ts";
import { readIfThere } from "./config/read-if-there.ts";
import { errors } from "./errors.ts";
import { readVersion } from "./version.ts";

async function serve(config: IstiodConfig, output: LogOutput): Promise<void> {
  const logger = createLogger({ output, levels: config.logLevels }, { scope: "istiod" });
  const die = (error: unknown): never => {
    logger.error("istiod ends because of an unexpected error", { error });
    process.exit(1);
  };
  process.on("uncaughtException", die);
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  process.once("SIGINT", () => {
    stop.abort();
    process.once("SIGINT", () => process.exit(130));
  });
  const target = kubeTargetOf(process.env, config.kubeconfig);
  if (!target)
    throw errors.create("ISTIOD_NO_API_SERVER", "no API server is configured: give --kubeconfig or set KUBECONFIG");
  logger.info("istiod starts", { version: readVersion(), node: process.versions.node });
  const metrics = createMetrics();
  using _processMetrics = exposeProcessMetrics(metrics);
  using client = await connectKube(target, {}, { userAgent: `istiod/${readVersion()}` });
  await using istiod = new Istiod({ clock: systemClock, logger, metrics, client, onCrash: die }, config);
  const stopped = new Promise((resolve) => stop.signal.addEventListener("abort", resolve, { once: true }));
  await istiod.start(stop.signal);
  await stopped;
  logger.info("istiod stops", { deadlineMs: config.shutdownMs });
}

async function main(argv: readonly string[]): Promise<void> {
  const command = parseConfig({ argv, env: process.env, cpus: availableParallelism(), readFile: readIfThere });
  if (command.kind === "help") process.stdout.write(command.text);
  if (command.kind === "version") process.stdout.write(`istiod ${readVersion()} (Node.js ${process.versions.node})\n`);
  if (command.kind !== "discovery") return;
  await using output = createLogOutput({}, { fd: 1, format: command.config.isLogJson ? "json" : "plain" });
  await serve(command.config, output);
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    // Asked to stop before it was ready: that is no failure.
    if (isMeshError(error, "ABORTED")) process.exit(0);
    process.stderr.write(`${isMeshError(error, "CONFIG_INVALID") ? "" : "istiod: "}${messageOf(error)}\n`);
    process.exit(1);
  },
);
