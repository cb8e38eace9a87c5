// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { abortedError, type Clock, type Logger } from "@ambientmesh/core";
import { createEventRecorder } from "@ambientmesh/kube";
import { feedFolder, type FeedProblem } from "@ambientmesh/kube/local";
import { NetworkPlan, hostNetns, type Netns } from "@ambientmesh/linux";
import { cliErrors } from "../errors.ts";
import { startApiServer } from "./cluster/api-server.ts";
import { startComponents, type ComponentOptions } from "./cluster/components.ts";
import { createClusterObjects, createSystemObjects } from "./cluster/initial-objects.ts";
import { cniRunDirectory, zdsSocket } from "./cluster/system-pods.ts";
import { startClusterIps } from "./controllers/cluster-ips.ts";
import { createClusterState, type ControllerDeps } from "./controllers/cluster-state.ts";
import { startDeployments } from "./controllers/deployments.ts";
import { startEndpointSlices } from "./controllers/endpoint-slices.ts";
import { registerNodes } from "./controllers/nodes.ts";
import { startReplicaSets } from "./controllers/replica-sets.ts";
import { startScheduler } from "./controllers/scheduler.ts";
import { startDnsServer } from "./dns/dns-server.ts";
import { clusterNames } from "./dns/records.ts";
import { startKubelets } from "./kubelet/kubelets.ts";
import { createFabric } from "./network/fabric.ts";
import { resolvConf } from "./network/resolv-conf.ts";
import { USUAL_API, ownSockets, type HostSockets, type WantedSocket } from "./host-sockets.ts";
import { ProgramsInside } from "./programs-inside.ts";
import { RunningMesh, nodeResolver } from "./running-mesh.ts";
import { claimPlace } from "./run-directory/claim.ts";
import { removeLeftovers } from "./run-directory/leftovers.ts";
import { removeEmpty } from "./run-directory/netns-directory.ts";
import type { Place } from "./run-directory/place.ts";
import type { RecordKeeper } from "./run-directory/record.ts";
import { startServiceProxy } from "./services/service-proxy.ts";
import { CONTROL_PLANE, DNS_PORT, NODES } from "./topology.ts";

/** How a mesh is to be. */
export interface MeshOptions {
  readonly place: Place;
  /** The folder of YAML, absolute; programs of its pods run in it. */
  readonly folder: string;
  /** Port of the API server on the machine's loopback. Default: 16443, or the next free one. */
  readonly api?: WantedSocket | undefined;
  /** istiod, agents and proxies; undefined: only the Kubernetes part. */
  readonly components?: ComponentOptions | undefined;
  /** Variables of programs in pods. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables of programs that are run on the machine itself. */
  readonly machineEnvironment: Readonly<Record<string, string | undefined>>;
}

export interface MeshDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: opened by this process. */
  readonly sockets?: HostSockets;
  /** Tells what has been done, in a few words. */
  readonly onProgress: (text: string) => void;
  /** Everything that is wrong in the folders of YAML, with absolute paths, whenever that changes. */
  readonly onProblems: (problems: readonly FeedProblem[]) => void;
}

/**
 * Starts a mesh: namespaces, API server, controllers, and one kubelet for each node. Resolves when pods are being started.
 * Whatever fails, and when `signal` aborts, everything that was made is removed before it rejects.
 * @throws MeshError CLI_MESH_RUNNING, CLI_PORT_BUSY, CLI_RUN_DIRECTORY, KUBE_FEED_INVALID, LINUX_*, ABORTED
 */
