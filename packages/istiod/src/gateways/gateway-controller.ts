// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { Gateway, KubernetesObject } from "@ambientmesh/api/kubernetes";
import { isMeshError, type Clock, type CounterSeries, type Logger } from "@ambientmesh/core";
import { RESOURCES, type KubeClient, type Resource, type WrittenMeta } from "@ambientmesh/kube";
import { serviceOfSlice } from "../model/endpoint-workload.ts";
import type { MeshSources } from "../model/mesh-sources.ts";
import { serviceHostname, serviceResourceName } from "../model/names.ts";
import { GATEWAY_RESOURCES } from "../sources/istio-resources.ts";
import { KeyedQueue } from "../writers/keyed-queue.ts";
import { desiredGatewayStatus } from "./gateway-status.ts";
import { MANAGED_BY, waypointObjects, type WaypointOptions } from "./waypoint-objects.ts";

export interface GatewayControllerDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts objects that were given up. */
  readonly failures: CounterSeries;
  readonly sources: Pick<MeshSources, "gateways" | "services" | "endpointSlices">;
}

export interface GatewayControllerOptions extends Omit<WaypointOptions, "image"> {
  /** Undefined: Gateways get a status, but nothing is deployed. */
  readonly image: string | undefined;
}

/** The class of waypoints, and who makes them (Istio 1.31). */
export const WAYPOINT_CLASS = "istio-waypoint";
const CONTROLLER = "istio.io/mesh-controller";
const FIELD_MANAGER = "istio.io/gateway-controller";

/** Makes Gateways of the class istio-waypoint into running waypoints, and says in their status whether they are. */
export class GatewayController {
  readonly #deps: GatewayControllerDeps;
  readonly #options: GatewayControllerOptions;
  readonly #queue: KeyedQueue;

  constructor(deps: GatewayControllerDeps, options: GatewayControllerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = new KeyedQueue(deps, { work: (key, signal) => this.#reconcile(key, signal) });
  }

  /** Works until `signal` aborts. The class is made first; where the Gateway API is not installed that waits for a Gateway. */
  async run(signal: AbortSignal): Promise<void> {
    const { gateways, services, endpointSlices } = this.#deps.sources;
    const add = (key: string | undefined): void => {
      if (key !== undefined && gateways.get(key)) this.#queue.add(key);
    };
    using _gateways = gateways.subscribe((changes) => {
      for (const { key } of changes) add(key);
    });
    using _services = services.subscribe((changes) => {
      for (const { key } of changes) add(key);
    });
    using _slices = endpointSlices.subscribe((changes) => {
      for (const { before, after } of changes) add(gatewayOf((after ?? before)?.metadata));
    });
    await this.#ensureClass(signal);
    for (const [key] of gateways.entries()) add(key);
    await this.#queue.run(signal);
  }

  async #ensureClass(signal: AbortSignal): Promise<void> {
    const { client, logger } = this.#deps;
    const metadata = { name: WAYPOINT_CLASS };
    const spec = { controllerName: CONTROLLER, description: "Waypoints of the ambient mesh" };
    try {
      const applied = await client.apply(GATEWAY_RESOURCES.GatewayClass, { metadata, spec }, own(signal));
      const accepted = applied.status?.conditions?.some(({ type, status }) => type === "Accepted" && status === "True");
      if (accepted === true) return;
      const lastTransitionTime = new Date(this.#deps.clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
      const condition = {
        type: "Accepted",
        status: "True",
        reason: "Accepted",
        message: "handled by istiod",
        lastTransitionTime,
      } as const;
      await client.apply(
        GATEWAY_RESOURCES.GatewayClass,
        { metadata, status: { conditions: [condition] } },
        { ...own(signal), subresource: "status" },
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!isMeshError(error)) throw error;
      // Without the Gateway API, without a right to it, or without an API server there is nothing to be done yet.
      logger.debug("no class for waypoints", { reason: error.message });
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const gateway = this.#deps.sources.gateways.get(key);
    if (gateway?.spec.gatewayClassName !== WAYPOINT_CLASS || gateway.metadata.deletionTimestamp !== undefined) return;
    if (isUnmanaged(gateway)) return;
    await this.#ensureClass(signal);
    await this.#writeStatus(gateway, await this.#deploy(gateway, signal), signal);
  }

  /** Gives the reason why nothing is deployed. */
  async #deploy(gateway: Gateway, signal: AbortSignal): Promise<string | undefined> {
    const { image } = this.#options;
    if (image === undefined) return "no waypoint is deployed: istiod has no image for it (WAYPOINT_IMAGE)";
    const { serviceAccount, deployment, service } = waypointObjects(gateway, { ...this.#options, image });
    const { client } = this.#deps;
    const problem =
      (await this.#foreign(RESOURCES.ServiceAccount, serviceAccount.metadata, signal)) ??
      (await this.#foreign(RESOURCES.Deployment, deployment.metadata, signal)) ??
      (await this.#foreign(RESOURCES.Service, service.metadata, signal));
    if (problem !== undefined) return problem;
    await client.apply(RESOURCES.ServiceAccount, serviceAccount, own(signal));
    await client.apply(RESOURCES.Deployment, deployment, own(signal));
    await client.apply(RESOURCES.Service, service, own(signal));
    return undefined;
  }

  /** Nothing of others is written over. */
  async #foreign(
    resource: Resource,
    { name = "", namespace }: WrittenMeta,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const present = await this.#deps.client.find(resource, { name, namespace }, { signal });
    const isForeign = present && present.metadata.labels?.[KEYS.GATEWAY_MANAGED] !== MANAGED_BY;
    return isForeign ? `${resource.kind} ${name} is there already and is not ours` : undefined;
  }

  async #writeStatus(gateway: Gateway, problem: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, clock, sources } = this.#deps;
    const { domain } = this.#options;
    const { name, namespace = "" } = gateway.metadata;
    const service = serviceResourceName(namespace, serviceHostname(name, namespace, domain));
    const hasEndpoint = [...sources.endpointSlices.values()].some(
      (slice) =>
        serviceOfSlice(slice, domain) === service &&
        (slice.endpoints ?? []).some(({ conditions }) => conditions?.ready !== false),
    );
    const facts = { service: sources.services.get(`${namespace}/${name}`), hasEndpoint, problem, domain };
    const status = desiredGatewayStatus(gateway, facts, new Date(clock.now()));
    if (!status) return;
    await client.apply(
      GATEWAY_RESOURCES.Gateway,
      { metadata: { name, namespace }, status },
      { ...own(signal), subresource: "status" },
    );
  }
}

function own(signal: AbortSignal): { fieldManager: string; isForced: true; signal: AbortSignal } {
  return { fieldManager: FIELD_MANAGER, isForced: true, signal };
}

/** A Gateway that names a host points at a Service that somebody else runs. */
function isUnmanaged({ spec }: Gateway): boolean {
  return spec.addresses?.some(({ type }) => type === "Hostname") ?? false;
}

function gatewayOf(metadata: KubernetesObject["metadata"] | undefined): string | undefined {
  const service = metadata?.labels?.[KEYS.SERVICE_NAME];
  return service === undefined ? undefined : `${metadata?.namespace ?? ""}/${service}`;
}
