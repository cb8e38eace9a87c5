// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import type { KubernetesObject, Service } from "@ambientmesh/api/kubernetes";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { RESOURCES, type Resource } from "../../src/index.ts";
import type { AdmissionHook, KindDefinition } from "../../src/local/index.ts";
import { eventually } from "../support/eventually.ts";
import { clientOf, startLocal } from "../support/local.ts";

const place = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });

describe("garbage collection", () => {
  const owned = (uid: string | undefined): { ownerReferences: object[] } => ({
    ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: uid ?? "" }],
  });

  it("takes dependents of dependents", async () => {
    await using kube = await startLocal();
    const owner = await kube.client.create(RESOURCES.ConfigMap, { metadata: place("owner") });
    const child = await kube.client.create(RESOURCES.ConfigMap, {
      metadata: { ...place("child"), ...owned(owner.metadata.uid) } as never,
    });
    await kube.client.create(RESOURCES.ConfigMap, {
      metadata: { ...place("grandchild"), ...owned(child.metadata.uid) } as never,
    });
    await kube.client.delete(RESOURCES.ConfigMap, place("owner"));
    expect(await kube.client.list(RESOURCES.ConfigMap)).toEqual([]);
  });

  it("keeps who has another owner, and forgets the one that is gone", async () => {
    await using kube = await startLocal();
    const [a, b] = await Promise.all(
      ["a", "b"].map((name) => kube.client.create(RESOURCES.ConfigMap, { metadata: place(name) })),
    );
    const ownerReferences = [a, b].map((owner) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      name: owner?.metadata.name ?? "",
      uid: owner?.metadata.uid ?? "",
    }));
    await kube.client.create(RESOURCES.ConfigMap, { metadata: { ...place("child"), ownerReferences } });
    await kube.client.delete(RESOURCES.ConfigMap, place("a"));
    const child = await kube.client.get(RESOURCES.ConfigMap, place("child"));
    expect(child.metadata.ownerReferences?.map(({ name }) => name)).toEqual(["b"]);
  });

  it("takes what names an owner that never was", async () => {
    await using kube = await startLocal();
    await kube.client.create(RESOURCES.ConfigMap, {
      metadata: { ...place("stray"), ...owned("no-such-uid") } as never,
    });
    expect(await kube.client.find(RESOURCES.ConfigMap, place("stray"))).toBeUndefined();
  });

  it("waits for dependents in the foreground, and lets orphans live", async () => {
    await using kube = await startLocal();
    const { client } = kube;
    const owner = await client.create(RESOURCES.ConfigMap, { metadata: place("owner") });
    const metadata = { ...place("held"), finalizers: ["example.com/hold"], ...owned(owner.metadata.uid) } as never;
    await client.create(RESOURCES.ConfigMap, { metadata });
    await client.delete(RESOURCES.ConfigMap, place("owner"), { propagation: "Foreground" });
    expect((await client.get(RESOURCES.ConfigMap, place("owner"))).metadata.deletionTimestamp).toBeDefined();
    await client.mergePatch(RESOURCES.ConfigMap, place("held"), { metadata: { finalizers: null } });
    expect(await client.list(RESOURCES.ConfigMap)).toEqual([]);

    const second = await client.create(RESOURCES.ConfigMap, { metadata: place("owner") });
    await client.create(RESOURCES.ConfigMap, {
      metadata: { ...place("orphan"), ...owned(second.metadata.uid) } as never,
    });
    await client.delete(RESOURCES.ConfigMap, place("owner"), { propagation: "Orphan" });
    const orphan = await client.get(RESOURCES.ConfigMap, place("orphan"));
    expect(orphan.metadata.ownerReferences).toBeUndefined();
    expect(await client.find(RESOURCES.ConfigMap, place("owner"))).toBeUndefined();
  });
});

