// SPDX-License-Identifier: Apache-2.0
// npm run soak -- [--minutes N] [--json]
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startLocalMesh, type LocalMesh } from "@ambientmesh/cli";
import { growthOf, sampleOf, type Growth, type Sample } from "./growth.ts";

/** Connections that do next to nothing, that are never silent, and that are made anew all the time. */
const CONNECTIONS = { idle: 200, busy: 4, newcomers: 4 };
const SAMPLE_SECONDS = 5;
const POLICY_SECONDS = 20;

interface Told {
  readonly open: number;
  readonly checked: number;
  readonly newcomers: number;
  readonly broken: readonly string[];
}

interface Watched {
  readonly name: string;
  readonly pid: number;
  readonly samples: Sample[];
}

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`error: --minutes ${values.minutes} is not a number of minutes`);
  process.exit(2);
}

await using mesh = await startLocalMesh({
  name: "soak",
  folder: join(import.meta.dirname, "mesh"),
  env: process.env,
  // Certificates rotate many times in a run.
  secretTtl: "60s",
  onProgress: (text) => console.error(text),
});
const watched = await watchedOf(mesh);
const broken: string[] = [];
let last: Told = { open: 0, checked: 0, newcomers: 0, broken: [] };
const load = startLoad(mesh, (told) => {
  last = told;
  broken.push(...told.broken);
});
await run(mesh, minutes);
load.kill();
const growth = watched.map(({ name, samples }) => ({ name, ...growthOf(samples) }));
const { checked, newcomers } = last;
console.log(values.json ? JSON.stringify({ minutes, checked, newcomers, broken, growth }) : report(growth));
if (broken.length > 0 || checked === 0) process.exitCode = 1;

async function watchedOf(local: LocalMesh): Promise<Watched[]> {
  const pods = await local.pods("istio-system");
  return pods.flatMap(({ name, pids }) => pids.map((pid) => ({ name, pid, samples: [] })));
}

function startLoad(local: LocalMesh, onTold: (told: Told) => void): ChildProcess {
  const { idle, busy, newcomers: visits } = CONNECTIONS;
  const counts = [idle, busy, visits].map(String);
  const program = ["node", join(import.meta.dirname, "load.mjs"), "client", "server.soak", "80", ...counts] as const;
  const client = local.spawn({ kind: "pod", namespace: "soak", name: "client" }, program);
  client.stderr?.on("data", (chunk: Buffer) => process.stderr.write(chunk));
  if (client.stdout) createInterface({ input: client.stdout }).on("line", (line) => onTold(JSON.parse(line) as Told));
  client.once("exit", (code) => code !== null && broken.push(`the load ended with ${code}`));
  return client;
}

/** Samples memory and descriptors, and changes a policy that allows everything, so that open connections are judged. */
async function run(local: LocalMesh, durationMinutes: number): Promise<void> {
  const startedMs = performance.now();
  const minutesGone = (): number => (performance.now() - startedMs) / 60_000;
  let saidMinute = -1;
  for (let round = 0; minutesGone() < durationMinutes; round++) {
    await sleep(SAMPLE_SECONDS * 1000);
    const atMinutes = minutesGone();
    for (const { pid, samples } of watched) samples.push(sampleOf(pid, atMinutes));
    if (round % (POLICY_SECONDS / SAMPLE_SECONDS) === 0) await changePolicy(local, round);
    if (Math.floor(atMinutes) === saidMinute) continue;
    saidMinute = Math.floor(atMinutes);
    console.error(`${saidMinute} min: ${line()}`);
  }
}

async function changePolicy(local: LocalMesh, round: number): Promise<void> {
  await local.apply({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "everybody", namespace: "soak" },
    spec: {
      action: "ALLOW",
      rules: [
        { from: [{ source: { namespaces: ["soak"] } }] },
        { to: [{ operation: { ports: [String(9000 + (round % 100))] } }] },
      ],
    },
  });
}

function line(): string {
  const memory = watched.map(({ name, samples }) => {
    const sample = samples.at(-1);
    return `${name} ${sample?.residentMB.toFixed(0)} MB ${sample?.descriptors} fds`;
  });
  const { open, checked: answers, newcomers: visits } = last;
  return `${open} open, ${answers} answers and ${visits} new connections checked, ${broken.length} broken; ${memory.join(", ")}`;
}

function report(processes: readonly (Growth & { readonly name: string })[]): string {
  const rows = processes.map(({ name, firstLowestMB, lastLowestMB, highestMB, ...fds }) => {
    const memory = `${firstLowestMB.toFixed(0)} → ${lastLowestMB.toFixed(0)} | ${highestMB.toFixed(0)}`;
    return `| ${name} | ${memory} | ${fds.firstDescriptors} → ${fds.lastDescriptors} | ${fds.maxDescriptors} |`;
  });
  return [
    `${minutes} minutes: ${checked} answers and ${newcomers} new connections checked, ${broken.length} broken`,
    ...broken.slice(0, 20).map((text) => `broken: ${text}`),
    "",
    "| process | lowest MB, first → last third | highest MB | descriptors, after warm-up → end | most |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}
