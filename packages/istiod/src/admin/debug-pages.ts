// SPDX-License-Identifier: Apache-2.0
import type { ClientStatus, ResourceStore } from "@ambientmesh/xds";
import { readProxyNode } from "../authentication/proxy-node.ts";
import type { MeshConfig } from "../config/mesh-config.ts";
import type { Collection } from "../collections/collection.ts";
import type { PolicyOutcome } from "../model/policy-outcome.ts";
import type { DebugPage } from "./debug-access.ts";
import { jsonAnswer, longJsonAnswer } from "./json-text.ts";
import { addressesAsJson, resourcesAsJson } from "./resource-json.ts";

/** What the debug pages show. */
export interface DebugState {
  readonly clients: () => readonly ClientStatus[];
  readonly addresses: Pick<ResourceStore, "resources" | "typeUrl">;
  readonly authorizations: Pick<ResourceStore, "resources" | "typeUrl">;
  readonly policies: Pick<Collection<PolicyOutcome>, "entries">;
  readonly meshConfig: () => MeshConfig;
  /** Number of objects by collection. */
  readonly collectionSizes: () => Readonly<Record<string, number>>;
}

/** The pages under /debug, named as in Istio. */
export function debugPages(state: DebugState): DebugPage[] {
  const pages = [...clientPages(state), ...statePages(state)];
  const list: DebugPage = {
    name: "list",
    description: "names of all debug pages",
    handle: () => jsonAnswer([...pages, list].map(({ name }) => `/debug/${name}`)),
  };
  return [...pages, list];
}

function clientPages({ clients }: DebugState): DebugPage[] {
  return [
    {
      name: "adsz",
      description: "connected clients with what they watch",
      handle: () => jsonAnswer({ totalClients: clients().length, clients: clients().map(connectionOf) }),
    },
    {
      name: "syncz",
      description: "what each client was sent and has acknowledged",
      handle: () => jsonAnswer(clients().map(syncOf)),
    },
    {
      name: "connections",
      description: "ids and addresses of connected clients",
      handle: () =>
        jsonAnswer({
          totalClients: clients().length,
          clients: clients().map(({ client, connectedAt }) => ({
            connectionId: client.id,
            connectedAt: new Date(connectedAt),
            address: client.peerAddress,
          })),
        }),
    },
  ];
}

function statePages(state: DebugState): DebugPage[] {
  const { addresses, authorizations, policies, clients, collectionSizes, meshConfig } = state;
  return [
    {
      name: "mesh",
      description: "the MeshConfig in force, as far as it has an effect",
      handle: () => jsonAnswer(meshConfig()),
    },
    {
      name: "ambientz",
      description: "workloads, services and policies as node proxies get them",
      handle: () =>
        longJsonAnswer({
          workloads: addressesAsJson(addresses, "workload"),
          services: addressesAsJson(addresses, "service"),
          policies: [...resourcesAsJson(authorizations)].map(({ resource }) => resource),
        }),
    },
    {
      name: "authorizationz",
      description: "what becomes of each AuthorizationPolicy",
      handle: () =>
        longJsonAnswer({
          policies: [...policies.entries()].map(([name, { condition, resource }]) => ({
            name,
            isSent: resource !== undefined,
            condition,
          })),
        }),
    },
    {
      name: "krtz",
      description: "number of objects in each collection",
      handle: () => jsonAnswer(collectionSizes()),
    },
    {
      name: "config_dump",
      description: "what one client gets (?proxyID=POD.NAMESPACE)",
      isByNamespace: true,
      handle: ({ query }, visible) => {
        const proxyId = query.get("proxyID") ?? "";
        if (proxyId === "") return { status: 400, body: "name a client: ?proxyID=POD.NAMESPACE\n" };
        const found = clients().find((status) => isNamed(status, proxyId) && isVisible(status, visible));
        if (!found) return { status: 404, body: `no client ${proxyId} is connected here\n` };
        return longJsonAnswer({
          [addresses.typeUrl]: resourcesAsJson(addresses),
          [authorizations.typeUrl]: resourcesAsJson(authorizations),
        });
      },
    },
  ];
}

function connectionOf({ client, connectedAt, responsesSent, bytesSent, blockedMs, types }: ClientStatus): object {
  return {
    connectionId: client.id,
    connectedAt: new Date(connectedAt),
    address: client.peerAddress,
    protocol: client.protocol,
    identity: identityOf(client.identity),
    responsesSent,
    bytesSent,
    blockedMs,
    watches: Object.fromEntries(types.map(({ typeUrl, isWildcard, names }) => [typeUrl, isWildcard ? "*" : names])),
  };
}

function syncOf({ client, types }: ClientStatus): object {
  return {
    proxy: client.node.id,
    types: Object.fromEntries(
      types.map(({ typeUrl, isCurrent, outstanding, lastSent, lastAcked, lastNack }) => [
        typeUrl,
        { isCurrent, outstanding, sent: lastSent, acked: lastAcked?.nonce, rejected: lastNack },
      ]),
    ),
  };
}

function identityOf(identity: unknown): unknown {
  return typeof identity === "object" && identity !== null && "id" in identity ? identity.id : undefined;
}

/** The third part of a node id is "pod.namespace". */
function isNamed({ client }: ClientStatus, proxyId: string): boolean {
  return client.node.id === proxyId || client.node.id.split("~")[2] === proxyId;
}

function isVisible({ client }: ClientStatus, namespace: string | undefined): boolean {
  if (namespace === undefined) return true;
  const reading = readProxyNode(client.node.id, client.node.metadata);
  return reading.kind === "node" && reading.node.namespace === namespace;
}
