// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { RESOURCES, type WatchEvent } from "../../src/index.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

type Seen = readonly [type: string, name: string];

/** Lists in pages, selectors, watches. */
export function describeWatches(api: () => ApiUnderTest): void {
  const create = (namespace: string, name: string, labels: Record<string, string> = {}): Promise<ConfigMap> =>
    api().client.create(RESOURCES.ConfigMap, { metadata: { name, namespace, labels } });

  const collect = async (
    query: { namespace: string; resourceVersion: string; labelSelector?: string; fieldSelector?: string },
    count: number,
  ): Promise<readonly Seen[]> => {
    const seen: Seen[] = [];
    using stream = await api().client.watch(RESOURCES.ConfigMap, { ...query, timeoutSeconds: 20 });
    for await (const events of stream) {
      seen.push(...events.filter(isChange).map((event): Seen => [event.type, event.object.metadata.name]));
      if (seen.length >= count) break;
    }
    return seen;
  };

  const versionNow = async (namespace: string): Promise<string> =>
    (await api().client.listPage(RESOURCES.ConfigMap, { namespace, limit: 0 })).metadata.resourceVersion ?? "";

  describe("lists", () => {
    it("gives pages of one moment", async () => {
      const namespace = await api().newNamespace();
      for (const name of ["a", "b", "c", "d", "e"]) await create(namespace, name, { page: "yes" });
      const query = { namespace, labelSelector: "page=yes", limit: 2 };
      const first = await api().client.listPage(RESOURCES.ConfigMap, query);
      expect(first.items.map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
      await create(namespace, "bb", { page: "yes" });
      const second = await api().client.listPage(RESOURCES.ConfigMap, { ...query, continue: first.metadata.continue });
      const third = await api().client.listPage(RESOURCES.ConfigMap, { ...query, continue: second.metadata.continue });
      expect([...second.items, ...third.items].map(({ metadata }) => metadata.name)).toEqual(["c", "d", "e"]);
      expect(third.metadata.continue ?? "").toBe("");
    });

    it("selects by labels and fields", async () => {
      const namespace = await api().newNamespace();
      await create(namespace, "a", { app: "x", tier: "1" });
      await create(namespace, "b", { app: "x" });
      await create(namespace, "c", { app: "y" });
      const names = async (query: object): Promise<readonly string[]> =>
        (await api().client.list(RESOURCES.ConfigMap, { namespace, ...query })).map(({ metadata }) => metadata.name);
      expect(await names({ labelSelector: "app=x" })).toEqual(["a", "b"]);
      expect(await names({ labelSelector: "app in (x,y),!tier" })).toEqual(["b", "c"]);
      expect(await names({ labelSelector: "app,app!=y,tier notin (2)" })).toEqual(["a", "b"]);
      expect(await names({ labelSelector: "app=x", fieldSelector: "metadata.name!=a" })).toEqual(["b"]);
      await expect(names({ labelSelector: "app in x" })).rejects.toMatchObject({ code: "KUBE_BAD_REQUEST" });
      await expect(names({ fieldSelector: "data.k=v" })).rejects.toMatchObject({ code: "KUBE_BAD_REQUEST" });
    });
  });

  describe("watches", () => {
    it("begins where a list ended", async () => {
      const namespace = await api().newNamespace();
      const resourceVersion = await versionNow(namespace);
      const seen = collect({ namespace, resourceVersion, labelSelector: "w=1" }, 3);
      await create(namespace, "a", { w: "1" });
      await api().client.mergePatch(RESOURCES.ConfigMap, { name: "a", namespace }, { data: { k: "v" } });
      await api().client.delete(RESOURCES.ConfigMap, { name: "a", namespace });
      expect(await seen).toEqual([
        ["ADDED", "a"],
        ["MODIFIED", "a"],
        ["DELETED", "a"],
      ]);
    });

    it("resumes from any version it has shown", async () => {
      const namespace = await api().newNamespace();
      const a = await create(namespace, "a", { w: "1" });
      await create(namespace, "b", { w: "1" });
      await create(namespace, "c", { w: "1" });
      const resourceVersion = a.metadata.resourceVersion ?? "";
      expect(await collect({ namespace, resourceVersion, labelSelector: "w=1" }, 2)).toEqual([
        ["ADDED", "b"],
        ["ADDED", "c"],
      ]);
    });

    it("shows objects that enter and leave the selection", async () => {
      const namespace = await api().newNamespace();
      await create(namespace, "a", { w: "0" });
      const resourceVersion = await versionNow(namespace);
      for (const w of ["1", "1", "0"]) {
        await api().client.mergePatch(
          RESOURCES.ConfigMap,
          { name: "a", namespace },
          { metadata: { labels: { w } }, data: { w } },
        );
        await api().client.mergePatch(RESOURCES.ConfigMap, { name: "a", namespace }, { data: { again: w } });
      }
      const seen = await collect({ namespace, resourceVersion, labelSelector: "w=1" }, 3);
      expect(seen.map(([type]) => type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    });

    it("begins with everything that is there when no version is given", async () => {
      const namespace = await api().newNamespace();
      await create(namespace, "a", { w: "1" });
      expect(await collect({ namespace, resourceVersion: "", labelSelector: "w=1" }, 1)).toEqual([["ADDED", "a"]]);
      expect(await collect({ namespace, resourceVersion: "0", fieldSelector: "metadata.name=a" }, 1)).toEqual([
        ["ADDED", "a"],
      ]);
    });

    it("refuses versions that it has forgotten", async ({ skip }) => {
      const { forget } = api();
      if (forget === undefined) return skip("nobody can make this server forget");
      const namespace = await api().newNamespace();
      const resourceVersion = await versionNow(namespace);
      await create(namespace, "a");
      forget();
      await expect(collect({ namespace, resourceVersion }, 1)).rejects.toMatchObject({ code: "KUBE_EXPIRED" });
    });

    it("ends after the time asked for", async () => {
      const namespace = await api().newNamespace();
      const resourceVersion = await versionNow(namespace);
      using stream = await api().client.watch(RESOURCES.ConfigMap, {
        namespace,
        resourceVersion,
        timeoutSeconds: 1,
        labelSelector: "w=1",
      });
      const events: unknown[] = [];
      for await (const batch of stream) events.push(...batch.filter(isChange));
      expect(events).toEqual([]);
    });
  });
}

type ChangeEvent = Exclude<WatchEvent<ConfigMap>, { readonly type: "BOOKMARK" }>;

const isChange = (event: WatchEvent<ConfigMap>): event is ChangeEvent => event.type !== "BOOKMARK";
