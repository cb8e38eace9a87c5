// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { isMeshError, type Change } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import {
  RESOURCES,
  createInformer,
  createInformers,
  kubeErrors,
  type Informer,
  type InformerOptions,
} from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { passTime } from "../support/pass-time.ts";
import { configMap } from "../support/objects.ts";
import { ScriptedApi, WatchScript } from "../support/scripted-api.ts";

interface Setup extends AsyncDisposable {
  readonly api: ScriptedApi;
  readonly clock: FakeClock;
  readonly informer: Informer<ConfigMap>;
  readonly changes: Change<ConfigMap>[];
  /** Lets waits end until `isDone`. */
  readonly passTime: (isDone: () => boolean) => Promise<void>;
}

function setUp(options: Partial<InformerOptions<ConfigMap>> = {}): Setup {
  const api = new ScriptedApi();
  const clock = new FakeClock();
  const informer = createInformer(
    { resource: RESOURCES.ConfigMap, random: () => 0.5, ...options },
    { client: api, clock },
  );
  const changes: Change<ConfigMap>[] = [];
  informer.store.subscribe((batch) => changes.push(...batch));
  return {
    api,
    clock,
    informer,
    changes,
    passTime: (isDone) => passTime(clock, isDone),
    [Symbol.asyncDispose]: () => informer[Symbol.asyncDispose](),
  };
}

const names = ({ store }: Informer<ConfigMap>): readonly string[] =>
  [...store.values()].map(({ metadata }) => metadata.name);
const added = (name: string, version: number): { type: "ADDED"; object: ConfigMap } => ({
  type: "ADDED",
  object: configMap(name, version),
});

