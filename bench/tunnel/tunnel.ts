// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { join } from "node:path";
import { startLocalMesh, type LocalMesh, type LocalPod } from "@ambientmesh/cli";
import type { BenchOptions } from "../main.ts";
import { cpuSeconds, residentMegabytes } from "./cpu.ts";

/** A load and the unit its cost is given for. */
interface Load {
  readonly kind: "bulk" | "requests" | "connections";
  readonly title: string;
  readonly connections: number;
  readonly unit: string;
  /** How many of the load's units make one of `unit`. */
  readonly perUnit: number;
}

const LOADS: readonly Load[] = [
  { kind: "bulk", title: "bulk, 1 stream", connections: 1, unit: "GB", perUnit: 1e9 },
  { kind: "bulk", title: "bulk, 8 streams", connections: 8, unit: "GB", perUnit: 1e9 },
  { kind: "requests", title: "1 KiB requests, 32 connections", connections: 32, unit: "10k requests", perUnit: 1e4 },
  { kind: "connections", title: "new connections, 16 at once", connections: 16, unit: "10k connections", perUnit: 1e4 },
];

/** One run of one load along one path. */
interface Sample {
  /** CPU seconds per unit of client and server program together. */
  readonly ends: number;
  /** CPU seconds per unit of both ztunnels together; 0 on the direct path. */
  readonly proxies: number;
  readonly unitsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

interface Side {
  readonly namespace: "direct" | "meshed";
  readonly server: LocalPod;
  readonly proxies: readonly number[];
}

/** Client pod → ztunnel → HBONE → ztunnel → server pod on another node, beside the same pods without the mesh. */
export async function tunnelBench({ isQuick, isJson }: BenchOptions): Promise<void> {
  const [rounds, seconds] = isQuick ? [2, 2] : [6, 4];
  await using mesh = await startLocalMesh({
    name: "bench",
    folder: join(import.meta.dirname, "mesh"),
    env: process.env,
    onProgress: (text) => console.error(text),
  });
  const sides = [await sideOf(mesh, "direct"), await sideOf(mesh, "meshed")] as const;
  const results = [];
  for (const load of LOADS) {
    const samples: Record<Side["namespace"], Sample[]> = { direct: [], meshed: [] };
    for (let round = 0; round < rounds; round++) {
      // The order turns each round, so that drift of the machine falls on both.
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        console.error(`${load.title}: round ${round + 1} of ${rounds}, ${side.namespace}`);
        samples[side.namespace].push(await measure(mesh, side, load, seconds));
      }
    }
    results.push({ load: load.title, unit: load.unit, direct: median(samples.direct), meshed: median(samples.meshed) });
  }
  const memory = sides[1].proxies.map((pid) => Math.round(residentMegabytes(pid)));
  console.log(isJson ? JSON.stringify({ results, ztunnelResidentMB: memory }) : table(results, memory));
}

async function sideOf(mesh: LocalMesh, namespace: Side["namespace"]): Promise<Side> {
  const [server] = await mesh.pods(namespace, { app: "server" });
  if (server === undefined) throw new Error(`no server in ${namespace}`);
  const ztunnels = namespace === "meshed" ? await mesh.pods("istio-system", { app: "ztunnel" }) : [];
  return { namespace, server, proxies: ztunnels.flatMap(({ pids }) => pids) };
}

async function measure(mesh: LocalMesh, side: Side, load: Load, seconds: number): Promise<Sample> {
  const client = mesh.spawn({ kind: "pod", namespace: side.namespace, name: "client" }, [
    "sh",
    "-c",
    // The shell stays, and with it the CPU time of its finished child.
    `node "$1" client "$2" "$3" "$4" "$5"; cat /proc/self/stat /proc/$$/stat >&2`,
    "load",
    join(import.meta.dirname, "load.mjs"),
    `${side.server.ip}:8080`,
    load.kind,
    String(seconds),
    String(load.connections),
  ]);
  let output = "";
  let accounting = "";
  client.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  client.stderr?.on("data", (chunk: Buffer) => (accounting += chunk.toString()));
  const before = usage(side);
  const [code] = (await once(client, "close")) as [number];
  const after = usage(side);
  if (code !== 0 || output === "") throw new Error(`the load ended with ${code}: ${accounting}`);
  const told = JSON.parse(output) as { units: number; seconds: number; p50Ms: number | null; p99Ms: number | null };
  const units = told.units / load.perUnit;
  return {
    ends: (after.server - before.server + childCpuSeconds(accounting)) / units,
    proxies: (after.proxies - before.proxies) / units,
    unitsPerSecond: units / told.seconds,
    p50Ms: told.p50Ms,
    p99Ms: told.p99Ms,
  };
}

function usage({ server, proxies }: Side): { server: number; proxies: number } {
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  return { server: sum(server.pids), proxies: sum(proxies) };
}

/** CPU seconds of the shell's finished children, from the last line of its /proc/PID/stat. */
function childCpuSeconds(accounting: string): number {
  const stat = accounting.trimEnd().split("\n").at(-1) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Each figure's median over the rounds. */
function median(samples: readonly Sample[]): Sample {
  const middle = (pick: (sample: Sample) => number | null): number => {
    const sorted = samples.map((sample) => pick(sample) ?? Number.NaN).toSorted((a, b) => a - b);
    const at = Math.floor(sorted.length / 2);
    return sorted.length % 2 === 1 ? (sorted[at] as number) : ((sorted[at - 1] as number) + (sorted[at] as number)) / 2;
  };
  return {
    ends: middle(({ ends }) => ends),
    proxies: middle(({ proxies }) => proxies),
    unitsPerSecond: middle(({ unitsPerSecond }) => unitsPerSecond),
    p50Ms: middle(({ p50Ms }) => p50Ms),
    p99Ms: middle(({ p99Ms }) => p99Ms),
  };
}

interface Result {
  readonly load: string;
  readonly unit: string;
  readonly direct: Sample;
  readonly meshed: Sample;
}

function table(results: readonly Result[], memory: readonly number[]): string {
  const number = (value: number | null): string => (value === null || Number.isNaN(value) ? "–" : value.toPrecision(3));
  const rows = results.map(({ load, unit, direct, meshed }) =>
    [
      load,
      unit,
      number(direct.ends),
      number(meshed.ends),
      number(meshed.proxies),
      `${number((meshed.ends + meshed.proxies) / direct.ends)}x`,
      `${number(direct.unitsPerSecond)} / ${number(meshed.unitsPerSecond)}`,
      `${number(direct.p50Ms)} / ${number(meshed.p50Ms)}`,
      `${number(direct.p99Ms)} / ${number(meshed.p99Ms)}`,
    ].join(" | "),
  );
  return [
    "| load | unit | direct: CPU s/unit, client+server | tunnel: client+server | tunnel: both ztunnels | all, tunnel / direct | units/s direct / tunnel | p50 ms | p99 ms |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
    "",
    `Resident memory of the two ztunnels after the run: ${memory.join(" and ")} MB. Node ${process.versions.node}.`,
  ].join("\n");
}
