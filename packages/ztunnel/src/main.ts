#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { isMeshError, messageOf } from "@ambientmesh/core";
import { LogLevels, createLogOutput, createLogger, type LogOutput } from "@ambientmesh/telemetry";
import { dumpConfig } from "./admin/dump-config.ts";
import { startZtunnel } from "./app.ts";
import { parseConfig } from "./config/config.ts";
import type { ZtunnelConfig } from "./config/model.ts";
import { selfCheck } from "./self-check.ts";
import { VERSION } from "./version.ts";

const HELP = `usage: ztunnel [proxy]    run the node proxy; settings come from the environment
       ztunnel version    print the version
       ztunnel help       print this
`;

async function run(config: ZtunnelConfig, output: LogOutput): Promise<void> {
  const levels = new LogLevels(config.logFilter, { program: "ztunnel" });
  const logger = createLogger({ output, levels }, { scope: "ztunnel" });
  const die = (error: unknown): never => {
    logger.error("ztunnel ends because of an unexpected error", { error });
    process.exit(1);
  };
  process.on("uncaughtException", die);
  logger.info("ztunnel starts", {
    version: VERSION,
    node: process.versions.node,
    config: dumpConfig(config, new Set()),
  });
  for (const warning of config.warnings) logger.warn(warning);
  selfCheck(logger, config);
  const signalled = Promise.withResolvers<string>();
  process.once("SIGTERM", signalled.resolve);
  process.once("SIGINT", (signal) => {
    signalled.resolve(signal);
    process.once("SIGINT", () => process.exit(0));
  });
  await using ztunnel = await startZtunnel(config, { output, levels, onFatal: die });
  const reason = await Promise.race([signalled.promise, ztunnel.stopRequested.then(() => "the admin port")]);
  logger.info("ztunnel stops", { reason, deadlineMs: config.terminationDeadlineMs });
}

async function main([command = "proxy", ...rest]: readonly string[]): Promise<number> {
  if (command === "version") process.stdout.write(`ztunnel ${VERSION} (Node.js ${process.versions.node})\n`);
  else if (command !== "proxy") process.stdout.write(HELP);
  if (command !== "proxy") return command === "version" || command === "help" ? 0 : 1;
  const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, "utf8") : undefined);
  const config = parseConfig({ env: process.env, files: { exists: existsSync, read }, args: [command, ...rest] });
  await using output = createLogOutput({}, { fd: 1, format: config.logFormat });
  await run(config, output);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      isMeshError(error, "CONFIG_INVALID") ? `${error.message}\n` : `ztunnel: ${messageOf(error)}\n`,
    );
    process.exit(1);
  },
);