describe("admission hooks", () => {
  const assignAddress: AdmissionHook = ({ object, kind }) => {
    const { spec } = (object ?? {}) as Partial<Service>;
    if (kind.definition.kind !== "Service" || spec === undefined || spec.clusterIP !== undefined)
      return { isAllowed: true };
    return {
      isAllowed: true,
      object: { ...object, spec: { ...spec, clusterIP: "10.96.0.10" } } as KubernetesObject,
      warnings: ["an address was assigned"],
    };
  };

  it("complete objects, which nobody then owns", async () => {
    await using kube = await startLocal({ admission: [assignAddress] });
    const created = await kube.client.apply(
      RESOURCES.Service,
      { metadata: place("s"), spec: { ports: [{ port: 80 }] } },
      { fieldManager: "m" },
    );
    expect(created.spec.clusterIP).toBe("10.96.0.10");
    expect(JSON.stringify(created.metadata.managedFields)).not.toContain("clusterIP");
    const again = await kube.client.apply(
      RESOURCES.Service,
      { metadata: place("s"), spec: { ports: [{ port: 81 }] } },
      { fieldManager: "m" },
    );
    expect(again.spec.clusterIP).toBe("10.96.0.10");
  });

  it("refuse writes, deletions among them", async () => {
    const frozen: AdmissionHook = ({ operation, before, object }) =>
      (before ?? object)?.metadata.name === "frozen" && operation !== "CREATE"
        ? { isAllowed: false, message: "it is frozen" }
        : { isAllowed: true };
    await using kube = await startLocal({ admission: [frozen] });
    await kube.client.create(RESOURCES.ConfigMap, { metadata: place("frozen") });
    const refusal = { code: "KUBE_FORBIDDEN", message: expect.stringContaining("it is frozen") };
    await expect(
      kube.client.mergePatch(RESOURCES.ConfigMap, place("frozen"), { data: { a: "b" } }),
    ).rejects.toMatchObject(refusal);
    await expect(kube.client.delete(RESOURCES.ConfigMap, place("frozen"))).rejects.toMatchObject(refusal);
  });
});

describe("kinds of the caller", () => {
  const gadget: KindDefinition = {
    group: "example.com",
    kind: "Gadget",
    plural: "gadgets",
    singular: "gadget",
    isNamespaced: false,
    versions: ["v1", "v1beta1"].map((name) => ({
      name,
      schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: {} },
      columns: [],
    })) as unknown as KindDefinition["versions"],
  };
  const gadgets: Resource = { apiVersion: "example.com/v1", kind: "Gadget", plural: "gadgets", isNamespaced: false };

  it("are served in all their versions", async () => {
    await using kube = await startLocal({ kinds: [gadget] });
    await kube.client.create({ ...gadgets, apiVersion: "example.com/v1beta1" }, { metadata: { name: "g" } });
    const read = await kube.client.get(gadgets, { name: "g" });
    expect(read).toMatchObject({ apiVersion: "example.com/v1", kind: "Gadget" });
    await expect(kube.client.get({ ...gadgets, apiVersion: "example.com/v2" }, { name: "g" })).rejects.toMatchObject({
      code: "KUBE_NOT_FOUND",
    });
  });

  it("do not give way to a definition of the same kind under another name", async () => {
    await using kube = await startLocal({ kinds: [gadget] });
    const name = "gizmos.example.com";
    const versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }];
    const spec = {
      group: "example.com",
      scope: "Cluster",
      names: { plural: "gizmos", kind: "Gadget" },
      versions,
    } as const;
    await kube.client.create(RESOURCES.CustomResourceDefinition, { metadata: { name }, spec });
    const read = await eventually(async () => {
      const found = await kube.client.get(RESOURCES.CustomResourceDefinition, { name });
      return found.status?.conditions === undefined ? undefined : found;
    });
    expect(read.status?.conditions).toMatchObject([
      { type: "NamesAccepted", status: "False" },
      { type: "Established", status: "False" },
    ]);
    await kube.client.delete(RESOURCES.CustomResourceDefinition, { name });
    expect((await kube.client.list(gadgets)).length).toBe(0);
  });
});

describe("tokens and time", () => {
  it("end when their time is over, and survive a restart with the same key", async () => {
    const clock = new FakeClock();
    const signingKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    await using kube = await startLocal({ signingKey }, { clock });
    const { token } = await kube.client.requestToken(place("default"), { audiences: ["a"], expirationSeconds: 600 });
    const review = async (): Promise<boolean> =>
      (await kube.client.reviewToken({ token, audiences: ["a"] })).authenticated === true;
    expect(await review()).toBe(true);
    clock.advance(601_000);
    expect(await review()).toBe(false);
    const { token: own } = await kube.client.requestToken(place("default"), {});
    const client = await clientOf(kube.server, own);
    expect((await client.list(RESOURCES.Namespace)).length).toBe(4);
  });
});

describe("lists that were begun", () => {
  it("are held only so long", async () => {
    await using kube = await startLocal();
    for (const name of ["a", "b"]) await kube.client.create(RESOURCES.ConfigMap, { metadata: place(name) });
    const first = await kube.client.listPage(RESOURCES.ConfigMap, { limit: 1 });
    for (let other = 0; other < 64; other++) await kube.client.listPage(RESOURCES.ConfigMap, { limit: 1 });
    const next = kube.client.listPage(RESOURCES.ConfigMap, { limit: 1, continue: first.metadata.continue });
    await expect(next).rejects.toMatchObject({ code: "KUBE_EXPIRED" });
    const wrong = kube.client.listPage(RESOURCES.ConfigMap, { limit: 1, continue: "garbage" });
    await expect(wrong).rejects.toMatchObject({ code: "KUBE_BAD_REQUEST" });
  });
});
