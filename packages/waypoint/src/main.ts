#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { messageOf } from "@ambientmesh/core";
import { createLogger, createLogOutput, LogLevels } from "@ambientmesh/telemetry";
import { startWaypoint } from "./app.ts";
import { parseBootstrap } from "./config/bootstrap.ts";

const HELP = `usage: waypoint --bootstrap <file>    run the proxy with an Envoy v3 bootstrap (YAML or JSON)
       waypoint --help                print this
`;

async function run(path: string): Promise<void> {
  const bootstrap = parseBootstrap(readFileSync(path, "utf8"), path);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  await using output = createLogOutput({}, { fd: 1, format: "plain" });
  const logger = createLogger(
    { output, levels: new LogLevels("info", { program: "waypoint" }) },
    { scope: "waypoint" },
  );
  const accessLog = (line: string): void => void process.stdout.write(`${line}\n`);
  await using _waypoint = await startWaypoint(bootstrap, { logger, accessLog }, { signal: stop.signal });
  logger.info("ready");
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  logger.info("draining");
}

const { values } = parseArgs({ options: { bootstrap: { type: "string", short: "c" }, help: { type: "boolean" } } });
if (values.help || values.bootstrap === undefined) {
  process.stdout.write(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  await run(values.bootstrap).catch((error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  });
}
