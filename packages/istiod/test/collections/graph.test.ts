// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";
import { describe, expect, it, vi } from "vitest";
import type { Collection, SourceCollection } from "../../src/collections/collection.ts";
import { CollectionGraph } from "../../src/collections/graph.ts";

interface Pod {
  readonly node: string;
  readonly app: string;
}

/** pods, each with the zone of its node and the names of the services that select it. */
function podsGraph(onFailure = vi.fn()) {
  const graph = new CollectionGraph(onFailure);
  const pods = graph.source<Pod>("pods");
  const zones = graph.source<string>("zones");
  const services = graph.source<{ name: string; app: string }>("services");
  const servicesByAll = services.index("all", () => [""]);
  const derived = vi.fn<(key: string) => void>();
  const views = graph.derive<Pod, string>({
    name: "views",
    from: pods,
    reads: [zones, servicesByAll],
    equals: Object.is,
    derive: (pod, fetch, key) => {
      derived(key);
      if (pod.node === "broken") throw new TypeError("no such node");
      const selecting = fetch.many(servicesByAll, "", ({ app }) => app === pod.app).map(({ name }) => name);
      return [[key, `${fetch.one(zones, pod.node) ?? "?"} ${selecting.sort().join(",")}`]];
    },
  });
  return { graph, pods, zones, services, views, derived, onFailure };
}

const contents = <T>(collection: Collection<T>): Record<string, T> => Object.fromEntries(collection.entries());

describe("a derived collection", () => {
  it("follows its input and everything it read", () => {
    const { graph, pods, zones, services, views } = podsGraph();
    pods.set("a", { node: "n1", app: "web" });
    graph.settle();
    expect(contents(views)).toEqual({ a: "? " });
    zones.set("n1", "z1");
    services.set("s", { name: "s", app: "web" });
    graph.settle();
    expect(contents(views)).toEqual({ a: "z1 s" });
    zones.delete("n1");
    services.delete("s");
    graph.settle();
    expect(contents(views)).toEqual({ a: "? " });
    pods.delete("a");
    graph.settle();
    expect(contents(views)).toEqual({});
  });

  it("derives everything again when it is invalidated", () => {
    const graph = new CollectionGraph(vi.fn());
    const context = { suffix: "a" };
    const words = graph.source<string>("words");
    const views = graph.derive<string, string>({
      name: "views",
      from: words,
      equals: Object.is,
      derive: (word, _fetch, key) => [[key, word + context.suffix]],
    });
    words.set("x", "x");
    words.set("y", "y");
    graph.settle();
    context.suffix = "b";
    graph.settle();
    expect(contents(views)).toEqual({ x: "xa", y: "ya" });
    graph.invalidate();
    graph.settle();
    expect(contents(views)).toEqual({ x: "xb", y: "yb" });
  });

  it("derives again only what depends on a change, once per batch", () => {
    const { graph, pods, zones, services, derived } = podsGraph();
    pods.set("a", { node: "n1", app: "web" });
    pods.set("b", { node: "n2", app: "db" });
    graph.settle();
    derived.mockClear();
    zones.set("n1", "z1");
    zones.set("n3", "z3");
    services.set("s", { name: "s", app: "web" });
    services.set("t", { name: "t", app: "cache" });
    graph.settle();
    expect(derived.mock.calls).toEqual([["a"]]);
    services.set("s", { name: "s", app: "db" });
    derived.mockClear();
    graph.settle();
    expect(derived.mock.calls.flat().sort()).toEqual(["a", "b"]);
  });

  it("does not pass on what comes out equal", () => {
    const { graph, pods, views } = podsGraph();
    const changes = vi.fn();
    pods.set("a", { node: "n1", app: "web" });
    graph.settle();
    views.subscribe(changes);
    pods.set("a", { node: "n2", app: "web" });
    graph.settle();
    expect(changes).not.toHaveBeenCalled();
  });

  it("keeps what it had when an input turns bad, reports it, and recovers", () => {
    const { graph, pods, zones, views, onFailure } = podsGraph();
    zones.set("n1", "z1");
    pods.set("a", { node: "n1", app: "web" });
    pods.set("b", { node: "broken", app: "web" });
    graph.settle();
    pods.set("a", { node: "broken", app: "web" });
    graph.settle();
    expect(contents(views)).toEqual({ a: "z1 " });
    expect(onFailure.mock.calls.map(([failure]) => failure)).toEqual([
      { collection: "views", key: "b", error: new TypeError("no such node") },
      { collection: "views", key: "a", error: new TypeError("no such node") },
    ]);
    pods.set("a", { node: "n9", app: "web" });
    graph.settle();
    expect(contents(views)).toEqual({ a: "? " });
  });

  it("replaces a failed input by what whenFailed gives", () => {
    const graph = new CollectionGraph(vi.fn());
    const source = graph.source<number>("numbers");
    const derived = graph.derive<number, string>({
      name: "even",
      from: source,
      equals: Object.is,
      derive: (value, _fetch, key) => {
        if (value % 2 !== 0) throw new RangeError("odd");
        return [[key, String(value)]];
      },
      whenFailed: (_value, key) => [[key, "refused"]],
    });
    source.set("a", 2);
    graph.settle();
    source.set("a", 3);
    graph.settle();
    expect(contents(derived)).toEqual({ a: "refused" });
  });

  it("refuses a key that another input gave already and keeps the first", () => {
    const onFailure = vi.fn();
    const graph = new CollectionGraph(onFailure);
    const source = graph.source<string>("names");
    const derived = graph.derive<string, string>({
      name: "same",
      from: source,
      equals: Object.is,
      derive: (name) => [["only", name]],
    });
    source.set("a", "first");
    source.set("b", "second");
    graph.settle();
    expect(contents(derived)).toEqual({ only: "first" });
    expect(onFailure.mock.calls[0]?.[0].error).toMatchObject({ code: "ISTIOD_DUPLICATE_KEY" });
  });

  it("crashes on a read that was not declared", () => {
    const graph = new CollectionGraph(vi.fn());
    const source = graph.source<string>("names");
    const other = graph.source<string>("other");
    graph.derive<string, string>({
      name: "careless",
      from: source,
      equals: Object.is,
      derive: (_name, fetch, key) => [[key, fetch.one(other, key) ?? ""]],
    });
    source.set("a", "x");
    expect(() => graph.settle()).toThrow('careless reads "other" without declaring it');
  });
});

