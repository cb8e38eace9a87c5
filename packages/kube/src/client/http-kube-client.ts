// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { KubernetesObject, TokenRequest, TokenReview } from "@ambientmesh/api/kubernetes";
import { kubeErrors } from "../errors.ts";
import { isJsonArray, isJsonObject, jsonAt, type JsonObject } from "../json/json.ts";
import { RESOURCES, describeObject, type ObjectRef, type Resource } from "../resource.ts";
import type {
  AppliedConfiguration,
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListPage,
  ListQuery,
  WatchQuery,
  WriteOptions,
  WrittenMeta,
} from "./kube-client.ts";
import { collectionPath, objectPath, requiredNamespace, withQuery, type Query } from "./paths.ts";
import { failureOf, readJson } from "./response.ts";
import type { Transport, TransportRequest } from "./transport.ts";
import { watchStreamOf, type WatchStream } from "./watch-stream.ts";

const REVIEWS_PATH = "/apis/authentication.k8s.io/v1/tokenreviews";
const PAGE_SIZE = 500;

/** A call, with words for messages. */
interface Call extends TransportRequest {
  readonly what: string;
}

/** The client over a transport. */
export class HttpKubeClient implements KubeClient {
  readonly namespace: string | undefined;
  readonly #transport: Transport;
  readonly #maxBytes: number;

