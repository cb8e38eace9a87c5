// SPDX-License-Identifier: Apache-2.0
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createRoot, materialToFiles } from "@ambientmesh/ca";
import type { BenchOptions } from "../main.ts";
import { cpuSeconds, residentMegabytes } from "../tunnel/cpu.ts";
import type { ClientMessage } from "./client-process.ts";
import type { LoopDelay } from "./loop-monitor.ts";
import { pod, type MeshSize } from "./objects.ts";
import { Replayer } from "./replayer.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const MONITOR = join(import.meta.dirname, "loop-monitor.ts");
const MAIN = join(ROOT, "packages", "istiod", "src", "main.ts");
const SOURCES = ["--conditions=@ambientmesh/source"];
const CLIENT_PROCESSES = 2;
const ISOLATED_CHANGES = 30;
const STORM_CHANGES = 1000;

interface Plan extends MeshSize {
  /** Clients that claim what they hold. */
  readonly clients: number;
  readonly csrSeconds: number;
}

/** What was measured; times in ms. */
export interface IstiodFigures {
  readonly readyMs: number;
  readonly residentMb: number;
  readonly fullSync: { readonly ms: number; readonly bytes: number };
  readonly reconnectBytesPerClient: number;
  readonly residentWithClientsMb: number;
  readonly isolatedChange: { readonly p50Ms: number; readonly p99Ms: number };
  readonly cpuSecondsPer1000Changes: number;
  /** The event loop of istiod during the storm: how long it was kept from turning. */
  readonly loopDelay: LoopDelay;
  readonly certificates: { readonly perSecond: number; readonly perCpuSecond: number };
}

/** istiod between a replayed API and simulated node proxies, each in processes of their own. */
export async function istiodBench(options: BenchOptions): Promise<void> {
  const { isQuick, isJson } = options;
  const plan: Plan = {
    pods: options.pods ?? (isQuick ? 2000 : 10_000),
    services: options.services ?? (isQuick ? 200 : 1000),
    clients: options.clients ?? (isQuick ? 50 : 200),
    csrSeconds: isQuick ? 3 : 10,
  };
  const figures = await measure(plan);
  console.log(isJson ? JSON.stringify({ bench: "istiod", plan, figures }) : table(plan, figures));
}

async function measure(plan: Plan): Promise<IstiodFigures> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "bench-istiod-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const replayer = stack.use(new Replayer(plan));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(await replayer.start())));
  const root = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
  for (const [name, text] of Object.entries(materialToFiles(root))) writeFileSync(join(folder, name), text);
  const istiod = await startIstiod(kubeconfig, folder, stack);
  const { pid } = istiod;
  const residentMb = residentMegabytes(pid);

  console.error("a client that has nothing");
  const full = await startClients(istiod.grpc, 1, "", stack);
  const claimsFile = join(folder, "versions.json");
  writeFileSync(claimsFile, JSON.stringify(full.synced.versions));
  console.error(`${plan.clients} clients that have everything`);
  const share = Math.ceil(plan.clients / CLIENT_PROCESSES);
  const groups = await Promise.all(
    Array.from({ length: CLIENT_PROCESSES }, () => startClients(istiod.grpc, share, claimsFile, stack)),
  );
  const residentWithClientsMb = residentMegabytes(pid);

  console.error("isolated changes");
  const delays = await isolatedChanges(plan, replayer, [full, ...groups]);
  console.error("a storm of changes");
  const storm = await stormOfChanges(plan, replayer, istiod);
  console.error("certificates");
  const certificates = await signCertificates(istiod, join(folder, "root-cert.pem"), plan.csrSeconds);
  const claimed = groups.reduce((sum, { synced }) => sum + synced.bytes, 0);
  return {
    readyMs: istiod.readyMs,
    residentMb,
    fullSync: { ms: full.synced.ms, bytes: full.synced.bytes },
    reconnectBytesPerClient: claimed / (share * CLIENT_PROCESSES),
    residentWithClientsMb,
    isolatedChange: { p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99) },
    ...storm,
    certificates,
  };
}

