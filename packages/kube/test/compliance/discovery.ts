// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { RESOURCES } from "../../src/index.ts";
import type { ApiUnderTest } from "./api-under-test.ts";

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/** What clients like kubectl ask before and around their work. */
export function describeDiscovery(api: () => ApiUnderTest): void {
  describe("discovery", () => {
    it("lists groups, versions and kinds", async () => {
      const { body: groups } = await api().raw({ method: "GET", path: "/apis" });
      expect(groups).toMatchObject({ kind: "APIGroupList" });
      const names = (groups as { groups: { name: string }[] }).groups.map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(["apps", "coordination.k8s.io", "discovery.k8s.io", "apiextensions.k8s.io"]),
      );
      const { body: core } = await api().raw({ method: "GET", path: "/api/v1" });
      expect(core).toMatchObject({ kind: "APIResourceList", groupVersion: "v1" });
      const resources = (core as { resources: { name: string }[] }).resources;
      expect(resources).toContainEqual(
        expect.objectContaining({
          name: "pods",
          kind: "Pod",
          namespaced: true,
          shortNames: ["po"],
          singularName: "pod",
        }),
      );
      expect(resources.map(({ name }) => name)).toEqual(
        expect.arrayContaining(["pods/status", "serviceaccounts/token"]),
      );
    });

    it("has the aggregated form too", async () => {
      const { body } = await api().raw({ method: "GET", path: "/apis", accept: `${AGGREGATED},application/json` });
      expect(body).toMatchObject({ kind: "APIGroupDiscoveryList" });
      const { items } = body as {
        items: { metadata: { name: string }; versions: { resources: { resource: string }[] }[] }[];
      };
      const apps = items.find(({ metadata }) => metadata.name === "apps");
      expect(apps?.versions[0]?.resources.map(({ resource }) => resource)).toContain("deployments");
    });

    it("describes schemas and write parameters in OpenAPI 3", async () => {
      const { body: index } = await api().raw({ method: "GET", path: "/openapi/v3" });
      const { paths } = index as { paths: Record<string, { serverRelativeURL: string }> };
      const { body } = await api().raw({ method: "GET", path: paths["api/v1"]?.serverRelativeURL ?? "" });
      const document = body as {
        paths: Record<string, { patch?: { parameters?: { name: string }[] } }>;
        components: { schemas: Record<string, unknown> };
      };
      const patch = document.paths["/api/v1/namespaces/{namespace}/pods/{name}"]?.patch;
      expect(patch?.parameters?.map(({ name }) => name)).toContain("fieldValidation");
      expect(Object.keys(document.components.schemas).some((name) => name.endsWith("core.v1.Pod"))).toBe(true);
    });

    it("tells its version and health to anybody", async () => {
      expect((await api().raw({ method: "GET", path: "/version" })).body).toMatchObject({
        major: "1",
        gitVersion: expect.stringMatching(/^v1\./),
      });
    });

    it("shows tables and bare metadata", async () => {
      const namespace = await api().newNamespace();
      await api().client.create(RESOURCES.Secret, { metadata: { name: "s", namespace }, data: { a: "YQ==" } });
      const path = `/api/v1/namespaces/${namespace}/secrets/s`;
      const { body: table } = await api().raw({ method: "GET", path, accept: TABLE });
      expect(table).toMatchObject({
        kind: "Table",
        rows: [{ cells: ["s", "Opaque", 1, expect.any(String)], object: { kind: "PartialObjectMetadata" } }],
      });
      const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
      const { body: metadata } = await api().raw({ method: "GET", path, accept });
      expect(metadata).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "s" } });
      expect(metadata).not.toHaveProperty("data");
      expect((await api().raw({ method: "GET", path, accept: "text/html" })).status).toBe(406);
    });

    it("scales deployments through the subresource", async () => {
      const namespace = await api().newNamespace();
      const template = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image: "a" }] } };
      const spec = { replicas: 2, selector: { matchLabels: { app: "a" } }, template };
      await api().client.create(RESOURCES.Deployment, { metadata: { name: "a", namespace }, spec });
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments/a/scale`;
      expect((await api().raw({ method: "GET", path })).body).toMatchObject({
        kind: "Scale",
        spec: { replicas: 2 },
        status: { selector: "app=a" },
      });
      const patch = {
        method: "PATCH",
        path,
        body: { spec: { replicas: 1 } },
        contentType: "application/merge-patch+json",
      } as const;
      expect((await api().raw(patch)).status).toBe(200);
      expect((await api().client.get(RESOURCES.Deployment, { name: "a", namespace })).spec.replicas).toBe(1);
    });
  });
}
