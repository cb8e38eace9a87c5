// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap, Event } from "@ambientmesh/api/kubernetes";
import { describe, expect, it } from "vitest";
import { RESOURCES, createEventRecorder, kubeErrors, type KubeClient } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { startLocal, type LocalFixture } from "../support/local.ts";

const EVENT = { type: "Warning", reason: "NotBound", message: "no waypoint is ready" } as const;

async function newObject({ client }: LocalFixture, name = "a"): Promise<ConfigMap> {
  return client.create(RESOURCES.ConfigMap, { metadata: { name, namespace: "default" } });
}

const eventsOf = ({ client }: LocalFixture, name: string): Promise<readonly Event[]> =>
  client.list(RESOURCES.Event, { namespace: "default", fieldSelector: `involvedObject.name=${name}` });

describe("event recorder", () => {
  it("writes an event that kubectl finds, and counts equal ones up", async () => {
    await using kube = await startLocal();
    await using recorder = createEventRecorder({ component: "istiod", host: "n1" }, { client: kube.client });
    const object = await newObject(kube);
    recorder.record(object, EVENT);
    const event = await eventually(async () => (await eventsOf(kube, "a"))[0]);
    expect(event).toMatchObject({
      ...EVENT,
      count: 1,
      source: { component: "istiod", host: "n1" },
      involvedObject: {
        apiVersion: "v1",
        kind: "ConfigMap",
        name: "a",
        namespace: "default",
        uid: object.metadata.uid,
      },
    });
    for (let again = 0; again < 5; again++) recorder.record(object, EVENT);
    await eventually(async () => (await eventsOf(kube, "a"))[0]?.count === 6);
    recorder.record(object, { ...EVENT, message: "another" });
    await eventually(async () => (await eventsOf(kube, "a")).length === 2);
  });

  it("writes anew what was deleted meanwhile", async () => {
    await using kube = await startLocal();
    await using recorder = createEventRecorder({ component: "istiod" }, { client: kube.client });
    const object = await newObject(kube);
    recorder.record(object, EVENT);
    const first = await eventually(async () => (await eventsOf(kube, "a"))[0]);
    await kube.client.delete(RESOURCES.Event, first.metadata);
    recorder.record(object, EVENT);
    const again = await eventually(async () => (await eventsOf(kube, "a"))[0]);
    expect(again.count).toBe(2);
  });

  it("drops what does not fit and goes on after failures", async () => {
    await using kube = await startLocal();
    const gate = Promise.withResolvers<void>();
    let creations = 0;
    const client = {
      create: async (...args: Parameters<KubeClient["create"]>) => {
        creations++;
        await gate.promise;
        if (creations === 1) throw kubeErrors.create("KUBE_UNAVAILABLE", "away");
        return kube.client.create(...args);
      },
    } as unknown as KubeClient;
    await using recorder = createEventRecorder({ component: "istiod", capacity: 2 }, { client });
    const object = await newObject(kube);
    for (const reason of ["One", "Two", "Three", "Four", "Five"]) recorder.record(object, { ...EVENT, reason });
    gate.resolve();
    await eventually(async () => (await eventsOf(kube, "a")).length > 0);
    recorder.record(object, { ...EVENT, reason: "Later" });
    await eventually(async () => (await eventsOf(kube, "a")).some(({ reason }) => reason === "Later"));
    expect(creations).toBeLessThanOrEqual(5);
  });
});