interface RunningIstiod {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly readyMs: number;
  readonly grpc: string;
  readonly secureGrpc: string;
}

async function startIstiod(
  kubeconfig: string,
  authorityFolder: string,
  stack: AsyncDisposableStack,
): Promise<RunningIstiod> {
  const flags = ["httpAddr", "grpcAddr", "secureGRPCAddr"].map((name) => `--${name}=127.0.0.1:0`);
  const args = [
    ...SOURCES,
    `--import=${MONITOR}`,
    MAIN,
    "discovery",
    `--kubeconfig=${kubeconfig}`,
    ...flags,
    "--monitoringAddr=",
    "--httpsAddr=",
  ];
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    env: {
      PATH: process.env["PATH"],
      ENABLE_LEADER_ELECTION: "false",
      AMBIENT_ENABLE_STATUS: "false",
      ROOT_CA_DIR: authorityFolder,
      CA_TRUSTED_NODE_ACCOUNTS: "istio-system/ztunnel",
      PILOT_MAX_REQUESTS_PER_SECOND: "1000",
      // What a client claims has to fit into one request.
      ISTIO_GPRC_MAXRECVMSGSIZE: String(64 * 1024 * 1024),
    },
  });
  const exit = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  const ready = Promise.withResolvers<Record<"grpc" | "secureGrpc", { readonly port: number }>>();
  if (!child.stdout) throw new Error("istiod has no output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const record = JSON.parse(line) as { readonly message: string };
    if (record.message === "istiod is ready") ready.resolve(record as unknown as Awaited<typeof ready.promise>);
  });
  void exit.then(() => ready.reject(new Error("istiod ended")));
  const { grpc, secureGrpc } = await ready.promise;
  return {
    child,
    pid: child.pid ?? 0,
    readyMs: performance.now() - startedAt,
    grpc: `127.0.0.1:${grpc.port}`,
    secureGrpc: `127.0.0.1:${secureGrpc.port}`,
  };
}

interface Clients {
  readonly child: ChildProcess;
  readonly count: number;
  readonly synced: Extract<ClientMessage, { kind: "synced" }>;
}

async function startClients(
  address: string,
  count: number,
  claimsFile: string,
  stack: AsyncDisposableStack,
): Promise<Clients> {
  const child = fork(join(import.meta.dirname, "client-process.ts"), [address, String(count), claimsFile], {
    execArgv: SOURCES,
  });
  const exit = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  const [message] = (await Promise.race([
    once(child, "message"),
    exit.then(() => Promise.reject(new Error("the clients ended"))),
  ])) as [ClientMessage];
  if (message.kind !== "synced") throw new Error("a change before the clients were synced");
  return { child, count, synced: message };
}

/** Each change on an idle system, one after another: from the API's watch event to every client. */
async function isolatedChanges(plan: Plan, replayer: Replayer, groups: readonly Clients[]): Promise<number[]> {
  const last: number[] = [];
  for (let at = 0; at < ISOLATED_CHANGES; at++) {
    const marker = `change-${at}`;
    const arrived = Promise.all(groups.map(({ child }) => arrivalOf(child, marker)));
    const sentAt = Number(process.hrtime.bigint()) / 1e6;
    replayer.change("pods", pod((at * 37) % plan.pods, plan, marker));
    last.push(Math.max(...(await arrived).flat()) - sentAt);
    await sleep(300);
  }
  return last;
}

function arrivalOf(child: ChildProcess, marker: string): Promise<readonly number[]> {
  return new Promise((resolve) => {
    const listen = (message: ClientMessage): void => {
      if (message.kind !== "change" || message.marker !== marker) return;
      child.off("message", listen);
      resolve(message.at);
    };
    child.on("message", listen);
  });
}

