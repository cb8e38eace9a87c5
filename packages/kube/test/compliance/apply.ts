// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { RESOURCES } from "../../src/index.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

/** Server-side apply with several managers. */
export function describeApply(api: () => ApiUnderTest): void {
  describe("server-side apply", () => {
    it("creates, owns what it names, and says so", async () => {
      const namespace = await api().newNamespace();
      const configuration = { metadata: { name: "a", namespace, labels: { app: "a" } }, data: { k: "v" } };
      const applied = await api().client.apply(RESOURCES.ConfigMap, configuration, { fieldManager: "alice" });
      expect(applied.metadata.managedFields).toMatchObject([
        {
          manager: "alice",
          operation: "Apply",
          apiVersion: "v1",
          fieldsType: "FieldsV1",
          fieldsV1: { "f:data": { "f:k": {} }, "f:metadata": { "f:labels": { "f:app": {} } } },
        },
      ]);
      const again = await api().client.apply(RESOURCES.ConfigMap, configuration, { fieldManager: "alice" });
      expect(again.metadata.resourceVersion).toBe(applied.metadata.resourceVersion);
    });

    it("refuses to take another's field unless forced, naming field and owner", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(RESOURCES.ConfigMap, { metadata, data: { shared: "1", own: "1" } }, { fieldManager: "alice" });
      const bob = { metadata, data: { shared: "2" } };
      await expect(client.apply(RESOURCES.ConfigMap, bob, { fieldManager: "bob" })).rejects.toMatchObject({
        code: "KUBE_CONFLICT",
        details: {
          causes: [
            { reason: "FieldManagerConflict", field: ".data.shared", message: expect.stringContaining('"alice"') },
          ],
        },
      });
      const forced = await client.apply(RESOURCES.ConfigMap, bob, { fieldManager: "bob", isForced: true });
      expect(forced.data).toEqual({ shared: "2", own: "1" });
      const owners = new Map(forced.metadata.managedFields?.map(({ manager, fieldsV1 }) => [manager, fieldsV1]));
      expect(owners.get("alice")).toEqual({ "f:data": { "f:own": {} } });
      expect(owners.get("bob")).toEqual({ "f:data": { "f:shared": {} } });
    });

    it("shares a field that both set to the same value", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(RESOURCES.ConfigMap, { metadata, data: { k: "1" } }, { fieldManager: "alice" });
      await client.apply(RESOURCES.ConfigMap, { metadata, data: { k: "1" } }, { fieldManager: "bob" });
      const left = await client.apply(RESOURCES.ConfigMap, { metadata }, { fieldManager: "alice" });
      expect(left.data).toEqual({ k: "1" });
      const gone = await client.apply(RESOURCES.ConfigMap, { metadata }, { fieldManager: "bob" });
      expect(gone.data).toBeUndefined();
    });

    it("removes what its manager no longer names, and nothing else", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(RESOURCES.ConfigMap, { metadata, data: { a: "1", b: "1" } }, { fieldManager: "alice" });
      await client.mergePatch(RESOURCES.ConfigMap, metadata, { data: { c: "1" } }, { fieldManager: "carol" });
      const applied = await client.apply(
        RESOURCES.ConfigMap,
        { metadata, data: { b: "1" } },
        { fieldManager: "alice" },
      );
      expect(applied.data).toEqual({ b: "1", c: "1" });
    });

    it("merges keyed lists item by item", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      const port = (name: string, number: number): { name: string; port: number } => ({ name, port: number });
      const spec = { selector: { app: "a" }, ports: [port("http", 80)] };
      await client.apply(RESOURCES.Service, { metadata, spec }, { fieldManager: "alice" });
      const both = await client.apply(
        RESOURCES.Service,
        { metadata, spec: { ports: [port("admin", 90)] } },
        { fieldManager: "bob" },
      );
      expect(both.spec.ports?.map(({ name }) => name).toSorted()).toEqual(["admin", "http"]);
      const one = await client.apply(
        RESOURCES.Service,
        { metadata, spec: { selector: { app: "a" }, ports: [port("web", 8080)] } },
        { fieldManager: "alice" },
      );
      expect(one.spec.ports?.map(({ name }) => name).toSorted()).toEqual(["admin", "web"]);
    });

    it("keeps ownership of status apart", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(RESOURCES.Service, { metadata, spec: { ports: [{ port: 80 }] } }, { fieldManager: "alice" });
      const condition = {
        type: "example.com/Bound",
        status: "True",
        reason: "Yes",
        message: "bound",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      } as const;
      const options = { fieldManager: "status-writer", subresource: "status", isForced: true } as const;
      const written = await client.apply(RESOURCES.Service, { metadata, status: { conditions: [condition] } }, options);
      expect(written.status?.conditions).toMatchObject([condition]);
      const spec = await client.apply(
        RESOURCES.Service,
        { metadata, spec: { ports: [{ port: 81 }] } },
        { fieldManager: "alice" },
      );
      expect(spec.status?.conditions).toHaveLength(1);
      const cleared = await client.apply(RESOURCES.Service, { metadata }, options);
      expect(cleared.status?.conditions ?? []).toEqual([]);
    });

    it("gives fields that an update changes to who changed them", async () => {
      const namespace = await api().newNamespace();
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(RESOURCES.ConfigMap, { metadata, data: { k: "1" } }, { fieldManager: "alice" });
      const patched = await client.mergePatch(
        RESOURCES.ConfigMap,
        metadata,
        { data: { k: "2" } },
        { fieldManager: "dave" },
      );
      expect(patched.metadata.managedFields).toMatchObject([{ manager: "dave", operation: "Update" }]);
      await expect(
        client.apply(RESOURCES.ConfigMap, { metadata, data: { k: "1" } }, { fieldManager: "alice" }),
      ).rejects.toMatchObject({ code: "KUBE_CONFLICT" });
    });

    it("refuses configurations that are none", async () => {
      const namespace = await api().newNamespace();
      const path = `/api/v1/namespaces/${namespace}/configmaps/a?fieldManager=alice`;
      const contentType = "application/apply-patch+yaml";
      const good = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
      const apply = async (body: unknown, at = path): Promise<number> =>
        (await api().raw({ method: "PATCH", path: at, body, contentType })).status;
      expect(await apply({ ...good, metadata: { name: "b" } })).toBe(400);
      expect(await apply({ ...good, metadata: { name: "a", managedFields: [] } })).toBeLessThan(500);
      expect(await apply(good, path.split("?")[0])).toBe(422);
      expect(await apply(good)).toBe(201);
      expect(await apply(good)).toBe(200);
    });
  });
}
