// SPDX-License-Identifier: Apache-2.0
import { kubeErrors, type KubeClient } from "@ambientmesh/kube";
import { expect, it, vi } from "vitest";
import { applyYaml, createIstiod, namespaceYaml, podYaml, startIstiod, startKube } from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

/** A client whose service account may not read some kinds; `grant` changes that. */
function restricted(client: KubeClient, ...plurals: readonly string[]): { client: KubeClient; grant: () => void } {
  const denied = new Set(plurals);
  const check = ({ plural }: { readonly plural: string }): void => {
    if (denied.has(plural)) throw kubeErrors.create("KUBE_FORBIDDEN", `${plural} is forbidden: istiod cannot list it`);
  };
  const guarded: KubeClient = new Proxy(client, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return async (...values: unknown[]): Promise<unknown> => {
        if (name === "listPage" || name === "watch") check(values[0] as { readonly plural: string });
        return Reflect.apply(member, target, values) as unknown;
      };
    },
  });
  return { client: guarded, grant: () => denied.clear() };
}

it("serves without optional kinds that it may not read, and says so", async () => {
  await using kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  await applyYaml(kube.client, podYaml({ name: "web" }));
  const { client } = restricted(kube.client, "serviceentries", "workloadentries", "gateways", "gatewayclasses");
  await using istiod = await startIstiod(client);
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.until(() => ztunnel.addresses.has("Kubernetes//Pod/shop/web"));
  const warnings = istiod.log.records.filter(({ event }) => event.startsWith("the kind may not be read"));
  expect(warnings.map(({ level, event }) => `${level}: ${event}`)).toEqual(
    Array.from(
      { length: 4 },
      () => "warn: the kind may not be read, going on without it: grant get, list and watch by RBAC",
    ),
  );
});

it.each(["pods", "authorizationpolicies", "peerauthentications"])(
  "is not ready without %s, names them, and goes on once it may read them",
  async (plural) => {
    await using kube = await startKube();
    const { client, grant } = restricted(kube.client, plural);
    const { istiod } = createIstiod(client);
    await using _istiod = istiod;
    const started = istiod.start();
    await vi.waitFor(
      async () => {
        const port = istiod.addresses.http?.port;
        if (port === undefined) throw new Error("not listening yet");
        const answer = await fetch(`http://127.0.0.1:${port}/ready`);
        expect(await answer.text()).toBe(`not ready, pending: permission to read ${plural}, start\n`);
      },
      { timeout: 10_000, interval: 20 },
    );
    grant();
    await started;
    expect((await fetch(`http://127.0.0.1:${istiod.addresses.http?.port}/ready`)).status).toBe(200);
  },
);
