// SPDX-License-Identifier: Apache-2.0
import { objectKey } from "../../resource.ts";
import type { KindDefinition } from "../kinds/kind.ts";
import { withMeta, type ApiObject } from "../objects/api-object.ts";
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from "../objects/delete.ts";
import type { ObjectDeps } from "../objects/scope.ts";
import type { StoreEvent } from "../store/kind-table.ts";
import { deleteQuietly, releaseFinalizer, settle } from "./system-scope.ts";
import { WorkQueue } from "./work-queue.ts";

interface Located {
  readonly definition: KindDefinition;
  readonly object: ApiObject;
}

/** Deletes objects whose owners are gone, and winds up owners that wait for (or let go of) their dependents. */
export class GarbageCollector implements Disposable {
  readonly #deps: ObjectDeps;
  readonly #queue: WorkQueue;
  readonly #listening: Disposable;
  /** uid to place, of every object. */
  readonly #places = new Map<string, string>();
  /** uid of an owner to places of its dependents. */
  readonly #dependents = new Map<string, Set<string>>();

  constructor(deps: ObjectDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue(deps.logger, (place) => this.#check(place));
    this.#listening = deps.store.listen((kindId, event) => this.#onEvent(kindId, event));
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #onEvent(kindId: string, { before, after, object }: StoreEvent): void {
    const place = `${kindId} ${objectKey(object.metadata)}`;
    for (const uid of ownersOf(before)) this.#unlink(uid, place);
    for (const uid of ownersOf(after)) this.#link(uid, place);
    const uid = object.metadata.uid ?? "";
    if (after === undefined) this.#onRemoved(uid, before);
    else {
      this.#places.set(uid, place);
      if (needsWork(after)) this.#queue.add(place);
    }
  }

  #onRemoved(uid: string, before: ApiObject | undefined): void {
    this.#places.delete(uid);
    for (const dependent of this.#dependents.get(uid) ?? []) this.#queue.add(dependent);
    for (const owner of ownersOf(before)) {
      const place = this.#places.get(owner);
      if (place !== undefined) this.#queue.add(place);
    }
  }

  #link(uid: string, place: string): void {
    const places = this.#dependents.get(uid) ?? new Set();
    this.#dependents.set(uid, places.add(place));
  }

  #unlink(uid: string, place: string): void {
    const places = this.#dependents.get(uid);
    places?.delete(place);
    if (places?.size === 0) this.#dependents.delete(uid);
  }

  #locate(place: string): Located | undefined {
    const [kindId = "", key = ""] = place.split(" ");
    const definition = this.#deps.kinds.byId(kindId);
    const object = this.#deps.store.table(kindId).get(key);
    return definition === undefined || object === undefined ? undefined : { definition, object };
  }

  #check(place: string): void {
    const located = this.#locate(place);
    if (located === undefined) return;
    const { finalizers = [], deletionTimestamp } = located.object.metadata;
    if (deletionTimestamp !== undefined && finalizers.includes(ORPHAN_FINALIZER)) this.#letGo(located);
    else if (deletionTimestamp !== undefined && finalizers.includes(FOREGROUND_FINALIZER)) this.#windUp(located);
    else this.#checkOwners(located);
  }

  #checkOwners({ definition, object }: Located): void {
    const references = object.metadata.ownerReferences ?? [];
    const present = references.filter((reference) => this.#places.has(reference.uid));
    if (references.length === present.length) return;
    if (present.length === 0) deleteQuietly(this.#deps, definition, object);
    else settle(this.#deps, definition, withMeta(object, { ownerReferences: present }));
  }

  #dependentsOf({ metadata }: ApiObject): readonly Located[] {
    const places = [...(this.#dependents.get(metadata.uid ?? "") ?? [])];
    return places.map((place) => this.#locate(place)).filter((located) => located !== undefined);
  }

  /** Foreground: the owner goes after every dependent that blocks it. */
  #windUp({ definition, object }: Located): void {
    for (const dependent of this.#dependentsOf(object)) {
      deleteQuietly(this.#deps, dependent.definition, dependent.object);
    }
    const isBlocked = this.#dependentsOf(object).some(({ object: { metadata } }) =>
      metadata.ownerReferences?.some((reference) => reference.uid === object.metadata.uid),
    );
    if (!isBlocked) releaseFinalizer(this.#deps, definition, object, FOREGROUND_FINALIZER);
  }

  /** Orphan: the dependents forget the owner. */
  #letGo({ definition, object }: Located): void {
    for (const dependent of this.#dependentsOf(object)) {
      const others = dependent.object.metadata.ownerReferences?.filter(({ uid }) => uid !== object.metadata.uid) ?? [];
      const ownerReferences = others.length === 0 ? undefined : others;
      settle(this.#deps, dependent.definition, withMeta(dependent.object, { ownerReferences }));
    }
    releaseFinalizer(this.#deps, definition, object, ORPHAN_FINALIZER);
  }
}

function ownersOf(object: ApiObject | undefined): readonly string[] {
  return object?.metadata.ownerReferences?.map((reference) => reference.uid) ?? [];
}

function needsWork({ metadata }: ApiObject): boolean {
  return metadata.ownerReferences !== undefined || metadata.deletionTimestamp !== undefined;
}
