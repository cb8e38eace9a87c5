// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject, ListMeta, ObjectMeta, TokenRequest, TokenReview } from "@ambientmesh/api/kubernetes";
import type { ObjectRef, Resource } from "../resource.ts";
import type { WatchStream } from "./watch-stream.ts";

/** What every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Which objects of a kind; selectors in their text form. */
export interface ListQuery extends CallOptions {
  /** Default: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** One page of a list. */
export interface ListPage<T> {
  readonly items: readonly T[];
  readonly metadata: ListMeta;
}

/** How an object is written. */
export interface WriteOptions extends CallOptions {
  /** Who owns the fields; default: the name of the client. */
  readonly fieldManager?: string;
  /** The API server checks and answers, but stores nothing. */
  readonly isDryRun?: boolean;
  /** Write this part alone. */
  readonly subresource?: "status";
}

/** How a configuration is applied. */
export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  /** Take fields from other managers instead of failing with KUBE_CONFLICT. */
  readonly isForced?: boolean;
}

/** How an object is deleted. */
export interface DeleteOptions extends CallOptions {
  /** The object has to be this one, else KUBE_CONFLICT. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly gracePeriodSeconds?: number;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
}

/** Metadata of an object to be created or applied: the server fills in the rest. */
export type WrittenMeta = Partial<ObjectMeta> & { readonly namespace?: string | undefined };

type DeepPartial<T> = T extends readonly (infer Item)[]
  ? readonly DeepPartial<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> }
    : T;

/** Fields of an object that one manager wants to set and own. */
export type AppliedConfiguration<T extends KubernetesObject> = DeepPartial<Omit<T, keyof KubernetesObject>> & {
  readonly metadata: WrittenMeta;
};

/** What a watch begins with and asks for. */
export interface WatchQuery extends ListQuery {
  readonly resourceVersion: string;
  /** After which the server ends the watch. */
  readonly timeoutSeconds: number;
}

/**
 * Typed access to a Kubernetes API server. Every call throws a MeshError with a KUBE_* code on refusal
 * (KUBE_FORBIDDEN, KUBE_INVALID with `details.causes`, KUBE_CONFLICT...), KUBE_UNAVAILABLE or KUBE_TIMEOUT, both
 * retryable, when it gets no answer, and ABORTED when the signal aborts.
 */
export interface KubeClient extends Disposable {
  /** The namespace of the kubeconfig's context, if it names one. */
  readonly namespace: string | undefined;
  /** The object, or undefined if there is none (of that kind). */
  find<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined>;
  /** The object. @throws MeshError KUBE_NOT_FOUND. */
  get<T extends KubernetesObject>(resource: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** All objects of a selection, read in pages. */
  list<T extends KubernetesObject>(resource: Resource<T>, query?: ListQuery): Promise<readonly T[]>;
  /** One page. `limit` 0 asks for everything; `continue` is the token of the page before. */
  listPage<T extends KubernetesObject>(
    resource: Resource<T>,
    query: ListQuery & { readonly limit: number; readonly continue?: string | undefined },
  ): Promise<ListPage<T>>;
  /** Opens a watch. {@link createInformer} is what most programs want instead. */
  watch<T extends KubernetesObject>(resource: Resource<T>, query: WatchQuery): Promise<WatchStream<T>>;
  /** @throws MeshError KUBE_ALREADY_EXISTS. */
  create<T extends KubernetesObject>(
    resource: Resource<T>,
    object: Omit<T, "metadata" | "apiVersion" | "kind"> & { readonly metadata: WrittenMeta },
    options?: WriteOptions,
  ): Promise<T>;
  /** Replaces the object that was read. @throws MeshError KUBE_CONFLICT when it has changed since. */
  replace<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Sends a JSON merge patch (RFC 7386). */
  mergePatch<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: object,
    options?: WriteOptions,
  ): Promise<T>;
  /** Server-side apply: sets and owns the fields of the configuration, and only those. Creates the object if needed. */
  apply<T extends KubernetesObject>(
    resource: Resource<T>,
    configuration: AppliedConfiguration<T>,
    options: ApplyOptions,
  ): Promise<T>;
  /** False if there was no such object. @throws MeshError KUBE_CONFLICT when a precondition does not hold. */
  delete(resource: Resource, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /** Asks whether a token is good, and for whom. */
  reviewToken(spec: TokenReview["spec"], options?: CallOptions): Promise<NonNullable<TokenReview["status"]>>;
  /** Asks for a token of a service account. */
  requestToken(
    account: ObjectRef,
    spec: TokenRequest["spec"],
    options?: CallOptions,
  ): Promise<NonNullable<TokenRequest["status"]>>;
}