  constructor(
    transport: Transport,
    options: { readonly namespace: string | undefined; readonly maxResponseBytes: number },
  ) {
    this.#transport = transport;
    this.namespace = options.namespace;
    this.#maxBytes = options.maxResponseBytes;
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  async find<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined> {
    return absentAs(undefined, this.get(resource, ref, options));
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<T> {
    const what = `reading ${describeObject(resource.kind, ref)}`;
    return this.#object<T>({ method: "GET", path: objectPath(resource, ref), what, signal: options?.signal });
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, query: ListQuery = {}): Promise<readonly T[]> {
    const items: T[] = [];
    let next: string | undefined;
    do {
      const page: ListPage<T> = await this.listPage(resource, { ...query, limit: PAGE_SIZE, continue: next });
      for (const item of page.items) items.push(item);
      next = page.metadata.continue === "" ? undefined : page.metadata.continue;
    } while (next !== undefined);
    return items;
  }

  async listPage<T extends KubernetesObject>(
    resource: Resource<T>,
    query: ListQuery & { readonly limit: number; readonly continue?: string | undefined },
  ): Promise<ListPage<T>> {
    const { namespace, labelSelector, fieldSelector, limit, signal } = query;
    const parameters: Query = {
      labelSelector,
      fieldSelector,
      limit: limit === 0 ? undefined : limit,
      continue: query.continue,
    };
    const path = withQuery(collectionPath(resource, namespace), parameters);
    const what = `listing ${resource.plural}`;
    const body = await this.#json({ method: "GET", path, what, signal });
    const { items, metadata } = body;
    if (items === null) return { items: [], metadata: (metadata ?? {}) as ListPage<T>["metadata"] };
    if (!isJsonArray(items) || !isJsonObject(metadata)) {
      throw kubeErrors.create("KUBE_RESPONSE_INVALID", `${what}: the answer is no list`);
    }
    // Items of lists leave out what the list says for all of them.
    const { apiVersion, kind } = resource;
    return {
      items: items.map((item) => Object.assign(item as object, { apiVersion, kind }) as unknown as T),
      metadata,
    };
  }

  async watch<T extends KubernetesObject>(resource: Resource<T>, query: WatchQuery): Promise<WatchStream<T>> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds, signal } = query;
    const parameters: Query = {
      watch: true,
      allowWatchBookmarks: true,
      labelSelector,
      fieldSelector,
      resourceVersion,
      timeoutSeconds,
    };
    const what = `watching ${resource.plural}`;
    const path = withQuery(collectionPath(resource, namespace), parameters);
    return watchStreamOf<T>(await this.#send({ method: "GET", path, what, signal, isStream: true }), what);
  }

  async create<T extends KubernetesObject>(
    resource: Resource<T>,
    object: Omit<T, "metadata" | "apiVersion" | "kind"> & { readonly metadata: WrittenMeta },
    options: WriteOptions = {},
  ): Promise<T> {
    const ref = refOf(object);
    const namespace = requiredNamespace(resource, ref);
    return this.#object<T>({
      method: "POST",
      path: withQuery(collectionPath(resource, namespace), writeQuery(options)),
      body: bodyOf(resource, object),
      what: `creating ${describeObject(resource.kind, ref)}`,
      signal: options.signal,
    });
  }

  async replace<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#write(resource, refOf(object), { method: "PUT", body: bodyOf(resource, object) }, options);
  }

  async mergePatch<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: object,
    options: WriteOptions = {},
  ): Promise<T> {
    const contentType = "application/merge-patch+json";
    return this.#write(resource, ref, { method: "PATCH", body: JSON.stringify(patch), contentType }, options);
  }

  async apply<T extends KubernetesObject>(
    resource: Resource<T>,
    configuration: AppliedConfiguration<T>,
    options: ApplyOptions,
  ): Promise<T> {
    // JSON is YAML, and the only type that servers of every version take.
    const patch = { body: bodyOf(resource, configuration), contentType: "application/apply-patch+yaml" };
    const query = { force: options.isForced === true ? true : undefined };
    return this.#write(resource, refOf(configuration), { method: "PATCH", ...patch, query }, options);
  }

  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const { preconditions, gracePeriodSeconds, propagation, signal } = options;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      preconditions,
      gracePeriodSeconds,
      propagationPolicy: propagation,
    };
    const call: Call = {
      method: "DELETE",
      path: objectPath(resource, ref),
      body: JSON.stringify(body),
      what: `deleting ${describeObject(resource.kind, ref)}`,
      signal,
    };
    return absentAs(
      false,
      this.#json(call).then(() => true),
    );
  }

  async reviewToken(spec: TokenReview["spec"], options?: CallOptions): Promise<NonNullable<TokenReview["status"]>> {
    const body = JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec });
    const what = "reviewing a token";
    const review = await this.#json({ method: "POST", path: REVIEWS_PATH, body, what, signal: options?.signal });
    const status = jsonAt(review, "status");
    if (!isJsonObject(status)) throw kubeErrors.create("KUBE_RESPONSE_INVALID", `${what}: the answer has no status`);
    return status;
  }

  async requestToken(
    account: ObjectRef,
    spec: TokenRequest["spec"],
    options?: CallOptions,
  ): Promise<NonNullable<TokenRequest["status"]>> {
    const what = `requesting a token of ${describeObject("ServiceAccount", account)}`;
    const answer = await this.#json({
      method: "POST",
      path: objectPath(RESOURCES.ServiceAccount, account, "token"),
      body: JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec }),
      what,
      signal: options?.signal,
    });
    const token = jsonAt(answer, "status", "token");
    const expirationTimestamp = jsonAt(answer, "status", "expirationTimestamp");
    if (typeof token !== "string" || typeof expirationTimestamp !== "string") {
      throw kubeErrors.create("KUBE_RESPONSE_INVALID", `${what}: the answer has no token`);
    }
    return { token, expirationTimestamp };
  }

  async #write<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    request: Pick<Call, "method" | "body" | "contentType"> & { readonly query?: Query },
    options: WriteOptions,
  ): Promise<T> {
    const { query, ...rest } = request;
    const path = withQuery(objectPath(resource, ref, options.subresource), { ...writeQuery(options), ...query });
    const verb = request.method === "PUT" ? "replacing" : "patching";
    const part = options.subresource === undefined ? "" : `${options.subresource} of `;
    const what = `${verb} ${part}${describeObject(resource.kind, ref)}`;
    return this.#object<T>({ ...rest, path, what, signal: options.signal });
  }

  async #object<T extends KubernetesObject>(call: Call): Promise<T> {
    const body = await this.#json(call);
    if (isJsonObject(body["metadata"])) return body as unknown as T;
    throw kubeErrors.create("KUBE_RESPONSE_INVALID", `${call.what}: the answer is no object`);
  }

  async #json(call: Call): Promise<JsonObject> {
    return readJson(await this.#send(call), call.what, this.#maxBytes);
  }

  /** Resolves for good answers only. A refused token is looked up again and tried once more. */
  async #send(call: Call, isRetry = false): Promise<IncomingMessage> {
    const response = await this.#transport.send(call);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const failure = await failureOf(response, call.what);
    if (failure.code !== "KUBE_UNAUTHORIZED") throw failure;
    this.#transport.invalidateCredentials();
    if (isRetry) throw failure;
    return this.#send(call, true);
  }
}

function refOf({ metadata }: { readonly metadata: WrittenMeta }): ObjectRef {
  return { name: metadata.name ?? metadata.generateName ?? "", namespace: metadata.namespace };
}

function bodyOf({ apiVersion, kind }: Resource, object: object): string {
  return JSON.stringify({ ...object, apiVersion, kind });
}

function writeQuery({ fieldManager, isDryRun }: WriteOptions): Query {
  return { fieldManager, dryRun: isDryRun === true ? "All" : undefined };
}

async function absentAs<T>(absent: T, present: Promise<T>): Promise<T> {
  try {
    return await present;
  } catch (error) {
    if (kubeErrors.is(error, "KUBE_NOT_FOUND")) return absent;
    throw error;
  }
}
