// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, it, test } from "vitest";
import {
  applyYaml,
  namespaceYaml,
  podYaml,
  startIstiod,
  startKube,
  type TestIstiod,
  type TestKube,
} from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

let kube: TestKube;
let istiod: TestIstiod;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  await applyYaml(kube.client, podYaml({ name: "web" }));
  istiod = await startIstiod(kube.client);
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

test.each([
  ["http", "/ready", 200, /^ready$/m],
  ["http", "/debug", 200, /ambientz/],
  ["http", "/debug/ambientz", 200, /Kubernetes\/\/Pod\/shop\/web/],
  ["http", "/metrics", 404, /not found/],
  ["monitoring", "/version", 200, /^\d+\.\d+\.\d+$/m],
  ["monitoring", "/debug/krtz", 200, /"pods": 1/],
  ["monitoring", "/debug/nothing", 404, /not found/],
] as const)("%s%s answers %d", async (server, path, status, text) => {
  const answer = await fetch(`${istiod.url[server]}${path}`);
  expect(answer.status).toBe(status);
  expect(await answer.text()).toMatch(text);
});

it("shows a connected client and counts it", async () => {
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.synced();
  const adsz = (await (await fetch(`${istiod.url.http}/debug/adsz`)).json()) as object;
  expect(adsz).toMatchObject({ totalClients: 1, clients: [{ protocol: "delta" }] });
  const dump = await fetch(`${istiod.url.http}/debug/config_dump?proxyID=ztunnel-n1.istio-system`);
  expect(Object.keys((await dump.json()) as object)).toContain("type.googleapis.com/istio.workload.Address");
  const metrics = await (await fetch(`${istiod.url.monitoring}/metrics`)).text();
  for (const line of [
    /^pilot_info\{version="[\d.]+"\} 1$/m,
    /^pilot_xds\{version="unknown"\} 1$/m,
    /^pilot_xds_pushes\{type="Address"\} [1-9]/m,
    /^pilot_services \d+$/m,
    /^istiod_uptime_seconds \d/m,
    /^pilot_k8s_reg_events\{type="Pod",event="add"\} 1$/m,
    /^pilot_debounce_time_count [1-9]/m,
    /^pilot_pushcontext_init_seconds_count [1-9]/m,
  ]) {
    expect(metrics).toMatch(line);
  }
});
