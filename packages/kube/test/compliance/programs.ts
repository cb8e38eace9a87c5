// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import type { Change } from "@ambientmesh/core";
import { describe, expect, it } from "vitest";
import { RESOURCES, createEventRecorder, createInformer, electLeader, type Resource } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

/** What programs build on the client: informers, elections, events. */
export function describePrograms(api: () => ApiUnderTest): void {
  describe("informers", () => {
    it("follow additions, updates and removals, over many watches", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const labelSelector = "seen=yes";
      const labels = { seen: "yes" };
      await client.create(RESOURCES.ConfigMap, { metadata: { name: "a", namespace, labels } });
      const options = { resource: RESOURCES.ConfigMap, namespace, labelSelector, watchSeconds: 1, random: () => 0 };
      await using informer = createInformer(options, { client });
      await informer.start();
      const changes: Change<ConfigMap>[] = [];
      informer.store.subscribe((batch) => changes.push(...batch));
      await client.create(RESOURCES.ConfigMap, { metadata: { name: "b", namespace, labels } });
      await client.mergePatch(RESOURCES.ConfigMap, { name: "a", namespace }, { data: { k: "v" } });
      await client.mergePatch(RESOURCES.ConfigMap, { name: "b", namespace }, { metadata: { labels: null } });
      await client.delete(RESOURCES.ConfigMap, { name: "a", namespace });
      await eventually(() => informer.store.size === 0);
      // Two watches end by time in between; nothing is told twice.
      await client.create(RESOURCES.ConfigMap, { metadata: { name: "c", namespace, labels } });
      await eventually(() => informer.store.size === 1);
      const told = changes.map(
        ({ key, before, after }) => `${before ? "" : "+"}${after ? "" : "-"}${key.split("/")[1]}`,
      );
      expect(told).toEqual(["+a", "+b", "a", "-b", "-a", "+c"]);
    });

    it("wait for a kind that is not installed", async () => {
      const resource: Resource = {
        apiVersion: `x${randomBytes(3).toString("hex")}.example.com/v1`,
        kind: "X",
        plural: "xs",
        isNamespaced: true,
      };
      await using informer = createInformer({ resource }, { client: api().client });
      await informer.start();
      expect(informer.store.size).toBe(0);
    });
  });

  describe("elections and events", () => {
    it("lead one after the other", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const leaders: string[] = [];
      const run = (identity: string): ReturnType<typeof electLeader> =>
        electLeader(
          { namespace, name: "leader", identity, leaseMs: 2000, retryMs: 100 },
          { client },
          async (signal) => {
            leaders.push(identity);
            await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
          },
        );
      const first = run("first");
      await eventually(() => first.isLeader);
      await using second = run("second");
      await first[Symbol.asyncDispose]();
      await eventually(() => second.isLeader);
      expect(leaders).toEqual(["first", "second"]);
    });

    it("are recorded", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const object = await client.create(RESOURCES.ConfigMap, { metadata: { name: "a", namespace } });
      await using recorder = createEventRecorder({ component: "compliance" }, { client });
      const event = { type: "Normal", reason: "Tested", message: "it was tested" } as const;
      recorder.record(object, event);
      const recorded = await eventually(
        async () => (await client.list(RESOURCES.Event, { namespace, fieldSelector: "reason=Tested" }))[0],
      );
      expect(recorded).toMatchObject({ ...event, count: 1, involvedObject: { name: "a", uid: object.metadata.uid } });
      recorder.record(object, event);
      await eventually(async () => (await client.list(RESOURCES.Event, { namespace }))[0]?.count === 2);
    });
  });
}
