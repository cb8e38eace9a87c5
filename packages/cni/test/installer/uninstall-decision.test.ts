// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { kubeErrors, type KubeClient } from "@ambientmesh/kube";
import { isBeingUninstalled } from "../../src/installer/uninstall-decision.ts";

const OWNED = { metadata: { name: "p", ownerReferences: [{ kind: "DaemonSet", name: "cni" }] } };
const MISSING = kubeErrors.create("KUBE_NOT_FOUND", "there is none");
const REFUSED = kubeErrors.create("KUBE_FORBIDDEN", "no");

test.each<[string, { name: string | undefined; pod: unknown; daemonSet: unknown }, boolean]>([
  ["its DaemonSet is gone", { name: "p", pod: OWNED, daemonSet: MISSING }, true],
  [
    "its DaemonSet goes",
    { name: "p", pod: OWNED, daemonSet: { metadata: { name: "cni", deletionTimestamp: "2026-01-01T00:00:00Z" } } },
    true,
  ],
  ["its DaemonSet is there", { name: "p", pod: OWNED, daemonSet: { metadata: { name: "cni" } } }, false],
  ["it may not ask", { name: "p", pod: OWNED, daemonSet: REFUSED }, false],
  ["its pod is unknown", { name: "p", pod: MISSING, daemonSet: MISSING }, false],
  ["its pod belongs to nobody", { name: "p", pod: { metadata: { name: "p" } }, daemonSet: MISSING }, false],
  ["its pod was not named", { name: undefined, pod: OWNED, daemonSet: MISSING }, false],
])("an agent ends, and %s", async (_case, { name, pod, daemonSet }, expected) => {
  const get = async ({ kind }: { readonly kind: string }): Promise<unknown> => {
    const answer = kind === "Pod" ? pod : daemonSet;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const client = { get } as Pick<KubeClient, "get">;
  expect(await isBeingUninstalled(client, { namespace: "istio-system", name }, silentLogger)).toBe(expected);
});
