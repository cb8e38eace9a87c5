// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { CustomResourceDefinition, KubernetesObject } from "@ambientmesh/api/kubernetes";
import { describe, expect, it, test } from "vitest";
import { RESOURCES, type Resource } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

interface Widget extends KubernetesObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: { readonly phase?: string };
}

const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer", minimum: 1, maximum: 9 },
        color: { type: "string", enum: ["red", "green"], default: "green" },
        label: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
        port: { "x-kubernetes-int-or-string": true },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        parts: {
          type: "array",
          maxItems: 2,
          items: {
            type: "object",
            required: ["name"],
            properties: { name: { type: "string" }, count: { type: "integer" } },
          },
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
        },
      },
    },
    status: { type: "object", properties: { phase: { type: "string" } } },
  },
};

/** CustomResourceDefinitions and the objects of their kinds. */
export function describeDefinitions(api: () => ApiUnderTest): void {
  const install = async (): Promise<
    { resource: Resource<Widget>; name: string; namespace: string } & AsyncDisposable
  > => {
    const namespace = await api().newNamespace();
    const group = `g${randomBytes(3).toString("hex")}.example.com`;
    const name = `widgets.${group}`;
    const versions = ["v1", "v1beta1"].map((version) => ({
      name: version,
      served: true,
      storage: version === "v1",
      schema: { openAPIV3Schema: schema },
      subresources: { status: {} },
      additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
      selectableFields: [{ jsonPath: ".spec.color" }],
    }));
    const names = { plural: "widgets", kind: "Widget", singular: "widget", shortNames: ["wd"] };
    const definition = { metadata: { name }, spec: { group, scope: "Namespaced" as const, names, versions } };
    await api().client.create(RESOURCES.CustomResourceDefinition, definition);
    const resource: Resource<Widget> = {
      apiVersion: `${group}/v1`,
      kind: "Widget",
      plural: "widgets",
      isNamespaced: true,
    };
    await eventually(() => isEstablished(api(), name));
    await eventually(() => isServed(api(), resource, namespace));
    return {
      resource,
      name,
      namespace,
      [Symbol.asyncDispose]: async () => void (await api().client.delete(RESOURCES.CustomResourceDefinition, { name })),
    };
  };

  describe("definitions", () => {
    it("serve their kind in every version, with defaults and without unknown fields", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      const metadata = { name: "a", namespace };
      const created = await api().client.create(resource, { metadata, spec: { size: 3, typo: 1, free: { any: [1] } } });
      expect(created.spec).toEqual({ size: 3, color: "green", free: { any: [1] } });
      const beta = await api().client.get(
        { ...resource, apiVersion: resource.apiVersion.replace("v1", "v1beta1") },
        metadata,
      );
      expect(beta).toMatchObject({
        apiVersion: expect.stringMatching(/v1beta1$/),
        metadata: { uid: created.metadata.uid },
      });
    });

    test.each([
      ["a missing field", {}, "spec.size"],
      ["a wrong type", { size: "big" }, "spec.size"],
      ["a number out of bounds", { size: 10 }, "spec.size"],
      ["a value that is not listed", { size: 1, color: "blue" }, "spec.color"],
      ["a text off the pattern", { size: 1, label: "A1" }, "spec.label"],
      ["a text too long", { size: 1, label: "abcdef" }, "spec.label"],
      ["a list too long", { size: 1, parts: [{ name: "a" }, { name: "b" }, { name: "c" }] }, "spec.parts"],
      ["an item without its key", { size: 1, parts: [{ count: 1 }] }, "spec.parts[0].name"],
      ["an item twice", { size: 1, parts: [{ name: "a" }, { name: "a" }] }, "spec.parts[1]"],
    ])("refuse %s", async (_what, spec, field) => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      const creation = api().client.create(resource, { metadata: { name: "bad", namespace }, spec });
      await expect(creation).rejects.toMatchObject({
        code: "KUBE_INVALID",
        details: { causes: expect.arrayContaining([expect.objectContaining({ field })]) },
      });
    });

    it("keep status apart and count generations", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      const { client } = api();
      const ref = { name: "a", namespace };
      const created = await client.create(resource, { metadata: ref, spec: { size: 1 }, status: { phase: "x" } });
      expect(created.status).toBeUndefined();
      expect(created.metadata.generation).toBe(1);
      const patch = { status: { phase: "ready" }, spec: { size: 5 }, metadata: { labels: { no: "no" } } };
      const patched = await client.mergePatch(resource, ref, patch, { subresource: "status" });
      expect(patched).toMatchObject({ status: { phase: "ready" }, spec: { size: 1 }, metadata: { generation: 1 } });
      expect(patched.metadata.labels).toBeUndefined();
      const grown = await client.mergePatch(resource, ref, { spec: { size: 2 } });
      expect(grown).toMatchObject({ status: { phase: "ready" }, metadata: { generation: 2 } });
    });

    it("merge keyed lists in server-side apply, and take no strategic merge patches", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      const { client } = api();
      const metadata = { name: "a", namespace };
      await client.apply(
        resource,
        { metadata, spec: { size: 1, parts: [{ name: "x", count: 1 }] } },
        { fieldManager: "alice" },
      );
      const both = await client.apply(
        resource,
        { metadata, spec: { parts: [{ name: "y", count: 2 }] } },
        { fieldManager: "bob" },
      );
      expect(both.spec?.["parts"]).toEqual([
        { name: "x", count: 1 },
        { name: "y", count: 2 },
      ]);
      const answer = await api().raw({
        method: "PATCH",
        path: `/apis/${resource.apiVersion}/namespaces/${namespace}/widgets/a`,
        body: {},
        contentType: "application/strategic-merge-patch+json",
      });
      expect(answer.status).toBe(415);
    });

    it("select by the fields they name", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      await api().client.create(resource, { metadata: { name: "a", namespace }, spec: { size: 1, color: "red" } });
      await api().client.create(resource, { metadata: { name: "b", namespace }, spec: { size: 1 } });
      const green = await api().client.list(resource, { namespace, fieldSelector: "spec.color=green" });
      expect(green.map(({ metadata }) => metadata.name)).toEqual(["b"]);
    });

    it("need the version of the object to replace it", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      const created = await api().client.create(resource, { metadata: { name: "a", namespace }, spec: { size: 1 } });
      const { resourceVersion: _version, ...metadata } = created.metadata;
      await expect(api().client.replace(resource, { ...created, metadata })).rejects.toMatchObject({
        code: "KUBE_INVALID",
      });
      await api().client.replace(resource, created);
    });

    it("print their columns", async () => {
      await using widgets = await install();
      const { resource, namespace } = widgets;
      await api().client.create(resource, { metadata: { name: "a", namespace }, spec: { size: 7 } });
      const { body } = await api().raw({
        method: "GET",
        path: `/apis/${resource.apiVersion}/namespaces/${namespace}/widgets`,
        accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
      });
      expect(body).toMatchObject({
        kind: "Table",
        columnDefinitions: [{ name: "Name" }, { name: "Size" }],
        rows: [{ cells: ["a", 7] }],
      });
    });

    it("take their objects with them", async () => {
      await using widgets = await install();
      const { resource, namespace, name } = widgets;
      await api().client.create(resource, { metadata: { name: "a", namespace }, spec: { size: 1 } });
      await api().client.delete(RESOURCES.CustomResourceDefinition, { name });
      const isGone = await eventually(
        async () => (await api().client.find(RESOURCES.CustomResourceDefinition, { name })) === undefined,
      );
      expect(isGone).toBe(true);
      await eventually(async () => !(await isServed(api(), resource, namespace)));
    });

    it.each([
      ["a name that does not fit", { metadata: { name: "other.example.com" } }, /^metadata\.name$/],
      [
        "no stored version",
        { spec: { versions: [{ name: "v1", served: true, storage: false, schema: { openAPIV3Schema: schema } }] } },
        /^spec\.versions/,
      ],
      [
        "a schema without types",
        {
          spec: {
            versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { properties: {} } } }],
          },
        },
        /openAPIV3Schema\.type$/,
      ],
    ])("are refused for %s", async (_what, change, field) => {
      const base = {
        metadata: { name: "gadgets.example.com" },
        spec: {
          group: "example.com",
          scope: "Namespaced",
          names: { plural: "gadgets", kind: "Gadget" },
          versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
        },
      };
      const definition = { ...base, ...change, spec: { ...base.spec, ...("spec" in change ? change.spec : {}) } };
      const creation = api().client.create(
        RESOURCES.CustomResourceDefinition,
        definition as unknown as CustomResourceDefinition,
      );
      await expect(creation).rejects.toMatchObject({ code: "KUBE_INVALID" });
      const causes = await creation.catch(
        (error: { details: { causes: { field: string }[] } }) => error.details.causes,
      );
      expect((causes as { field: string }[]).some((cause) => field.test(cause.field))).toBe(true);
    });
  });
}

async function isEstablished({ client }: ApiUnderTest, name: string): Promise<boolean> {
  const definition = await client.find(RESOURCES.CustomResourceDefinition, { name });
  return (
    definition?.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True") === true
  );
}

async function isServed({ raw }: ApiUnderTest, { apiVersion }: Resource, namespace: string): Promise<boolean> {
  return (await raw({ method: "GET", path: `/apis/${apiVersion}/namespaces/${namespace}/widgets` })).status === 200;
}
