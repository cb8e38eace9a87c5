// SPDX-License-Identifier: Apache-2.0
import type { Condition, CustomResourceDefinition } from "@ambientmesh/api/kubernetes";
import { messageOf } from "@ambientmesh/core";
import { jsonEqual } from "../../json/json.ts";
import { kindOfCrd } from "../kinds/crd.ts";
import { kindId, type KindDefinition } from "../kinds/kind.ts";
import { CRD_CLEANUP_FINALIZER } from "../kinds/strategies/crd.ts";
import { asJson, withField, type ApiObject } from "../objects/api-object.ts";
import { timestamp, type ObjectDeps } from "../objects/scope.ts";
import type { StoreEvent } from "../store/kind-table.ts";
import { deleteQuietly, releaseFinalizer } from "./system-scope.ts";
import { WorkQueue } from "./work-queue.ts";

const CRDS = "customresourcedefinitions.apiextensions.k8s.io";

/** Serves the kinds that CustomResourceDefinitions define, tells so in their status, and deletes their objects with them. */
export class CrdKeeper implements Disposable {
  readonly #deps: ObjectDeps;
  readonly #queue: WorkQueue;
  readonly #listening: Disposable;
  /** Names that clash with kinds that were there before, by name of the definition. */
  readonly #clashes = new Map<string, string>();

  constructor(deps: ObjectDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue(deps.logger, (name) => this.#check(name));
    this.#listening = deps.store.listen((id, event) => this.#onEvent(id, event));
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #onEvent(id: string, { after, object }: StoreEvent): void {
    if (id === CRDS) {
      const { name } = object.metadata;
      if (after === undefined) this.#forget(object);
      else this.#serve(after);
      this.#queue.add(name);
    } else if (after === undefined && this.#deps.store.table(CRDS).get(id) !== undefined) this.#queue.add(id);
  }

  // At once, so that whoever created the definition can use its kind.
  #serve(object: ApiObject): void {
    const { name } = object.metadata;
    const definition = kindOfCrd(object as unknown as CustomResourceDefinition);
    this.#clashes.delete(name);
    try {
      if (definition === undefined) this.#deps.kinds.unregister(name);
      else this.#deps.kinds.register(definition);
    } catch (error) {
      this.#clashes.set(name, messageOf(error));
    }
  }

  #forget(object: ApiObject): void {
    const { name } = object.metadata;
    if (!this.#clashes.delete(name)) this.#deps.kinds.unregister(name);
  }

  #check(name: string): void {
    const object = this.#deps.store.table(CRDS).get(name);
    if (object === undefined) return;
    if (object.metadata.deletionTimestamp !== undefined) this.#cleanUp(object);
    else this.#writeStatus(object);
  }

  #cleanUp(object: ApiObject): void {
    const { name } = object.metadata;
    const served = this.#clashes.has(name) ? undefined : this.#deps.kinds.byId(name);
    if (served !== undefined && this.#deleteAll(served) > 0) return;
    const own = this.#deps.kinds.byId(CRDS);
    if (own !== undefined && object.metadata.finalizers?.includes(CRD_CLEANUP_FINALIZER)) {
      releaseFinalizer(this.#deps, own, object, CRD_CLEANUP_FINALIZER);
    }
  }

  #deleteAll(definition: KindDefinition): number {
    const table = this.#deps.store.table(kindId(definition));
    for (const object of table.list()) deleteQuietly(this.#deps, definition, object);
    return table.size;
  }

  #writeStatus(object: ApiObject): void {
    const { spec, status } = object as unknown as CustomResourceDefinition;
    const clash = this.#clashes.get(object.metadata.name);
    const isServed = clash === undefined && spec.versions.some((version) => version.served);
    const stored = spec.versions.filter((version) => version.storage).map((version) => version.name);
    const wanted = {
      acceptedNames: spec.names,
      storedVersions: [...new Set([...(status?.storedVersions ?? []), ...stored])],
      conditions: [
        this.#condition(status?.conditions, "NamesAccepted", {
          isTrue: clash === undefined,
          message: clash ?? "no conflicts found",
        }),
        this.#condition(status?.conditions, "Established", {
          isTrue: isServed,
          message: clash ?? "the kind is served",
        }),
      ],
    };
    if (jsonEqual(asJson(wanted), asJson(status ?? {}))) return;
    this.#deps.store.put(CRDS, withField(object, "status", asJson(wanted)));
  }

  #condition(
    present: readonly Condition[] | undefined,
    type: string,
    { isTrue, message }: { readonly isTrue: boolean; readonly message: string },
  ): Condition {
    const before = present?.find((condition) => condition.type === type);
    const status = isTrue ? "True" : "False";
    const isSame = before?.status === status && before.message === message;
    if (isSame) return before;
    const reason = isTrue ? "Accepted" : "Conflict";
    return { type, status, reason, message, lastTransitionTime: timestamp(this.#deps.clock.now()) };
  }
}
