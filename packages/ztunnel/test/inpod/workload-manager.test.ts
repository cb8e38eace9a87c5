// SPDX-License-Identifier: Apache-2.0
import { openSync } from "node:fs";
import { silentLogger } from "@ambientmesh/core";
import { Netns } from "@ambientmesh/linux";
import { Readiness, createMetrics } from "@ambientmesh/telemetry";
import { FakeClock } from "@ambientmesh/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { MANAGER_TASK, WorkloadManager } from "../../src/inpod/workload-manager.ts";
import type { Pod, RunningPod } from "../../src/inpod/pod.ts";
import { AccessLines } from "../../src/telemetry/access-lines.ts";
import { ConnectionBook } from "../../src/telemetry/connections.ts";
import { TrafficMetrics } from "../../src/telemetry/traffic-metrics.ts";

const metrics = createMetrics();
const connections = new ConnectionBook({
  clock: new FakeClock(),
  access: new AccessLines({ isEnabled: () => false, write: () => {} }),
  metrics: new TrafficMetrics(metrics),
});

const HERE = "/proc/self/ns/net";
const ELSEWHERE = "/proc/self/ns/mnt";
const workload = { name: "web", namespace: "default", serviceAccount: "web" };

let events: string[];
let broken: Set<string>;
let handed: Netns[];
let readiness: Readiness;
let manager: WorkloadManager;

/** Any two files will do for two namespaces: only their identity counts here. */
function netns(path = HERE): Netns {
  const handle = new Netns(openSync(path, "r"));
  handed.push(handle);
  return handle;
}

const isClosed = (handle: Netns): boolean => {
  try {
    return handle.fd < 0;
  } catch {
    return true; // disposed handles refuse to give out their number
  }
};

async function startPod(pod: Pod): Promise<RunningPod> {
  if (broken.has(pod.uid)) throw new Error("port 15008 is taken");
  events.push(`start ${pod.uid}`);
  return {
    connections,
    drain: async (graceMs) => {
      events.push(`drain ${pod.uid} ${graceMs}`);
    },
  };
}

const add = (uid: string, path = HERE): Promise<void> =>
  manager.handle({ kind: "add", uid, workload, netns: netns(path) });
const snapshot = (): Promise<void> => manager.handle({ kind: "snapshot-sent" });
const remove = (uid: string): Promise<void> => manager.handle({ kind: "delete", uid });
const keep = (uid: string): Promise<void> => manager.handle({ kind: "keep", uid });
const states = (): string[] => manager.pods.map(({ uid, running }) => `${uid} ${running ? "up" : "pending"}`);

beforeEach(() => {
  events = [];
  broken = new Set();
  handed = [];
  readiness = new Readiness();
  manager = new WorkloadManager({ startPod, readiness, logger: silentLogger, metrics });
  manager.connected();
  return async () => {
    await manager.drain(0);
    handed.forEach((handle) => handle[Symbol.dispose]());
  };
});

describe("add", () => {
  it("starts a proxy", async () => {
    await add("a");
    expect(events).toEqual(["start a"]);
    expect(states()).toEqual(["a up"]);
  });

  it("of the same namespace again changes nothing", async () => {
    await add("a");
    await add("a");
    expect(events).toEqual(["start a"]);
    expect(handed.map(isClosed)).toEqual([false, true]);
  });

  it("with a new namespace replaces the proxy", async () => {
    await add("a");
    await add("a", ELSEWHERE);
    expect(events.toSorted()).toEqual(["drain a 0", "start a", "start a"]);
    await expect.poll(() => handed.map(isClosed)).toEqual([true, false]);
    expect(states()).toEqual(["a up"]);
  });

  it("that fails is pending, is tried again, and touches nobody else", async () => {
    broken.add("a");
    await expect(add("a")).rejects.toMatchObject({
      code: "ZTUNNEL_POD_START",
      message: "the proxy of pod default/web can't be started: port 15008 is taken",
    });
    await add("b");
    expect(states()).toEqual(["a pending", "b up"]);
    await manager.retryPending();
    expect(manager.hasPending).toBe(true);
    broken.clear();
    await manager.retryPending();
    expect(states()).toEqual(["a up", "b up"]);
    expect(manager.hasPending).toBe(false);
  });

  it("again while pending takes the newer namespace", async () => {
    broken.add("a");
    await expect(add("a")).rejects.toThrow("can't be started");
    broken.clear();
    await add("a", ELSEWHERE);
    expect(handed.map(isClosed)).toEqual([true, false]);
    expect(states()).toEqual(["a up"]);
  });
});

