// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import type { CustomResourceDefinition } from "@ambientmesh/api/kubernetes";
import { TaskGroup, silentLogger, systemClock, type Clock, type Logger, type Service } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";
import { CrdKeeper } from "./housekeeping/crd-keeper.ts";
import { GarbageCollector } from "./housekeeping/garbage-collector.ts";
import { NamespaceKeeper } from "./housekeeping/namespace-keeper.ts";
import { systemScope } from "./housekeeping/system-scope.ts";
import type { ApiDeps } from "./http/api-request.ts";
import { createApiHandler } from "./http/api-server.ts";
import { Listeners, type ListenOptions } from "./http/listeners.ts";
import { builtInKinds } from "./kinds/built-in.ts";
import type { KindDefinition } from "./kinds/kind.ts";
import { KindRegistry } from "./kinds/kind-registry.ts";
import { localObjects, type LocalObjects } from "./local-objects.ts";
import { asJson } from "./objects/api-object.ts";
import { createObject } from "./objects/create.ts";
import type { AdmissionHook, ObjectDeps } from "./objects/scope.ts";
import { ListPages } from "./store/list-pages.ts";
import { ObjectStore } from "./store/object-store.ts";
import { Authenticator, type StaticToken } from "./tokens/authenticator.ts";
import { JwtSigner } from "./tokens/jwt.ts";
import { ServiceAccountTokens } from "./tokens/service-account-tokens.ts";

/** What a local API server is given. */
export interface LocalKubeDeps {
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** Settings of a local API server; everything has a default. */
export interface LocalKubeOptions {
  /** Users with tokens of their own, beside the administrator. */
  readonly tokens?: readonly StaticToken[];
  /** The P-256 key that signs service account tokens; keep it to let them survive a restart. Default: a new one. */
  readonly signingKey?: KeyObject;
  /** Issuer of those tokens and the API server's own audience. */
  readonly issuer?: string;
  /** Kinds beside the built-in ones. */
  readonly kinds?: readonly KindDefinition[];
  /** Installed before the server is ready. */
  readonly definitions?: readonly CustomResourceDefinition[];
  readonly admission?: readonly AdmissionHook[];
  /** Changes remembered per kind, for watches that resume. Default 1000. */
  readonly maxHistory?: number;
  /** Changes that a slow watcher may be behind before it has to list again. Default 10,000. */
  readonly maxWatchBacklog?: number;
  /** Between bookmarks, in ms. Default 60,000. */
  readonly bookmarkMs?: number;
  /** Largest request, in bytes. Default 3 MiB, as Kubernetes. */
  readonly maxBodyBytes?: number;
}

/** A running API server in memory. */
export interface LocalKube extends Service {
  /** The administrator's token (group system:masters), made anew for each server. */
  readonly adminToken: string;
  /**
   * Opens a listener, plain or with TLS; may be called several times after start.
   * Resolves to the address with the real port.
   */
  listen(options: ListenOptions): Promise<{ readonly host: string; readonly port: number }>;
  /** Serves on a node HTTP(S) server that the caller owns, until the handle is disposed. */
  attach(server: Server): Disposable;
  /** A connection inside the process, without sockets: to be used as the socket of HTTP requests. */
  connect(): Duplex;
  /** The objects themselves, without HTTP. */
  readonly objects: LocalObjects;
  /** Forgets the history of changes: watches that resume from before get 410 and list again. */
  compact(): void;
}

const DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local";
const SYSTEM_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];
const MAX_HELD_LISTS = 64;
// Kubernetes: half an hour and more, so that clients spread over servers.
const WATCH_TIMEOUT_MS = 30 * 60 * 1000;
const WRITE = { isDryRun: false, fieldManager: "kube-apiserver", fieldValidation: "Strict" } as const;

/** Makes a local API server; nothing runs before `start`. */
export function createLocalKube(deps: LocalKubeDeps = {}, options: LocalKubeOptions = {}): LocalKube {
  return new LocalKubeServer(deps, options);
}

class LocalKubeServer implements LocalKube {
  readonly adminToken: string = randomBytes(24).toString("base64url");
  readonly objects: LocalObjects;
  readonly #deps: ObjectDeps;
  readonly #options: LocalKubeOptions;
  readonly #tasks: TaskGroup;
  readonly #keepers: Disposable[] = [];
  #listeners: Listeners | undefined;

  constructor({ clock = systemClock, logger = silentLogger }: LocalKubeDeps, options: LocalKubeOptions) {
    const kinds = new KindRegistry();
    for (const kind of [...builtInKinds, ...(options.kinds ?? [])]) kinds.register(kind);
    // Later than any version of a server before on this machine, so that its watches are told to list again.
    const store = new ObjectStore({ startVersion: clock.now(), maxHistory: options.maxHistory ?? 1000 });
    this.#deps = { store, kinds, clock, logger, admission: options.admission ?? [] };
    this.objects = localObjects(this.#deps);
    this.#options = options;
    this.#tasks = new TaskGroup({ onCrash: (task, error) => logger.error("a task failed", { task, error }) });
  }

  async start(): Promise<void> {
    const { issuer = DEFAULT_ISSUER, signingKey = newSigningKey(), tokens: statics = [] } = this.#options;
    const tokens = new ServiceAccountTokens(this.#deps, { signer: new JwtSigner(signingKey), issuer });
    const admin: StaticToken = { token: this.adminToken, username: "kubernetes-admin", groups: ["system:masters"] };
    const authenticator = new Authenticator(tokens, [admin, ...statics]);
    const apiDeps: ApiDeps = { ...this.#deps, tokens, authenticator, pages: new ListPages(MAX_HELD_LISTS) };
    this.#keepers.push(new CrdKeeper(this.#deps), new NamespaceKeeper(this.#deps), new GarbageCollector(this.#deps));
    this.#createInitialObjects();
    const { bookmarkMs = 60_000, maxBodyBytes = 3 * 1024 * 1024, maxWatchBacklog: maxBacklog = 10_000 } = this.#options;
    const limits = { bookmarkMs, maxBodyBytes, maxBacklog, defaultTimeoutMs: WATCH_TIMEOUT_MS };
    this.#listeners = new Listeners(await createApiHandler(apiDeps, this.#tasks, limits));
  }

  listen(options: ListenOptions): ReturnType<LocalKube["listen"]> {
    return this.#running().listen(options);
  }

  attach(server: Server): Disposable {
    return this.#running().attach(server);
  }

  connect(): Duplex {
    return this.#running().connect();
  }

  compact(): void {
    this.#deps.store.compact();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Watches end by themselves first, so that their readers see an orderly end.
    await this.#tasks[Symbol.asyncDispose]();
    await this.#listeners?.[Symbol.asyncDispose]();
    for (const keeper of this.#keepers.splice(0).reverse()) keeper[Symbol.dispose]();
  }

  #running(): Listeners {
    if (this.#listeners === undefined) {
      throw kubeErrors.create("KUBE_UNAVAILABLE", "the local API server has not been started");
    }
    return this.#listeners;
  }

  #createInitialObjects(): void {
    for (const name of SYSTEM_NAMESPACES) this.#create("namespaces", { metadata: { name } });
    for (const definition of this.#options.definitions ?? []) {
      this.#create("customresourcedefinitions.apiextensions.k8s.io", definition);
    }
  }

  #create(kindId: string, object: object): void {
    const definition = this.#deps.kinds.byId(kindId);
    if (definition !== undefined) createObject(this.#deps, systemScope(definition, undefined), asJson(object), WRITE);
  }
}

function newSigningKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}
