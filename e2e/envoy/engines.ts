// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseBootstrap, startWaypoint } from "@ambientmesh/waypoint";

/** A proxy under test. */
export interface Engine extends AsyncDisposable {
  readonly name: string;
  /** Port of a listener. */
  readonly port: (listener: string) => number;
  /** Lines of the access log so far. */
  readonly log: readonly string[];
}

/** Ours, in this process. */
export async function startOurs(bootstrap: object): Promise<Engine> {
  const log: string[] = [];
  const parsed = parseBootstrap(JSON.stringify(bootstrap), "bootstrap");
  const waypoint = await startWaypoint(parsed, { accessLog: (line) => log.push(line) }, { drainMs: 100 });
  return {
    name: "ours",
    log,
    port: (listener) => waypoint.address(listener)?.port ?? 0,
    [Symbol.asyncDispose]: () => waypoint[Symbol.asyncDispose](),
  };
}

/** The real one, as a process. */
export async function startEnvoy(program: string, bootstrap: object): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), "e2e-envoy-"));
  const config = join(folder, "bootstrap.json");
  const adminFile = join(folder, "admin");
  const admin = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };
  writeFileSync(config, JSON.stringify({ ...bootstrap, admin }));
  const log: string[] = [];
  const errors: string[] = [];
  const child = spawn(
    program,
    [
      "-c",
      config,
      "--admin-address-path",
      adminFile,
      "--use-dynamic-base-id",
      "--concurrency",
      "1",
      "-l",
      "error",
      "--file-flush-interval-msec",
      "20",
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  createInterface({ input: child.stdout }).on("line", (line) => log.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const exited = once(child, "exit");
  const dispose = async (): Promise<void> => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const ports = await readPorts(adminFile, () => child.exitCode === null);
    return { name: "envoy", log, port: (listener) => ports.get(listener) ?? 0, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw new Error(`Envoy does not start: ${errors.join("\n")}`, { cause: error });
  }
}

interface ListenerStatus {
  readonly name: string;
  readonly local_address: { readonly socket_address: { readonly port_value: number } };
}

async function readPorts(adminFile: string, isAlive: () => boolean): Promise<Map<string, number>> {
  for (let round = 0; round < 600 && isAlive(); round++) {
    const listeners = await askPorts(adminFile).catch(() => []);
    if (listeners.length > 0) {
      return new Map(listeners.map(({ name, local_address: { socket_address } }) => [name, socket_address.port_value]));
    }
    await sleep(50);
  }
  throw new Error("no admin port");
}

async function askPorts(adminFile: string): Promise<readonly ListenerStatus[]> {
  const address = readFileSync(adminFile, "utf8").trim();
  const ready = await fetch(`http://${address}/ready`);
  if (!ready.ok) return [];
  const answer = await fetch(`http://${address}/listeners?format=json`);
  const { listener_statuses: statuses = [] } = (await answer.json()) as { listener_statuses?: ListenerStatus[] };
  return statuses;
}
