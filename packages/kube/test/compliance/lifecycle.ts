// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { RESOURCES } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

const podSpec = { containers: [{ name: "a", image: "a" }] };

/** Finalizers, grace periods, owners, namespaces, status. */
export function describeLifecycle(api: () => ApiUnderTest): void {
  describe("deletion", () => {
    it("waits for finalizers", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const ref = { name: "a", namespace };
      await client.create(RESOURCES.ConfigMap, { metadata: { ...ref, finalizers: ["example.com/hold"] } });
      expect(await client.delete(RESOURCES.ConfigMap, ref)).toBe(true);
      const held = await client.get(RESOURCES.ConfigMap, ref);
      expect(held.metadata.deletionTimestamp).toBeDefined();
      const more = { metadata: { finalizers: ["example.com/hold", "example.com/new"] } };
      await expect(client.mergePatch(RESOURCES.ConfigMap, ref, more)).rejects.toMatchObject({ code: "KUBE_INVALID" });
      await client.mergePatch(RESOURCES.ConfigMap, ref, { metadata: { finalizers: null } });
      expect(await client.find(RESOURCES.ConfigMap, ref)).toBeUndefined();
    });

    it("lets a pod on a node end in its own time", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const ref = { name: "a", namespace };
      const spec = { ...podSpec, nodeName: "no-such-node", terminationGracePeriodSeconds: 60 };
      await client.create(RESOURCES.Pod, { metadata: ref, spec });
      await client.delete(RESOURCES.Pod, ref);
      const ending = await client.get(RESOURCES.Pod, ref);
      expect(ending.metadata).toMatchObject({ deletionGracePeriodSeconds: 60, deletionTimestamp: expect.any(String) });
      await client.delete(RESOURCES.Pod, ref, { gracePeriodSeconds: 0 });
      expect(await client.find(RESOURCES.Pod, ref)).toBeUndefined();
    });

    it("removes a pod at once that is on no node", async () => {
      const namespace = await api().newNamespace();
      const ref = { name: "a", namespace };
      await api().client.create(RESOURCES.Pod, { metadata: ref, spec: { ...podSpec, nodeSelector: { no: "such" } } });
      await api().client.delete(RESOURCES.Pod, ref);
      expect(await api().client.find(RESOURCES.Pod, ref)).toBeUndefined();
    });

    it("collects what has lost its owner", async ({ skip }) => {
      if (!api().hasControllers) skip("no garbage collector runs here");
      const namespace = await api().newNamespace();
      const { client } = api();
      const owner = await client.create(RESOURCES.ConfigMap, { metadata: { name: "owner", namespace } });
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid ?? "" };
      const child = { name: "child", namespace };
      await client.create(RESOURCES.ConfigMap, { metadata: { ...child, ownerReferences: [reference] } });
      await client.delete(RESOURCES.ConfigMap, owner.metadata, { propagation: "Background" });
      expect(await eventually(async () => (await client.find(RESOURCES.ConfigMap, child)) === undefined)).toBe(true);
    });
  });

  describe("namespaces", () => {
    it("have a label with their name, a phase and a default account", async ({ skip }) => {
      const namespace = await api().newNamespace();
      const read = await api().client.get(RESOURCES.Namespace, { name: namespace });
      expect(read.metadata.labels).toMatchObject({ "kubernetes.io/metadata.name": namespace });
      expect(read.status?.phase).toBe("Active");
      if (!api().hasControllers) skip("no controller makes accounts here");
      const account = await eventually(() =>
        api().client.find(RESOURCES.ServiceAccount, { name: "default", namespace }),
      );
      expect(account.metadata.name).toBe("default");
    });

    it("take their content with them, and let nothing in meanwhile", async ({ skip }) => {
      if (!api().hasControllers) skip("no namespace controller runs here");
      const namespace = await api().newNamespace();
      const { client } = api();
      const held = { name: "held", namespace };
      await client.create(RESOURCES.ConfigMap, { metadata: { ...held, finalizers: ["example.com/hold"] } });
      await client.create(RESOURCES.ConfigMap, { metadata: { name: "free", namespace } });
      await client.delete(RESOURCES.Namespace, { name: namespace });
      expect((await client.get(RESOURCES.Namespace, { name: namespace })).status?.phase).toBe("Terminating");
      await expect(client.create(RESOURCES.ConfigMap, { metadata: { name: "late", namespace } })).rejects.toMatchObject(
        {
          code: "KUBE_FORBIDDEN",
        },
      );
      await eventually(async () => (await client.find(RESOURCES.ConfigMap, { name: "free", namespace })) === undefined);
      await client.mergePatch(RESOURCES.ConfigMap, held, { metadata: { finalizers: null } });
      const isGone = await eventually(
        async () => (await client.find(RESOURCES.Namespace, { name: namespace })) === undefined,
      );
      expect(isGone).toBe(true);
    });
  });

  describe("status", () => {
    it("is written apart from the specification", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const ref = { name: "a", namespace };
      const created = await client.create(RESOURCES.Pod, {
        metadata: ref,
        spec: podSpec,
        status: { phase: "Running" },
      });
      expect(created.status?.phase).toBe("Pending");
      const patch = {
        status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] },
        spec: { nodeName: "x" },
      };
      const running = await client.mergePatch(RESOURCES.Pod, ref, patch, { subresource: "status" });
      expect(running.status).toMatchObject({ phase: "Running", podIP: "10.0.0.1" });
      expect(running.spec.nodeName).toBe(created.spec.nodeName);
      const labelled = await client.mergePatch(RESOURCES.Pod, ref, {
        metadata: { labels: { a: "b" } },
        status: { phase: "Failed" },
      });
      expect(labelled.status?.phase).toBe("Running");
    });

    it("of a pod takes annotations along", async () => {
      const namespace = await api().newNamespace();
      const ref = { name: "a", namespace };
      await api().client.create(RESOURCES.Pod, { metadata: ref, spec: podSpec });
      const patch = { metadata: { annotations: { "ambient.istio.io/redirection": "enabled" } } };
      await api().client.mergePatch(RESOURCES.Pod, ref, patch, { subresource: "status" });
      const read = await api().client.get(RESOURCES.Pod, ref);
      expect(read.metadata.annotations).toMatchObject(patch.metadata.annotations);
    });
  });
}