export async function startMesh(options: MeshOptions, deps: MeshDeps, signal?: AbortSignal): Promise<RunningMesh> {
  const { place, folder, environment, machineEnvironment } = options;
  const { clock, logger, onProgress } = deps;
  await using stack = new AsyncDisposableStack();
  const step = (text: string): void => {
    onProgress(text);
    if (signal?.aborted) throw abortedError(signal, "the start of the mesh");
  };
  const { keeper, removed } = await claimPlace(place, folder, clock);
  stack.defer(() => removeEverything(place, keeper, clock));
  if (removed > 0) step(`removed what an earlier mesh had left behind (${removed} things)`);
  makeFolders(place);
  const fabric = stack.use(await createFabric(place, keeper));
  step(`${NODES.length} nodes are connected: ${NODES.map(({ name, address }) => `${name} ${address}`).join(", ")}`);
  const control = fabric.nodes.get(CONTROL_PLANE.name) as Netns;
  if (place.seclusion === "private") await new NetworkPlan().loopback(hostNetns()).apply();
  const socket = (deps.sockets ?? ownSockets).take(options.api ?? USUAL_API);
  const api = stack.use(await startApiServer({ clock, logger, place, netns: control, socket }));
  const { client, server } = api;
  const cluster = stack.use(createClusterState({ client, clock, logger }));
  await cluster.start(signal);
  step(`the Kubernetes API is at https://127.0.0.1:${api.port}`);
  await createClusterObjects(client);
  if (options.components !== undefined) await createSystemObjects(client, api.authorityPem);
  const { state } = cluster;
  stack.use(await startServiceProxy({ state, clock, logger: logger.child("services"), nodes: fabric.nodes }));
  const dns = { netns: control, address: CONTROL_PLANE.address, port: DNS_PORT };
  stack.use(await startDnsServer(dns, clusterNames(state)));
  startControllers(stack, { client, state, clock, logger: logger.child("controllers") });
  const programs = stack.use(new ProgramsInside(clock));
  const hasAgents = options.components !== undefined;
  const kubelets = stack.use(
    startKubelets({ ...deps, client, state, place, keeper, fabric, folder, hasAgents, environment }),
  );
  await registerNodes(client, new Date(clock.now()).toISOString());
  step("DNS, services and kubelets are running");
  if (options.components !== undefined) {
    const common = { client, state, clock, logger: logger.child("controllers") };
    stack.use(await startComponents({ ...common, place, kubelets, onProgress }, options.components));
  }
  await feed(stack, options, { ...deps, server }, signal);
  step(`the objects of ${folder} are in the API`);
  const owned = stack.move();
  return new RunningMesh({
    place,
    clock,
    client,
    server,
    state,
    fabric,
    programs,
    environment,
    machineEnvironment,
    runId: keeper.current.runId,
    pidsOf: kubelets.pidsOf,
    hasComponents: options.components !== undefined,
    stop: () => owned.disposeAsync(),
  });
}

function makeFolders(place: Place): void {
  for (const folder of [place.scratchFolder, place.logs]) mkdirSync(folder, { mode: 0o700 });
  for (const { name } of NODES) {
    for (const folder of [place.node(name), dirname(zdsSocket(place, name)), cniRunDirectory(place, name)]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    writeFileSync(nodeResolver(place, name), resolvConf(undefined));
  }
}

function startControllers(stack: AsyncDisposableStack, deps: ControllerDeps): void {
  const events = stack.use(createEventRecorder({ component: "ambientctl" }, deps));
  stack.use(startClusterIps({ ...deps, events }));
  stack.use(startDeployments(deps));
  stack.use(startReplicaSets(deps));
  stack.use(startEndpointSlices(deps));
  stack.use(startScheduler({ ...deps, events }));
}

/** Both folders, whose problems are told together. */
async function feed(
  stack: AsyncDisposableStack,
  { place, folder }: MeshOptions,
  { server, clock, logger, onProblems }: MeshDeps & Pick<Awaited<ReturnType<typeof startApiServer>>, "server">,
  signal: AbortSignal | undefined,
): Promise<void> {
  const problems = new Map<string, readonly FeedProblem[]>();
  for (const directory of [folder, place.scratchFolder]) {
    const onFound = (found: readonly FeedProblem[]): void => {
      problems.set(
        directory,
        found.map((problem) => withDirectory(problem, directory)),
      );
      onProblems([...problems.values()].flat());
    };
    const options = { directory, fieldManager: directory === folder ? "yaml-folder" : "scratch-folder" };
    const feeding = stack.use(feedFolder(options, { server, clock, logger, onProblems: onFound }));
    await feeding.start(signal);
  }
}

function withDirectory(problem: FeedProblem, directory: string): FeedProblem {
  return { ...problem, file: join(directory, problem.file) };
}

/** The last thing that is done: whatever is still there is removed, and what can't be is told. */
async function removeEverything(place: Place, keeper: RecordKeeper, clock: Clock): Promise<void> {
  const left = await removeLeftovers(place, keeper.current, { clock });
  removeEmpty(place.root);
  if (left.length > 0) throw cliErrors.create("CLI_LEFTOVERS", `of the mesh is left: ${left.join("; ")}`);
}