describe("delete", () => {
  it("after the snapshot ends the proxy at once", async () => {
    await add("a");
    await snapshot();
    await remove("a");
    expect(events).toEqual(["start a", "drain a 0"]);
    expect(states()).toEqual([]);
  });

  it("of an unknown pod is fine", async () => {
    await snapshot();
    await remove("nobody");
    expect(events).toEqual([]);
  });

  it("before the snapshot takes effect with it", async () => {
    await add("a");
    await remove("a");
    expect(events).toEqual(["start a"]);
    await snapshot();
    expect(events).toEqual(["start a", "drain a 0"]);
  });

  it("ends waiting", async () => {
    broken.add("a");
    await expect(add("a")).rejects.toThrow("can't be started");
    await remove("a");
    expect(states()).toEqual([]);
    expect(handed.map(isClosed)).toEqual([true]);
  });
});

describe("a new connection of the agent", () => {
  it("leaves proxies alone until the snapshot, which ends those that were not named", async () => {
    await add("a");
    await add("b");
    await add("c");
    await snapshot();
    manager.disconnected();
    manager.connected();
    expect(states()).toEqual(["a up", "b up", "c up"]);
    await add("a");
    await keep("b");
    await snapshot();
    expect(events.slice(3)).toEqual(["drain c 0"]);
    expect(states()).toEqual(["a up", "b up"]);
  });

  it("forgets what was pending, unless it is named again", async () => {
    broken.add("a");
    await expect(add("a")).rejects.toThrow("can't be started");
    manager.connected();
    expect(states()).toEqual([]);
    expect(handed.map(isClosed)).toEqual([true]);
  });

  it("counts a pod that could not be started as named", async () => {
    await add("a");
    await snapshot();
    manager.connected();
    broken.add("a");
    await expect(add("a", ELSEWHERE)).rejects.toThrow("can't be started");
    await snapshot();
    expect(states()).toEqual(["a pending"]);
  });
});

describe("the agent must not", () => {
  it("say keep after the snapshot", async () => {
    await snapshot();
    await expect(keep("a")).rejects.toMatchObject({ code: "ZTUNNEL_ZDS_PROTOCOL" });
  });

  it("announce two snapshots", async () => {
    await snapshot();
    await expect(snapshot()).rejects.toMatchObject({ code: "ZTUNNEL_ZDS_PROTOCOL" });
  });
});

describe("readiness", () => {
  it("comes with the snapshot and goes with the agent", async () => {
    expect(readiness.pending).toEqual([MANAGER_TASK]);
    await add("a");
    expect(readiness.pending).toEqual([MANAGER_TASK]);
    await snapshot();
    expect(readiness.pending).toEqual([]);
    manager.disconnected();
    expect(readiness.pending).toEqual([MANAGER_TASK]);
  });

  it("waits for every pod", async () => {
    broken.add("a");
    await expect(add("a")).rejects.toThrow("can't be started");
    await snapshot();
    expect(readiness.pending).toEqual([MANAGER_TASK]);
    broken.clear();
    await manager.retryPending();
    expect(readiness.pending).toEqual([]);
  });
});

it("drains all pods with the grace it is given", async () => {
  await add("a");
  await add("b");
  await manager.drain(5000);
  expect(events.slice(2).toSorted()).toEqual(["drain a 5000", "drain b 5000"]);
  expect(handed.map(isClosed)).toEqual([true, true]);
});

it("counts", async () => {
  const registry = createMetrics();
  manager = new WorkloadManager({ startPod, readiness, logger: silentLogger, metrics: registry });
  manager.connected();
  broken.add("b");
  await add("a");
  await expect(add("b")).rejects.toThrow("can't be started");
  await add("c");
  await snapshot();
  await remove("c");
  const text = await registry.render("prometheus");
  expect(text.match(/^workload_manager_\w+ \d+$/gm)).toEqual([
    "workload_manager_active_proxy_count 1",
    "workload_manager_pending_proxy_count 1",
    "workload_manager_proxies_started_total 2",
    "workload_manager_proxies_stopped_total 1",
  ]);
});
