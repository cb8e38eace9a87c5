// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { silentLogger, type Change } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WatchEvent } from "../../src/index.ts";
import { changesOfEvents, changesToList } from "../../src/informer/diff.ts";
import { MemoryStore } from "../../src/informer/memory-store.ts";
import { objectKey } from "../../src/resource.ts";
import { configMap } from "../support/objects.ts";

const newStore = (): MemoryStore<ConfigMap> => new MemoryStore(silentLogger);

const summary = (changes: readonly Change<ConfigMap>[]): readonly string[] =>
  changes.map(
    ({ key, before, after }) =>
      `${key} ${before?.metadata.resourceVersion ?? "-"}>${after?.metadata.resourceVersion ?? "-"}`,
  );

const asMap = (objects: readonly ConfigMap[]): ReadonlyMap<string, ConfigMap> =>
  new Map(objects.map((object) => [objectKey(object.metadata), object]));

describe("MemoryStore", () => {
  it("tells listeners after objects and indexes are in place", () => {
    const store = newStore();
    const byLetter = store.index(({ metadata }) => [metadata.name[0] ?? ""]);
    const seen: string[] = [];
    store.subscribe((changes) =>
      seen.push(`${summary(changes).join()} ${store.size} ${[...byLetter.get("a")].length}`),
    );
    const first = configMap("a1", 1);
    store.commit([
      { key: "ns/a1", after: first },
      { key: "ns/b1", after: configMap("b1", 2) },
    ]);
    store.commit([{ key: "ns/a1", before: first }]);
    store.commit([]);
    expect(seen).toEqual(["ns/a1 ->1,ns/b1 ->2 2 1", "ns/a1 1>- 1 0"]);
    expect(byLetter.has("a")).toBe(false);
    expect([...byLetter.values()]).toEqual(["b"]);
    expect([...byLetter.get("nothing")]).toEqual([]);
  });

  it("shows a new subscriber and a new index what is there", () => {
    const store = newStore();
    store.commit([{ key: "ns/a", after: configMap("a", 1) }]);
    const seen: string[] = [];
    const subscription = store.subscribe((changes) => seen.push(...summary(changes)));
    expect(seen).toEqual(["ns/a ->1"]);
    expect(store.index(() => ["all"]).has("all")).toBe(true);
    subscription[Symbol.dispose]();
    store.commit([{ key: "ns/b", after: configMap("b", 2) }]);
    expect(seen).toHaveLength(1);
    expect([...store.entries()].map(([key]) => key)).toEqual(["ns/a", "ns/b"]);
    expect([...store.values()]).toHaveLength(2);
  });

  it("keeps one listener's fault from the others", () => {
    const errors: string[] = [];
    const store = new MemoryStore<ConfigMap>({ ...silentLogger, error: (event) => errors.push(event) });
    const seen: string[] = [];
    store.subscribe(() => {
      throw new Error("broken listener");
    });
    store.subscribe((changes) => seen.push(...summary(changes)));
    store.commit([{ key: "ns/a", after: configMap("a", 1) }]);
    expect(seen).toEqual(["ns/a ->1"]);
    expect(errors).toEqual(["a listener of a store failed"]);
  });

  it("moves objects between the values of an index", () => {
    const store = newStore();
    const byData = store.index(({ data }) => Object.values(data ?? {}));
    const before = configMap("a", 1, { x: "red", y: "blue" });
    const after = configMap("a", 2, { x: "red", y: "green" });
    store.commit([{ key: "ns/a", after: before }]);
    store.commit([{ key: "ns/a", before, after }]);
    expect([...byData.values()].toSorted()).toEqual(["green", "red"]);
    expect([...byData.get("red")]).toEqual([after]);
  });

  it("opens its gate once", async () => {
    const store = newStore();
    const abort = new AbortController();
    const waiting = store.whenSynced(abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    await expect(store.whenSynced(abort.signal)).rejects.toMatchObject({ code: "ABORTED" });
    const patient = store.whenSynced();
    store.markSynced();
    await patient;
    await store.whenSynced(abort.signal);
    expect(store.isSynced).toBe(true);
  });
});

describe("differences", () => {
  it("to a list are additions, updates and removals, and nothing for equal versions", () => {
    const store = newStore();
    const objects = [configMap("same", 1), configMap("old", 2), configMap("gone", 3), configMap("reborn", 4)];
    store.commit(objects.map((after) => ({ key: objectKey(after.metadata), after })));
    const reborn = { ...configMap("reborn", 9), metadata: { ...configMap("reborn", 9).metadata, uid: "another" } };
    const listed = asMap([configMap("same", 1), configMap("old", 5), configMap("new", 6), reborn]);
    expect(summary(changesToList(store, listed)).toSorted()).toEqual(
      ["ns/gone 3>-", "ns/new ->6", "ns/old 2>5", "ns/reborn 4>-", "ns/reborn ->9"].toSorted(),
    );
  });

  it("of events follow each other within a batch", () => {
    const store = newStore();
    store.commit([{ key: "ns/a", after: configMap("a", 1) }]);
    const events: WatchEvent<ConfigMap>[] = [
      { type: "MODIFIED", object: configMap("a", 2) },
      { type: "MODIFIED", object: configMap("a", 2) },
      { type: "DELETED", object: configMap("a", 3) },
      { type: "DELETED", object: configMap("unknown", 3) },
      { type: "BOOKMARK", resourceVersion: "4" },
      { type: "ADDED", object: configMap("a", 5) },
    ];
    expect(summary(changesOfEvents(store, events))).toEqual(["ns/a 1>2", "ns/a 2>-", "ns/a ->5"]);
  });

  it("always lead to the list, with `before` as the store had it", () => {
    const objects = fc.uniqueArray(
      fc.record({ name: fc.constantFrom("a", "b", "c", "d"), version: fc.integer({ min: 1, max: 3 }) }),
      { selector: ({ name }) => name },
    );
    const lists = fc.array(objects, { minLength: 1, maxLength: 6 });
    const property = fc.property(lists, (sequence) => {
      const store = newStore();
      return sequence.every((list) => {
        const listed = asMap(list.map(({ name, version }) => configMap(name, version)));
        const changes = changesToList(store, listed);
        const areTrue = changes.every(({ key, before }) => store.get(key) === before);
        store.commit(changes);
        const keys = [...store.entries()].map(([key, object]) => `${key}@${object.metadata.resourceVersion}`);
        const wanted = [...listed].map(([key, object]) => `${key}@${object.metadata.resourceVersion}`);
        return areTrue && keys.toSorted().join() === wanted.toSorted().join();
      });
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});
