#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { messageOf } from "@ambientmesh/core";
import { createLogger, createLogOutput, LogLevels } from "@ambientmesh/telemetry";
import { startWaypoint } from "./app.ts";
import { parseBootstrap } from "./config/bootstrap.ts";
import { readVersion } from "./version.ts";

const HELP = `usage: waypoint --bootstrap <file>    run the proxy with an Envoy v3 bootstrap (YAML or JSON)
       waypoint version               print the version
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

/** @throws MeshError or TypeError that says what is wrong with the command line, the file or its configuration */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { bootstrap: { type: "string", short: "c" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (positionals.join() === "version") {
    process.stdout.write(`waypoint ${readVersion()}\n`);
    return 0;
  }
  if (values.help || values.bootstrap === undefined || positionals.length > 0) {
    process.stdout.write(HELP);
    return values.help ? 0 : 2;
  }
  await run(values.bootstrap);
  return 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});
