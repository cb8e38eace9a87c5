// SPDX-License-Identifier: Apache-2.0
import type { Condition, ContainerEnd, ContainerStatus, Pod, PodStatus } from "@ambientmesh/api/kubernetes";
import type { ContainerExit, ContainerRecord } from "./container-state.ts";

/** What a kubelet knows of a pod. */
export interface PodView {
  readonly pod: Pod;
  readonly hostIp: string;
  /** Undefined until the pod has a network. */
  readonly podIp: string | undefined;
  readonly containers: readonly ContainerRecord[];
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** The conditions as they were last. */
  readonly before: readonly Condition[];
}

const ID_SCHEME = "local://";

/** The status of a pod as the API shows it. Conditions that stay as they are keep their time. */
export function podStatus(view: PodView): PodStatus {
  const { pod, hostIp, podIp, containers, startedAtMs } = view;
  const isReady = containers.every(({ state }) => state.kind === "running" && state.isReady);
  const unready = containers.filter(({ state }) => state.kind !== "running" || !state.isReady).map(({ name }) => name);
  const notReady = { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const phase = phaseOf(containers);
  const condition = (type: string, isTrue: boolean): Condition =>
    withTime({ type, status: isTrue ? "True" : "False", ...(isTrue ? {} : notReady) }, view);
  return {
    phase,
    hostIP: hostIp,
    ...(podIp !== undefined && { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: timestamp(startedAtMs),
    conditions: [
      condition("PodScheduled", true),
      condition("Initialized", true),
      condition("ContainersReady", isReady),
      condition("Ready", isReady),
    ],
    containerStatuses: containers.map((container) => containerStatus(container, pod)),
  };
}

/** The process of a running container by its id in the status, undefined for other runtimes' ids. */
export function pidOfContainerId(id: string | undefined): number | undefined {
  return id?.startsWith(ID_SCHEME) ? Number(id.slice(ID_SCHEME.length)) : undefined;
}

function phaseOf(containers: readonly ContainerRecord[]): NonNullable<PodStatus["phase"]> {
  if (containers.every(({ state }) => state.kind === "ended")) {
    const hasFailed = containers.some(({ state }) => state.kind === "ended" && state.exit.code !== 0);
    return hasFailed ? "Failed" : "Succeeded";
  }
  const hasStarted = containers.every(({ state, lastExit }) => state.kind !== "waiting" || lastExit !== undefined);
  return hasStarted ? "Running" : "Pending";
}

function withTime(condition: Condition, view: PodView): Condition {
  const before = view.before.find(({ type }) => type === condition.type);
  const isSame = before?.status === condition.status && before.lastTransitionTime !== undefined;
  return { ...condition, lastTransitionTime: isSame ? before.lastTransitionTime : timestamp(view.nowMs) };
}

function containerStatus({ name, state, restarts, lastExit }: ContainerRecord, { spec }: Pod): ContainerStatus {
  const image = spec.containers.find((container) => container.name === name)?.image ?? "";
  return {
    name,
    ready: state.kind === "running" && state.isReady,
    restartCount: restarts,
    image,
    imageID: "",
    ...(state.kind === "running" && { containerID: `${ID_SCHEME}${state.pid}` }),
    state: stateOf(state),
    ...(lastExit !== undefined && { lastState: { terminated: endOf(lastExit) } }),
  };
}

function stateOf(state: ContainerRecord["state"]): NonNullable<ContainerStatus["state"]> {
  switch (state.kind) {
    case "waiting": {
      const { reason, message } = state;
      return { waiting: { reason, ...(message !== undefined && { message }) } };
    }
    case "running":
      return { running: { startedAt: timestamp(state.startedAtMs) } };
    case "ended":
      return { terminated: endOf(state.exit) };
  }
}

function endOf({ code, signal, startedAtMs, finishedAtMs }: ContainerExit): ContainerEnd {
  return {
    exitCode: code,
    reason: code === 0 ? "Completed" : "Error",
    ...(signal !== undefined && { message: `ended by ${signal}` }),
    startedAt: timestamp(startedAtMs),
    finishedAt: timestamp(finishedAtMs),
  };
}

/** RFC 3339 in whole seconds. */
function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