describe("informers", () => {
  it("list in pages, then watch from the list's version", async () => {
    await using setup = setUp({ pageSize: 2 });
    const { api, informer } = setup;
    const watch = new WatchScript();
    api.lists.push(
      { items: [configMap("a", 1), configMap("b", 2)], version: "5", next: "more" },
      { items: [configMap("c", 3)], version: "5" },
    );
    api.watches.push(watch);
    await informer.start();
    expect(names(informer)).toEqual(["a", "b", "c"]);
    watch.send(added("d", 6), { type: "DELETED", object: configMap("a", 7) });
    await eventually(() => names(informer).join() === "b,c,d");
    expect(api.asked).toEqual(["list limit=2", "list limit=2 continue=more", "watch from=5"]);
  });

  it("resume where they were when the server ends a watch, bookmarks included", async () => {
    await using setup = setUp();
    const { api, informer, passTime, clock } = setup;
    api.lists.push({ items: [], version: "5" });
    const first = new WatchScript().send(added("a", 6)).send({ type: "BOOKMARK", resourceVersion: "90" });
    api.watches.push(first, new WatchScript().send(added("b", 91)));
    await informer.start();
    await eventually(() => informer.store.size === 1);
    clock.advance(2000);
    first.end();
    await passTime(() => informer.store.size === 2);
    expect(api.asked).toEqual(["list limit=500", "watch from=5", "watch from=90"]);
  });

  test.each([
    ["an event", (watch: WatchScript) => watch.end(kubeErrors.create("KUBE_EXPIRED", "too old resource version"))],
    ["the answer", () => kubeErrors.create("KUBE_EXPIRED", "too old resource version")],
    [
      "a version from the future",
      () =>
        kubeErrors.create("KUBE_TIMEOUT", "Too large resource version", {
          details: { causes: [{ reason: "ResourceVersionTooLarge" }] },
        }),
    ],
  ])("list again after 410 (%s) and tell only what has changed", async (_how, expire) => {
    await using setup = setUp();
    const { api, informer, changes, passTime } = setup;
    api.lists.push(
      { items: [configMap("same", 1), configMap("old", 2), configMap("gone", 3)], version: "5" },
      { items: [configMap("same", 1), configMap("old", 8), configMap("new", 9)], version: "10" },
    );
    api.watches.push(expire(new WatchScript()));
    await informer.start();
    changes.splice(0);
    await passTime(() => changes.length > 0);
    const told = changes.map(
      ({ key, before, after }) => `${key} ${before?.metadata.resourceVersion}>${after?.metadata.resourceVersion}`,
    );
    expect(told.toSorted()).toEqual(["ns/gone 3>undefined", "ns/new undefined>9", "ns/old 2>8"]);
    await passTime(() => api.asked.at(-1) === "watch from=10");
    expect(informer.store.isSynced).toBe(true);
  });

  it("keep what they have while the server is away, and wait longer each time", async () => {
    await using setup = setUp();
    const { api, informer, changes, clock, passTime } = setup;
    const away = (): Error => kubeErrors.create("KUBE_UNAVAILABLE", "connection refused", { retryable: true });
    api.lists.push({ items: [configMap("a", 1)], version: "5" });
    api.watches.push(new WatchScript().end(away()), away(), away(), away(), new WatchScript().send(added("b", 6)));
    await informer.start();
    changes.splice(0);
    const triedAt: number[] = [];
    for (let tries = 2; tries <= 5; tries++) {
      await passTime(() => api.asked.filter((asked) => asked === "watch from=5").length === tries);
      triedAt.push(clock.monotonicMs());
    }
    const waits = triedAt.map((at, index) => at - (triedAt[index - 1] ?? 0));
    expect(waits).toEqual([200, 400, 800, 1600]);
    await eventually(() => informer.store.size === 2);
    expect(changes.map(({ key }) => key)).toEqual(["ns/b"]);
  });

  it("wait as long as the server asks", async () => {
    await using setup = setUp();
    const { api, informer, clock, passTime } = setup;
    api.lists.push(
      kubeErrors.create("KUBE_TOO_MANY_REQUESTS", "slow down", { retryable: true, details: { retryAfterMs: 7000 } }),
      { items: [], version: "5" },
    );
    const started = informer.start();
    await passTime(() => informer.store.isSynced);
    await started;
    expect(clock.monotonicMs()).toBe(7000);
  });

  it("do not turn hot when watches end at once", async () => {
    await using setup = setUp();
    const { api, informer, clock, passTime } = setup;
    api.lists.push({ items: [], version: "5" });
    api.watches.push(...Array.from({ length: 6 }, () => new WatchScript().end()));
    await informer.start();
    await passTime(() => api.asked.length === 8);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(200 + 400 + 800 + 1600 + 3200);
  });

  it("give up a watch that is silent beyond its end", async () => {
    await using setup = setUp({ watchSeconds: 100 });
    const { api, informer, clock } = setup;
    api.lists.push({ items: [], version: "5" });
    const silent = new WatchScript();
    api.watches.push(silent, new WatchScript());
    await informer.start();
    await eventually(() => api.asked.length === 2);
    clock.advance(150_000 + 29_000);
    expect(api.asked).toHaveLength(2);
    clock.advance(2000);
    await setup.passTime(() => api.asked.length === 3);
    expect(silent.isDisposed).toBe(true);
    expect(api.asked[2]).toBe("watch from=5");
  });

  it("ask for smaller pages when one is too large", async () => {
    await using setup = setUp();
    const { api, informer, passTime } = setup;
    const tooLarge = (): Error => kubeErrors.create("KUBE_RESPONSE_TOO_LARGE", "too large");
    api.lists.push(tooLarge(), tooLarge(), { items: [], version: "5" });
    const started = informer.start();
    await passTime(() => informer.store.isSynced);
    await started;
    expect(api.asked.slice(0, 3)).toEqual(["list limit=500", "list limit=125", "list limit=31"]);
  });

  it("take an optional kind that may not be read for one that is not installed, and keep what was read before", async () => {
    const failures: string[] = [];
    await using setup = setUp({ isOptional: true, onFailure: ({ code }) => failures.push(code) });
    const { api, informer } = setup;
    const forbidden = (): Error => kubeErrors.create("KUBE_FORBIDDEN", "configmaps is forbidden");
    api.lists.push(forbidden(), { items: [configMap("a", 1)], version: "5" }, forbidden(), { items: [], version: "9" });
    const watch = new WatchScript();
    api.watches.push(watch);
    await informer.start();
    expect(names(informer)).toEqual([]);
    await setup.passTime(() => informer.store.size === 1);
    watch.end(forbidden());
    await setup.passTime(() => failures.length === 3);
    expect(names(informer)).toEqual(["a"]);
    await setup.passTime(() => informer.store.size === 0);
    expect(failures).toEqual(["KUBE_FORBIDDEN", "KUBE_FORBIDDEN", "KUBE_FORBIDDEN"]);
  });

  it("wait for permission to read a kind that is not optional", async () => {
    await using setup = setUp();
    const { api, informer } = setup;
    api.lists.push(kubeErrors.create("KUBE_FORBIDDEN", "configmaps is forbidden"), { items: [], version: "5" });
    const started = informer.start();
    await eventually(() => api.lists.length === 1);
    expect(informer.store.isSynced).toBe(false);
    await setup.passTime(() => informer.store.isSynced);
    await started;
  });

  it("hold nothing while their kind is not installed, and pick it up", async () => {
    await using setup = setUp({ absentRetryMs: 5000 });
    const { api, informer, clock, passTime } = setup;
    const absent = (): Error => kubeErrors.create("KUBE_NOT_FOUND", "the server could not find the requested resource");
    api.lists.push(absent(), absent(), { items: [configMap("a", 1)], version: "5" });
    await informer.start();
    expect(informer.store.isSynced).toBe(true);
    expect(informer.store.size).toBe(0);
    await passTime(() => informer.store.size === 1);
    expect(clock.monotonicMs()).toBe(10_000);
  });

  it("believe that their kind is gone only after several answers", async () => {
    await using setup = setUp();
    const { api, informer, changes, passTime } = setup;
    const absent = (): Error => kubeErrors.create("KUBE_NOT_FOUND", "the server could not find the requested resource");
    api.lists.push({ items: [configMap("a", 1)], version: "5" }, absent(), {
      items: [configMap("a", 1)],
      version: "5",
    });
    api.watches.push(absent(), absent());
    await informer.start();
    changes.splice(0);
    await passTime(() => api.asked.filter((asked) => asked.startsWith("list")).length === 3);
    await eventually(() => api.asked.at(-1)?.startsWith("watch"));
    expect(changes).toEqual([]);
    api.lists.push(absent(), absent());
    await passTime(() => changes.length > 0);
    expect(changes).toMatchObject([{ key: "ns/a", before: { metadata: { name: "a" } } }]);
  });

  it("hold frozen objects without bookkeeping, and smaller ones where asked", async () => {
    const bookkept = {
      ...configMap("a", 1),
      metadata: {
        ...configMap("a", 1).metadata,
        annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}", kept: "yes" },
        managedFields: [{ manager: "x" }],
      },
    };
    await using setup = setUp({ strip: ({ data: _data, ...rest }) => rest });
    setup.api.lists.push({ items: [{ ...bookkept, data: { big: "text" } }], version: "5" });
    await setup.informer.start();
    const held = setup.informer.store.get("ns/a");
    expect(held?.metadata.annotations).toEqual({ kept: "yes" });
    expect(held?.metadata).not.toHaveProperty("managedFields");
    expect(held).not.toHaveProperty("data");
    expect(Object.isFrozen(held) && Object.isFrozen(held?.metadata.annotations)).toBe(true);
  });

  it("give up a start that is aborted", async () => {
    await using setup = setUp();
    const abort = new AbortController();
    const started = setup.informer.start(abort.signal);
    await eventually(() => setup.api.asked.length === 1);
    abort.abort();
    await expect(started).rejects.toSatisfy((error) => isMeshError(error, "ABORTED"));
  });

  it("start and stop together", async () => {
    const api = new ScriptedApi();
    api.lists.push({ items: [], version: "5" }, { items: [], version: "5" });
    await using informers = createInformers({ client: api, clock: new FakeClock() });
    const first = informers.informer({ resource: RESOURCES.ConfigMap });
    const second = informers.informer({ resource: RESOURCES.Secret });
    expect(informers.isSynced).toBe(false);
    await informers.start();
    expect(informers.isSynced).toBe(true);
    expect(first.store.isSynced && second.store.isSynced).toBe(true);
  });
});
