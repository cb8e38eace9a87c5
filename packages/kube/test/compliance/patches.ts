// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { describe, expect, it } from "vitest";
import { RESOURCES, type ObjectRef } from "../../src/index.ts";
import type { ApiUnderTest, RawAnswer } from "./api-under-test.ts";

const TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
} as const;

/** JSON, merge and strategic merge patches. */
export function describePatches(api: () => ApiUnderTest): void {
  const newPod = async (): Promise<ObjectRef & { namespace: string }> => {
    const namespace = await api().newNamespace();
    const ref = { name: "web", namespace };
    await api().client.create(RESOURCES.Pod, {
      metadata: { ...ref, labels: { app: "web", tier: "front" } },
      spec: {
        serviceAccountName: "default",
        containers: [
          { name: "web", image: "web:1", env: [{ name: "A", value: "1" }] },
          { name: "log", image: "log:1" },
        ],
      },
    });
    return ref;
  };
  const patch = (type: keyof typeof TYPES, { name, namespace }: ObjectRef, body: unknown): Promise<RawAnswer> =>
    api().raw({
      method: "PATCH",
      path: `/api/v1/namespaces/${namespace}/pods/${name}`,
      body,
      contentType: TYPES[type],
    });

  describe("patches", () => {
    it("merges objects and removes by null", async () => {
      const ref = await newPod();
      const { status, body } = await patch("merge", ref, { metadata: { labels: { tier: null, zone: "a" } } });
      expect(status).toBe(200);
      expect((body as Pod).metadata.labels).toEqual({ app: "web", zone: "a" });
    });

    it("applies JSON patches, and none of one whose test fails", async () => {
      const ref = await newPod();
      const good = await patch("json", ref, [
        { op: "test", path: "/metadata/labels/app", value: "web" },
        { op: "add", path: "/metadata/annotations", value: { "a/b": "c" } },
        { op: "copy", from: "/metadata/annotations/a~1b", path: "/metadata/labels/copied" },
        { op: "remove", path: "/metadata/labels/tier" },
      ]);
      expect((good.body as Pod).metadata).toMatchObject({
        labels: { app: "web", copied: "c" },
        annotations: { "a/b": "c" },
      });
      const bad = await patch("json", ref, [
        { op: "remove", path: "/metadata/labels/app" },
        { op: "test", path: "/metadata/labels/copied", value: "d" },
      ]);
      expect(bad.status).toBe(422);
      expect((await api().client.get(RESOURCES.Pod, ref)).metadata.labels).toHaveProperty("app");
    });

    it("merges lists by their keys in strategic merge patches", async () => {
      const ref = await newPod();
      const { status, body } = await patch("strategic", ref, {
        metadata: { labels: { zone: "a" } },
        spec: { containers: [{ name: "log", image: "log:2" }] },
      });
      expect(status).toBe(200);
      expect((body as Pod).spec.containers.map(({ image }) => image)).toEqual(["web:1", "log:2"]);
      expect((body as Pod).metadata.labels).toEqual({ app: "web", tier: "front", zone: "a" });
    });

    it("obeys the directives of strategic merge patches", async () => {
      const ref = await newPod();
      const finalizers = ["example.com/a", "example.com/b"];
      await patch("merge", ref, { metadata: { finalizers } });
      const { body } = await patch("strategic", ref, {
        metadata: {
          "$deleteFromPrimitiveList/finalizers": ["example.com/a"],
          labels: { $patch: "replace", only: "this" },
        },
      });
      expect((body as Pod).metadata.finalizers).toEqual(["example.com/b"]);
      expect((body as Pod).metadata.labels).toEqual({ only: "this" });
      await patch("merge", ref, { metadata: { finalizers: null } });
    });

    it("refuses a patch for another version of the object", async () => {
      const ref = await newPod();
      const answer = await patch("merge", ref, { metadata: { resourceVersion: "1", labels: { a: "b" } } });
      expect(answer).toMatchObject({ status: 409, body: { reason: "Conflict" } });
    });

    it("keeps what the server owns", async () => {
      const ref = await newPod();
      const before = await api().client.get(RESOURCES.Pod, ref);
      const { body } = await patch("merge", ref, {
        metadata: { creationTimestamp: "2001-01-01T00:00:00Z", generation: 99, labels: { a: "b" } },
        status: { phase: "Running" },
      });
      expect((body as Pod).metadata.creationTimestamp).toBe(before.metadata.creationTimestamp);
      expect((body as Pod).status?.phase).toBe("Pending");
    });

    it("refuses changes to what is fixed", async () => {
      const ref = await newPod();
      const answer = await patch("strategic", ref, { spec: { containers: [{ name: "web", command: ["sh"] }] } });
      expect(answer).toMatchObject({ status: 422, body: { reason: "Invalid" } });
    });

    it("refuses media types that it does not know", async () => {
      const ref = await newPod();
      const path = `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}`;
      const answer = await api().raw({ method: "PATCH", path, body: {}, contentType: "text/plain" });
      expect(answer).toMatchObject({ status: 415 });
    });
  });
}
