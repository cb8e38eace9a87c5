#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Starts ambientctl: built, or from sources in a checkout. Runs on every Node.js from 20 on, so it uses built-in modules only.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { constants } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";

const PACKAGE = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const SOURCE = join(PACKAGE, "src", "main.ts");
const BUILT = join(PACKAGE, "dist", "main.js");
/** What package.json asks for. */
const OLDEST = [24, 0];

function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** The Node.js that the checkout brings along, found in the nearest node_modules. */
function ownNode() {
  for (let folder = PACKAGE; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, "node_modules", ".bin", "node");
    if (existsSync(path)) return path;
  }
  return undefined;
}

/** A checkout is told by its sources' configuration, which is not published; what was built there may be old. */
const isCheckout = existsSync(join(PACKAGE, "tsconfig.json")) && existsSync(SOURCE);

/** Stays the parent, passes signals on and ends as the child ended. */
function runWith(node, argv) {
  const child = spawn(node, argv, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`error: can't run ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

const node = isNewEnough() && !isCheckout ? undefined : ownNode();
const flags = isCheckout ? ["--conditions=@ambientmesh/source"] : [];
const script = isCheckout ? SOURCE : BUILT;
if (node !== undefined) runWith(node, [...flags, script, ...process.argv.slice(2)]);
else if (!isNewEnough()) {
  process.stderr.write(
    `error: ambientctl needs Node.js ${OLDEST.join(".")} or newer, this is ${process.versions.node}; in a checkout run "npm ci" first\n`,
  );
  process.exitCode = 1;
} else if (isCheckout) runWith(process.execPath, [...flags, script, ...process.argv.slice(2)]);
else if (existsSync(BUILT)) {
  process.argv[1] = BUILT;
  await import(pathToFileURL(BUILT).href);
} else {
  process.stderr.write(`error: ${BUILT} is missing; install @ambientmesh/cli again\n`);
  process.exitCode = 1;
}