describe("a union", () => {
  it("holds the objects of all parts, the first part winning", () => {
    const graph = new CollectionGraph(vi.fn());
    const [first, second]: SourceCollection<string>[] = [graph.source("first"), graph.source("second")] as const;
    const union = graph.union("both", [first, second] as SourceCollection<string>[]);
    second?.set("a", "second");
    second?.set("b", "second");
    graph.settle();
    first?.set("a", "first");
    graph.settle();
    expect(contents(union)).toEqual({ a: "first", b: "second" });
    first?.delete("a");
    second?.delete("b");
    graph.settle();
    expect(contents(union)).toEqual({ a: "second" });
  });
});

describe("publication", () => {
  it("tells one change per key, with the state of the last publication before it", () => {
    const { graph, pods, zones, views } = podsGraph();
    const published: Change<string>[][] = [];
    using _subscription = views.subscribe((changes) => void published.push([...changes]));
    pods.set("a", { node: "n1", app: "web" });
    graph.settle();
    zones.set("n1", "z1");
    graph.work(() => false);
    zones.set("n1", "z2");
    pods.set("gone", { node: "n1", app: "web" });
    graph.work(() => false);
    pods.delete("gone");
    graph.settle();
    expect(published).toEqual([[{ key: "a", after: "? " }], [{ key: "a", before: "? ", after: "z2 " }]]);
  });

  it("stops when the subscription is disposed", () => {
    const { graph, pods, views } = podsGraph();
    const listener = vi.fn();
    views.subscribe(listener)[Symbol.dispose]();
    pods.set("a", { node: "n1", app: "web" });
    graph.settle();
    expect(listener).not.toHaveBeenCalled();
  });

  it("can pause between any two derivations", () => {
    const { graph, pods, views } = podsGraph();
    for (const key of ["a", "b", "c"]) pods.set(key, { node: "n", app: "web" });
    expect([graph.work(() => true), graph.work(() => true), views.size]).toEqual([false, false, 2]);
    expect(graph.work(() => true)).toBe(true);
    expect(graph.sizes()).toMatchObject({ pods: 3, views: 3 });
  });
});
