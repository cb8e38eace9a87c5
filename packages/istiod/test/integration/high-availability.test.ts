// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import { RESOURCES, connectKube } from "@ambientmesh/kube";
import { createLocalKube } from "@ambientmesh/kube/local";
import { expect, it, vi } from "vitest";
import { ISTIO_RESOURCES } from "../../src/sources/istio-resources.ts";
import { startIstiodProcess, type IstiodProcess } from "../support/istiod-process.ts";
import { applyYaml, namespaceYaml } from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

const REPLICAS = ["istiod-1", "istiod-2", "istiod-3"];
const BEFORE = 20;
const DURING = 60;
/** A leader that vanished without a word keeps its lease for 30 s. */
const TAKEOVER = { timeout: 60_000, interval: 200 };

const policy = (name: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { rules: [{ from: [{ source: { namespaces: [shop] } }] }] }
`;

async function localCluster() {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "istiod-ha-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const server = stack.use(createLocalKube({}, { definitions: ISTIO_DEFINITIONS }));
  await server.start();
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const client = stack.use(
    await connectKube({ kind: "in-process", connect: () => server.connect(), token: server.adminToken }),
  );
  await applyYaml(client, ["istio-system", "shop"].map((name) => namespaceYaml(name)).join("---"));
  const kubeconfig = join(folder, "kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "local",
    contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
    clusters: [{ name: "local", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: "admin", user: { token: server.adminToken } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const owned = stack.move();
  return { client, kubeconfig, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

it(
  "nothing is lost when the leader of three replicas is killed while objects change",
  { timeout: 150_000 },
  async () => {
    await using cluster = await localCluster();
    const { client, kubeconfig } = cluster;
    await using stack = new AsyncDisposableStack();
    const replicas = new Map<string, IstiodProcess>();
    for (const name of REPLICAS) {
      replicas.set(name, stack.use(await startIstiodProcess(kubeconfig, { POD_NAME: name })));
    }
    const holder = async (): Promise<string> => {
      const lease = await client.find(RESOURCES.Lease, { namespace: "istio-system", name: "istio-leader" });
      return lease?.spec?.holderIdentity ?? "";
    };
    const replicaOf = (name: string): IstiodProcess => {
      const replica = replicas.get(name);
      if (!replica) throw new Error(`no replica ${name}`);
      return replica;
    };
    const names = Array.from({ length: BEFORE + DURING }, (_, at) => `p${at}`);
    for (const name of names.slice(0, BEFORE)) await applyYaml(client, policy(name));

    const leader = await vi.waitFor(async () => {
      const name = await holder();
      expect(REPLICAS).toContain(name);
      return name;
    }, TAKEOVER);
    const survivor = replicaOf(REPLICAS.find((name) => name !== leader) ?? "");
    using stayed = new TestZtunnel({ address: survivor.grpc });
    using moved = new TestZtunnel({ address: replicaOf(leader).grpc });
    await Promise.all([stayed, moved].map((ztunnel) => ztunnel.until(() => ztunnel.authorizations.size === BEFORE)));

    const changing = (async () => {
      for (const name of names.slice(BEFORE)) await applyYaml(client, policy(name));
    })();
    await stayed.until(() => stayed.authorizations.size > BEFORE + 5);
    const claims = structuredClone(moved.versions);
    await replicaOf(leader).kill();
    await changing;

    // The client of the killed replica comes to another one, and is sent only what it has not got.
    using back = new TestZtunnel({ address: survivor.grpc, claims });
    const missing = names.length - Object.keys(claims[AUTHORIZATION_TYPE_URL] ?? {}).length;
    await Promise.all([
      back.until(() => back.authorizations.size === missing),
      stayed.until(() => stayed.authorizations.size === names.length),
    ]);
    expect(stayed.status).toBeUndefined();

    // Somebody else writes what is left to be written.
    await vi.waitFor(async () => {
      const policies = await client.list(ISTIO_RESOURCES.AuthorizationPolicy);
      const accepted = policies.filter(({ status }) => status?.conditions?.[0]?.status === "True");
      expect(accepted.length).toBe(names.length);
    }, TAKEOVER);
    const successor = await holder();
    expect(REPLICAS.filter((name) => name !== leader)).toContain(successor);
  },
);