/** Ten pods every 50 ms. */
async function stormOfChanges(
  plan: Plan,
  replayer: Replayer,
  istiod: RunningIstiod,
): Promise<Pick<IstiodFigures, "cpuSecondsPer1000Changes" | "loopDelay">> {
  await loopDelay(istiod);
  const before = cpuSeconds(istiod.pid);
  for (let at = 0; at < STORM_CHANGES; at++) {
    replayer.change("pods", pod((at * 7) % plan.pods, plan, `storm-${at}`));
    if (at % 10 === 9) await sleep(50);
  }
  await sleep(2000);
  return { cpuSecondsPer1000Changes: cpuSeconds(istiod.pid) - before, loopDelay: await loopDelay(istiod) };
}

/** Since it was last asked for. */
async function loopDelay({ child }: RunningIstiod): Promise<LoopDelay> {
  child.send("longest");
  const [delay] = (await once(child, "message")) as [LoopDelay];
  return delay;
}

async function signCertificates(
  { secureGrpc, pid }: RunningIstiod,
  rootFile: string,
  seconds: number,
): Promise<IstiodFigures["certificates"]> {
  const child = fork(join(import.meta.dirname, "csr-process.ts"), [secureGrpc, rootFile, String(seconds)], {
    execArgv: SOURCES,
  });
  const exit = once(child, "exit");
  const told = async <T>(): Promise<T> => {
    const ended = exit.then(() => Promise.reject(new Error("the asking process ended")));
    const [message] = (await Promise.race([once(child, "message"), ended])) as [T];
    return message;
  };
  await told<"warm">();
  const before = cpuSeconds(pid);
  const { signed } = await told<{ readonly signed: number }>();
  const spent = cpuSeconds(pid) - before;
  await exit;
  return { perSecond: signed / seconds, perCpuSecond: signed / spent };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function kubeconfigOf(server: string): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "replayed",
    contexts: [{ name: "replayed", context: { cluster: "replayed", user: "bench" } }],
    clusters: [{ name: "replayed", cluster: { server } }],
    users: [{ name: "bench", user: { token: "bench" } }],
  };
}

function table(plan: Plan, figures: IstiodFigures): string {
  const { fullSync, reconnectBytesPerClient, isolatedChange, certificates } = figures;
  const share = (100 * reconnectBytesPerClient) / fullSync.bytes;
  const rows = [
    ["start until ready", `${figures.readyMs.toFixed(0)} ms`],
    ["memory of istiod, ready", `${figures.residentMb.toFixed(0)} MB`],
    ["memory of istiod, with all clients", `${figures.residentWithClientsMb.toFixed(0)} MB`],
    ["full sync of a fresh client", `${fullSync.ms.toFixed(0)} ms, ${(fullSync.bytes / 1e6).toFixed(2)} MB`],
    ["reconnect of an unchanged client", `${reconnectBytesPerClient.toFixed(0)} bytes, ${share.toFixed(3)} %`],
    ["isolated change to the last client, p50", `${isolatedChange.p50Ms.toFixed(0)} ms`],
    ["isolated change to the last client, p99", `${isolatedChange.p99Ms.toFixed(0)} ms`],
    ["CPU per 1,000 changed pods", `${figures.cpuSecondsPer1000Changes.toFixed(2)} s`],
    ["event loop kept busy meanwhile, p99", `${figures.loopDelay.p99Ms.toFixed(0)} ms`],
    ["event loop kept busy meanwhile, longest", `${figures.loopDelay.longestMs.toFixed(0)} ms`],
    ["longest turn of the event loop, CPU time", `${figures.loopDelay.longestCpuMs.toFixed(0)} ms`],
    [
      "certificates",
      `${certificates.perSecond.toFixed(0)} a second, ${certificates.perCpuSecond.toFixed(0)} per CPU second`,
    ],
  ];
  const title = `istiod: ${plan.pods} pods, ${plan.services} services, ${plan.clients + 1} clients`;
  return [title, ...rows.map(([name = "", value = ""]) => `  ${name.padEnd(42)} ${value}`)].join("\n");
}
