// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Scope } from "@ambientmesh/api/security";
import { RESOURCES, type KubeClient } from "@ambientmesh/kube";
import { expect, it, vi } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import {
  applyYaml,
  createIstiod,
  namespaceYaml,
  podYaml,
  startIstiod,
  startKube,
  testConfig,
  type TestIstiod,
} from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

const POLICY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: mesh }
spec: {}
`;

const meshMap = (client: KubeClient, mesh: string): Promise<unknown> =>
  client.apply(
    RESOURCES.ConfigMap,
    { metadata: { name: "istio", namespace: "istio-system" }, data: { mesh } },
    { fieldManager: "test", isForced: true },
  );

const logged = ({ log }: Pick<TestIstiod, "log">, event: string): Promise<unknown> =>
  vi.waitFor(
    () => {
      const record = log.records.findLast((each) => each.event === event);
      if (!record) throw new Error(`nothing is logged of "${event}"`);
      return record.fields;
    },
    { timeout: 10_000, interval: 10 },
  );

it("follows the ConfigMap, and keeps the last good state when it turns bad", async () => {
  await using kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("mesh"));
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  await applyYaml(kube.client, podYaml({ name: "web" }));
  await applyYaml(kube.client, POLICY);
  await meshMap(kube.client, "trustDomain: a.example\nrootNamespace: mesh\n");
  await using istiod = await startIstiod(kube.client);
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  const scope = (): Scope | undefined => ztunnel.authorizations.get("mesh/nobody")?.scope;
  await ztunnel.until(() => scope() === Scope.GLOBAL && ztunnel.addresses.has("Kubernetes//Pod/shop/web"));
  const workload = ztunnel.addresses.get("Kubernetes//Pod/shop/web")?.type;
  expect(workload?.case === "workload" && workload.value.trustDomain).toBe("a.example");

  await meshMap(kube.client, "rootNamespace: istio-system\nfrobnicate: true\n");
  expect(await logged(istiod, "MeshConfig refused, the one before stays in force")).toEqual({
    problems: ["ConfigMap istio-system/istio, key mesh: frobnicate is no field of MeshConfig; correct or remove it"],
  });
  expect(await istiod.metrics.render("prometheus")).toContain("istiod_mesh_config_refused 1");
  expect(await (await fetch(`${istiod.url.http}/debug/mesh`)).json()).toEqual({
    trustDomain: "a.example",
    rootNamespace: "mesh",
  });
  expect(scope()).toBe(Scope.GLOBAL);

  await meshMap(kube.client, "rootNamespace: istio-system\ntrustDomain: b.example\n");
  await ztunnel.until(() => scope() === Scope.NAMESPACE);
  expect(istiod.log.records.map(({ event }) => event)).toContain(
    "trustDomain of the MeshConfig counts at the start only: restart istiod to change it",
  );
  expect(await istiod.metrics.render("prometheus")).toContain("istiod_mesh_config_refused 0");

  await kube.client.delete(RESOURCES.ConfigMap, { name: "istio", namespace: "istio-system" });
  await logged(istiod, "MeshConfig is gone, the one before stays in force");
  expect(await (await fetch(`${istiod.url.http}/debug/mesh`)).json()).toEqual({
    trustDomain: "a.example",
    rootNamespace: "istio-system",
  });
});

it("waits with a reason while the first MeshConfig can't be used", async () => {
  await using kube = await startKube();
  await meshMap(kube.client, "trustDomain: a/b\n");
  const { istiod, log } = createIstiod(kube.client);
  await using _istiod = istiod;
  const started = istiod.start();
  await logged({ log }, "MeshConfig refused, istiod waits for one that it can use");
  const answer = await fetch(`http://127.0.0.1:${istiod.addresses.http?.port}/ready`);
  expect(answer.status).toBe(500);
  expect(await answer.text()).toContain("mesh config");
  await meshMap(kube.client, "trustDomain: a.example\n");
  await started;
});

it("stops while it waits", async () => {
  await using kube = await startKube();
  await meshMap(kube.client, "trustDomain: a/b\n");
  const { istiod, log } = createIstiod(kube.client);
  await using _istiod = istiod;
  const stop = new AbortController();
  const started = istiod.start(stop.signal);
  await logged({ log }, "MeshConfig refused, istiod waits for one that it can use");
  stop.abort();
  await expect(started).rejects.toMatchObject({ code: "ABORTED" });
});

it("follows the file if there is one", async () => {
  await using kube = await startKube();
  const folder = mkdtempSync(join(tmpdir(), "mesh-config-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  const file = join(folder, "mesh");
  writeFileSync(file, "rootNamespace: mesh\n");
  const { meshConfig, ...flags } = testConfig({}, []);
  const command = parseConfig({
    argv: ["discovery", `--meshConfig=${file}`],
    env: {},
    cpus: 1,
    readFile: () => "rootNamespace: mesh\n",
  });
  if (command.kind !== "discovery") throw new Error("no configuration");
  const { meshConfigFile, isMeshConfigFile, meshConfig: read } = command.config;
  expect(read).not.toEqual(meshConfig);
  await using istiod = await startIstiod(kube.client, { ...flags, meshConfig: read, meshConfigFile, isMeshConfigFile });
  writeFileSync(file, "rootNamespace: other-mesh\n");
  expect(await logged(istiod, "MeshConfig in force")).toMatchObject({ rootNamespace: "other-mesh" });
});
