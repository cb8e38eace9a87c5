// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "@ambientmesh/core";
import { jsonAt } from "../../json/json.ts";
import { kindId, type KindDefinition } from "../kinds/kind.ts";
import { asJson, withField, type ApiObject } from "../objects/api-object.ts";
import { createObject } from "../objects/create.ts";
import type { ObjectDeps } from "../objects/scope.ts";
import type { StoreEvent } from "../store/kind-table.ts";
import { deleteQuietly, settle, systemScope } from "./system-scope.ts";
import { WorkQueue } from "./work-queue.ts";

const NAMESPACES = "namespaces";
const SERVICE_ACCOUNTS = "serviceaccounts";
const WRITE = { isDryRun: false, fieldManager: "kube-controller-manager", fieldValidation: "Ignore" } as const;

// Long enough for a client that deletes a namespace and, one by one, what it knows in it: each still exists then.
const EMPTY_AFTER_MS = 250;

/** Gives each namespace its default ServiceAccount, and empties namespaces that are to be deleted. */
export class NamespaceKeeper implements Disposable {
  readonly #deps: ObjectDeps;
  readonly #queue: WorkQueue;
  readonly #listening: Disposable;
  /** Namespaces that are about to be emptied, and those that are being emptied. */
  readonly #timers = new Map<string, Timer>();
  readonly #draining = new Set<string>();

  constructor(deps: ObjectDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue(deps.logger, (namespace) => this.#check(namespace));
    this.#listening = deps.store.listen((kindId, event) => this.#onEvent(kindId, event));
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #onEvent(kindId: string, { after, object }: StoreEvent): void {
    if (kindId === NAMESPACES) this.#queue.add(object.metadata.name);
    else if (after === undefined && object.metadata.namespace !== undefined) this.#queue.add(object.metadata.namespace);
  }

  #check(name: string): void {
    const namespace = this.#deps.store.table(NAMESPACES).get(name);
    if (namespace === undefined) return;
    if (namespace.metadata.deletionTimestamp === undefined) this.#ensureDefaultAccount(name);
    else if (this.#draining.has(name)) this.#empty(namespace);
    else this.#startDraining(name);
  }

  #startDraining(name: string): void {
    if (this.#timers.has(name)) return;
    const timer = this.#deps.clock.setTimer(
      EMPTY_AFTER_MS,
      () => {
        this.#timers.delete(name);
        this.#draining.add(name);
        this.#queue.add(name);
      },
      { background: true },
    );
    this.#timers.set(name, timer);
  }

  #ensureDefaultAccount(namespace: string): void {
    const definition = this.#deps.kinds.byId(SERVICE_ACCOUNTS);
    const isThere = this.#deps.store.table(SERVICE_ACCOUNTS).get(`${namespace}/default`) !== undefined;
    if (definition === undefined || isThere) return;
    createObject(this.#deps, systemScope(definition, namespace), { metadata: { name: "default" } }, WRITE);
  }

  #empty(namespace: ApiObject): void {
    const { name } = namespace.metadata;
    for (const { definition, object } of this.#contentOf(name)) deleteQuietly(this.#deps, definition, object);
    if (this.#contentOf(name).length > 0) return;
    const definition = this.#deps.kinds.byId(NAMESPACES);
    const isHeld = jsonAt(asJson(namespace), "spec", "finalizers", 0) !== undefined;
    this.#draining.delete(name);
    if (definition !== undefined && isHeld) settle(this.#deps, definition, withField(namespace, "spec", {}));
  }

  #contentOf(namespace: string): readonly { readonly definition: KindDefinition; readonly object: ApiObject }[] {
    return [...this.#deps.kinds.all()].flatMap((definition) =>
      this.#deps.store
        .table(kindId(definition))
        .list(namespace)
        .map((object) => ({ definition, object })),
    );
  }
}
