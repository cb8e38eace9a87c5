#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { isMeshError, messageOf, systemClock } from "@ambientmesh/core";
import { createLogOutput, createLogger, createMetrics, exposeProcessMetrics } from "@ambientmesh/telemetry";
import { Istiod } from "./app.ts";
import { parseConfig, type IstiodConfig } from "./config/config.ts";
import { readIfThere } from "./config/read-if-there.ts";
import { openApiClient } from "./sources/api-client.ts";
import { readVersion } from "./version.ts";

async function serve(config: IstiodConfig): Promise<void> {
  await using output = createLogOutput({}, { fd: 1, format: config.isLogJson ? "json" : "plain" });
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
  logger.info("istiod starts", { version: readVersion(), node: process.versions.node });
  const metrics = createMetrics();
  using _processMetrics = exposeProcessMetrics(metrics);
  const userAgent = `istiod/${readVersion()}`;
  using client = await openApiClient(process.env, { kubeconfig: config.kubeconfig, userAgent });
  await using istiod = new Istiod({ clock: systemClock, logger, metrics, client, onCrash: die }, config);
  const stopped = once(stop.signal, "abort");
  await istiod.start(stop.signal);
  await stopped;
  logger.info("istiod stops", { deadlineMs: config.shutdownMs });
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === "translate") {
    const { runTranslate } = await import("./translate/run-translate.ts");
    await runTranslate(argv.slice(1));
    return;
  }
  const command = parseConfig({ argv, env: process.env, cpus: availableParallelism(), readFile: readIfThere });
  if (command.kind === "help") process.stdout.write(command.text);
  if (command.kind === "version") process.stdout.write(`istiod ${readVersion()} (Node.js ${process.versions.node})\n`);
  if (command.kind === "discovery") await serve(command.config);
}

main(process.argv.slice(2)).then(
  () => process.exit(process.exitCode ?? 0),
  (error: unknown) => {
    // Asked to stop before it was ready: that is no failure.
    if (isMeshError(error, "ABORTED")) process.exit(0);
    process.stderr.write(`${isMeshError(error, "CONFIG_INVALID") ? "" : "istiod: "}${messageOf(error)}\n`);
    process.exit(1);
  },
);
