// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { RESOURCES } from "../../src/index.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

/** Create, read, replace, delete, and their refusals. */
export function describeObjects(api: () => ApiUnderTest): void {
  describe("objects", () => {
    it("creates with uid, version and time, reads back, lists", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const created = await client.create(RESOURCES.ConfigMap, {
        metadata: { name: "a", namespace },
        data: { k: "v" },
      });
      expect(created).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { k: "v" } });
      expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(Number(created.metadata.resourceVersion)).toBeGreaterThan(0);
      expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(await client.get(RESOURCES.ConfigMap, { name: "a", namespace })).toEqual(created);
      const listed = await client.list(RESOURCES.ConfigMap, { namespace, fieldSelector: "metadata.name=a" });
      expect(listed).toEqual([created]);
    });

    it("makes names from generateName", async () => {
      const namespace = await api().newNamespace();
      const make = (): Promise<{ metadata: { name: string } }> =>
        api().client.create(RESOURCES.ConfigMap, { metadata: { generateName: "gen-", namespace } });
      const names = [(await make()).metadata.name, (await make()).metadata.name];
      expect(names).toEqual([expect.stringMatching(/^gen-[a-z0-9]{5}$/), expect.stringMatching(/^gen-[a-z0-9]{5}$/)]);
      expect(names[0]).not.toBe(names[1]);
    });

    it("refuses what exists, what does not, and unknown namespaces", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const create = (place: string): Promise<unknown> =>
        client.create(RESOURCES.ConfigMap, { metadata: { name: "a", namespace: place } });
      await create(namespace);
      await expect(create(namespace)).rejects.toMatchObject({ code: "KUBE_ALREADY_EXISTS" });
      await expect(create("no-such-namespace")).rejects.toMatchObject({ code: "KUBE_NOT_FOUND" });
      await expect(client.get(RESOURCES.ConfigMap, { name: "b", namespace })).rejects.toMatchObject({
        code: "KUBE_NOT_FOUND",
      });
      expect(await client.find(RESOURCES.ConfigMap, { name: "b", namespace })).toBeUndefined();
      expect(await client.delete(RESOURCES.ConfigMap, { name: "b", namespace })).toBe(false);
    });

    it("refuses to replace what has changed since it was read", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const first = await client.create(RESOURCES.ConfigMap, { metadata: { name: "a", namespace }, data: { n: "1" } });
      const second = await client.replace(RESOURCES.ConfigMap, { ...first, data: { n: "2" } });
      expect(second.metadata.uid).toBe(first.metadata.uid);
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
      await expect(client.replace(RESOURCES.ConfigMap, { ...first, data: { n: "3" } })).rejects.toMatchObject({
        code: "KUBE_CONFLICT",
        message: expect.stringContaining("the object has been modified"),
      });
      const unchanged = await client.replace(RESOURCES.ConfigMap, second);
      expect(unchanged.metadata.resourceVersion).toBe(second.metadata.resourceVersion);
    });

    it("deletes only under the preconditions", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const ref = { name: "a", namespace };
      const created = await client.create(RESOURCES.ConfigMap, { metadata: ref });
      const uid = "00000000-0000-0000-0000-000000000000";
      await expect(client.delete(RESOURCES.ConfigMap, ref, { preconditions: { uid } })).rejects.toMatchObject({
        code: "KUBE_CONFLICT",
      });
      const preconditions = { uid: created.metadata.uid ?? "" };
      expect(await client.delete(RESOURCES.ConfigMap, ref, { preconditions })).toBe(true);
      expect(await client.find(RESOURCES.ConfigMap, ref)).toBeUndefined();
    });

    it("checks without storing on a dry run", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const ref = { name: "a", namespace };
      const dry = await client.create(RESOURCES.ConfigMap, { metadata: ref }, { isDryRun: true });
      expect(dry.metadata.uid).toBeDefined();
      expect(await client.find(RESOURCES.ConfigMap, ref)).toBeUndefined();
    });

    it("counts generations of the specification only", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const template = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image: "a" }] } };
      const ref = { name: "a", namespace };
      const created = await client.create(RESOURCES.Deployment, {
        metadata: ref,
        spec: { selector: { matchLabels: { app: "a" } }, template },
      });
      expect(created.metadata.generation).toBe(1);
      expect(created.spec.replicas).toBe(1);
      const labelled = await client.mergePatch(RESOURCES.Deployment, ref, { metadata: { labels: { x: "y" } } });
      expect(labelled.metadata.generation).toBe(1);
      const scaled = await client.mergePatch(RESOURCES.Deployment, ref, { spec: { replicas: 0 } });
      expect(scaled.metadata.generation).toBe(2);
    });

    test.each([
      ["a missing container", { containers: [] }, "spec.containers"],
      ["a nameless container", { containers: [{ image: "a" }] }, "spec.containers[0].name"],
      [
        "a port out of range",
        { containers: [{ name: "a", image: "a", ports: [{ containerPort: 70_000 }] }] },
        "spec.containers[0].ports[0].containerPort",
      ],
      [
        "an unknown restart policy",
        { containers: [{ name: "a", image: "a" }], restartPolicy: "Perhaps" },
        "spec.restartPolicy",
      ],
    ])("names the field of %s", async (_what, spec, field) => {
      const namespace = await api().newNamespace();
      const { status, body } = await api().raw({
        method: "POST",
        path: `/api/v1/namespaces/${namespace}/pods`,
        body: { apiVersion: "v1", kind: "Pod", metadata: { name: "bad" }, spec },
      });
      expect(status).toBe(422);
      expect(body).toMatchObject({ kind: "Status", reason: "Invalid", details: { name: "bad", kind: "Pod" } });
      const { details } = body as { details: { causes: { field: string }[] } };
      expect(details.causes.map((cause) => cause.field)).toContain(field);
    });

    it.each([
      ["Strict", 400],
      ["Warn", 201],
      ["Ignore", 201],
    ])("treats an unknown field under fieldValidation=%s with %i", async (fieldValidation, expected) => {
      const namespace = await api().newNamespace();
      const { status, body, headers } = await api().raw({
        method: "POST",
        path: `/api/v1/namespaces/${namespace}/configmaps?fieldValidation=${fieldValidation}`,
        body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, dota: {} },
      });
      expect(status).toBe(expected);
      expect(body).not.toHaveProperty("dota");
      expect(headers["warning"] !== undefined).toBe(fieldValidation === "Warn");
    });

    it("refuses another kind, a body that is no JSON, and unknown paths", async () => {
      const namespace = await api().newNamespace();
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      const wrongKind = await api().raw({
        method: "POST",
        path,
        body: { apiVersion: "v1", kind: "Secret", metadata: { name: "a" } },
      });
      expect(wrongKind).toMatchObject({ status: 400, body: { reason: "BadRequest" } });
      expect(await api().raw({ method: "POST", path, body: "text" })).toMatchObject({ status: 400 });
      expect(await api().raw({ method: "GET", path: `/api/v1/namespaces/${namespace}/nothings` })).toMatchObject({
        status: 404,
      });
      expect(await api().raw({ method: "PUT", path, body: {} })).toMatchObject({ status: 405 });
    });
  });
}
