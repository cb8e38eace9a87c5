// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { NODE_PROXY, objectsOf, type MeshSize } from "./objects.ts";

const API_VERSIONS: Readonly<Record<string, string>> = { endpointslices: "discovery.k8s.io/v1" };
const KINDS: Readonly<Record<string, string>> = {
  namespaces: "Namespace",
  nodes: "Node",
  services: "Service",
  pods: "Pod",
};

/** A Kubernetes API that knows lists, watches and TokenReview, and forgets what is written. */
export class Replayer implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #items: ReadonlyMap<string, readonly string[]>;
  readonly #watchers = new Map<string, Set<ServerResponse>>();
  #version = 1;

  constructor(size: MeshSize) {
    this.#items = new Map(
      Object.entries(objectsOf(size)).map(([plural, objects]) => [
        plural,
        objects.map((object) => JSON.stringify(this.#stamped(plural, object))),
      ]),
    );
  }

  /** URL of the API. */
  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Tells watchers of a changed object. */
  change(plural: string, object: object): void {
    this.#version++;
    const line = `${JSON.stringify({ type: "MODIFIED", object: this.#stamped(plural, object) })}\n`;
    for (const watcher of this.#watchers.get(plural) ?? []) watcher.write(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #stamped(plural: string, object: object): object {
    const { metadata, ...rest } = object as { metadata: object };
    const identity = { apiVersion: API_VERSIONS[plural] ?? "v1", kind: KINDS[plural] };
    return { ...identity, metadata: { ...metadata, resourceVersion: String(this.#version) }, ...rest };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://api");
    const plural = url.pathname.split("/").at(-1) ?? "";
    response.setHeader("content-type", "application/json");
    if (request.method !== "GET") await this.#write(request, response, url.pathname);
    else if (url.searchParams.has("watch")) this.#watch(plural, response);
    else this.#list(plural, url.searchParams, response);
  }

  #list(plural: string, query: URLSearchParams, response: ServerResponse): void {
    const items = this.#items.get(plural) ?? [];
    const from = Number(query.get("continue") ?? 0);
    const to = Math.min(from + (Number(query.get("limit")) || items.length), items.length);
    const metadata = { resourceVersion: String(this.#version), ...(to < items.length && { continue: String(to) }) };
    response.end(
      `{"apiVersion":"v1","kind":"List","metadata":${JSON.stringify(metadata)},"items":[${items.slice(from, to).join(",")}]}`,
    );
  }

  #watch(plural: string, response: ServerResponse): void {
    const watchers = this.#watchers.get(plural) ?? new Set();
    this.#watchers.set(plural, watchers.add(response));
    response.on("close", () => watchers.delete(response));
    response.flushHeaders();
  }

  async #write(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const body = await json(request).catch(() => ({}));
    if (path.endsWith("/tokenreviews")) this.#send(response, { ...(body as object), status: REVIEWED });
    else this.#send(response, body as object);
  }

  #send(response: ServerResponse, body: object): void {
    response.end(JSON.stringify(body));
  }
}

const REVIEWED = {
  authenticated: true,
  audiences: ["istio-ca"],
  user: {
    username: `system:serviceaccount:${NODE_PROXY.namespace}:${NODE_PROXY.account}`,
    groups: ["system:serviceaccounts"],
    extra: {
      "authentication.kubernetes.io/pod-name": [NODE_PROXY.pod],
      "authentication.kubernetes.io/pod-uid": [NODE_PROXY.uid],
    },
  },
};
