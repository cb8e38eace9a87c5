// SPDX-License-Identifier: Apache-2.0
import { RESOURCES, connectKube, createInformer } from "@ambientmesh/kube";
import { createLocalKube } from "@ambientmesh/kube/local";

await using server = createLocalKube(); // or connect to a cluster: { kind: "kubeconfig", path: "/root/.kube/config" }
await server.start();
using kube = await connectKube({ kind: "in-process", connect: () => server.connect(), token: server.adminToken });

export const seen: string[] = [];
await using pods = createInformer({ resource: RESOURCES.Pod, fieldSelector: "spec.nodeName=n1" }, { client: kube });
pods.store.subscribe((changes) =>
  seen.push(...changes.map(({ key, after }) => `${key} ${after?.status?.phase ?? "gone"}`)),
);
await pods.start();

const web = {
  metadata: { name: "web", namespace: "default" },
  spec: { nodeName: "n1", containers: [{ name: "web" }] },
};
await kube.apply(RESOURCES.Pod, web, { fieldManager: "example" });
await kube.delete(RESOURCES.Pod, web.metadata, { gracePeriodSeconds: 0 });
while (pods.store.size > 0 || seen.length < 2) await new Promise(setImmediate); // ["default/web Pending", "default/web gone"]
