// SPDX-License-Identifier: Apache-2.0
// Run by `npm run e2e:istio`. Needs root, Go (or ISTIO_BIN), etcd and kube-apiserver (KUBE_BIN); without them it is skipped.
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { applyYaml } from "../../packages/istiod/test/support/mesh.ts";
import { readSome } from "../../packages/ztunnel/test/testbed/mesh.ts";
import { SYSTEM, VIP, idOf, ztunnelOf } from "./cluster.ts";
import { needIstio } from "./install.ts";
import { startIstioMesh, type IstioMesh } from "./mesh.ts";

const { missing, path } = await needIstio("pilot-discovery");
const title = missing === undefined ? "Istio's istiod and our ztunnel" : `skipped: ${missing}`;
const PATIENT = { timeout: 20_000, interval: 50 };

interface Dump {
  readonly workloads: readonly { readonly uid: string }[];
  readonly services: readonly { readonly hostname: string }[];
  readonly policies: readonly { readonly name: string; readonly namespace: string }[];
  readonly certificates: readonly {
    readonly identity: string;
    readonly state: string;
    readonly certChain: readonly unknown[];
    readonly rootCerts: readonly unknown[];
  }[];
}

describe.skipIf(missing !== undefined || !canUseNetns(process.env))(title, () => {
  let mesh: IstioMesh;

  beforeAll(async () => {
    mesh = await startIstioMesh(path("pilot-discovery"));
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  const dump = async (node: string): Promise<Dump> => JSON.parse(await mesh.proxies.node(node).dump()) as Dump;

  it.each(["n1", "n2"])("leads to the workloads and services that the API holds, on %s", async (node) => {
    await vi.waitFor(async () => {
      const { workloads, services } = await dump(node);
      const place = { namespace: "default", clusterId: "Kubernetes", status: "Healthy" };
      const ofPod = (name: string) => ({
        ...place,
        uid: `Kubernetes//Pod/default/${name}`,
        name,
        serviceAccount: name,
        workloadIps: [mesh.network.pod(name).address, mesh.network.pod(name).address6],
        node: mesh.network.pod(name).node,
        protocol: name === "plain" ? "TCP" : "HBONE",
        canonicalName: name,
        canonicalRevision: "v1",
        locality: { region: "r1", zone: `zone-${mesh.network.pod(name).node}` },
      });
      const ofZtunnel = (on: string) => ({
        ...place,
        uid: `Kubernetes//Pod/${SYSTEM}/${ztunnelOf(on)}`,
        namespace: SYSTEM,
        serviceAccount: "ztunnel",
        workloadIps: [mesh.network.node(on).address],
      });
      expect(workloads).toMatchObject([
        ofPod("client"),
        ofPod("plain"),
        { ...ofPod("server"), services: ["default/server.default.svc.cluster.local"] },
        ofZtunnel("n1"),
        ofZtunnel("n2"),
        {
          uid: expect.stringMatching(/^Kubernetes\/discovery\.k8s\.io\/EndpointSlice\/default\/kubernetes\//),
          networkMode: "HostNetwork",
          protocol: "TCP",
        },
      ]);
      const uid = "Kubernetes//Pod/default/server";
      expect(services.find(({ hostname }) => hostname === "server.default.svc.cluster.local")).toMatchObject({
        name: "server",
        namespace: "default",
        vips: [`/${VIP}`],
        ports: { "80": 8080 },
        endpoints: { [uid]: { workloadUid: uid, port: { "80": 8080 }, status: "Healthy" } },
      });
      expect(services.map(({ hostname }) => hostname).toSorted()).toEqual([
        "kubernetes.default.svc.cluster.local",
        "server.default.svc.cluster.local",
      ]);
    }, PATIENT);
  });

  it("signs for the pods of a node whom its ztunnel impersonates", async () => {
    for (const [node, pod] of [
      ["n1", "client"],
      ["n2", "server"],
    ] as const) {
      await vi.waitFor(async () => {
        const { certificates } = await dump(node);
        expect(certificates.find(({ identity }) => identity === idOf(pod))).toMatchObject({
          state: "Available",
          certChain: [expect.anything()],
          rootCerts: [expect.anything()],
        });
      }, PATIENT);
    }
  });

  it("joins two pods by HBONE, each end knowing the other", async () => {
    const socket = await mesh.proxies.connect("client", VIP, 80);
    socket.write("hello");
    expect(await readSome(socket)).toBe("hello");
    socket.end();
    const identities = { "src.identity": idOf("client"), "dst.identity": idOf("server") };
    for (const [node, direction] of [
      ["n1", "outbound"],
      ["n2", "inbound"],
    ] as const) {
      await vi.waitFor(() => {
        expect(mesh.proxies.node(node).access()).toContainEqual(expect.objectContaining({ direction, ...identities }));
      }, PATIENT);
    }
  });

  it("cuts an open connection once a policy in the API is against it", async () => {
    const socket = await mesh.proxies.connect("client", VIP, 80);
    socket.write("before");
    expect(await readSome(socket)).toBe("before");
    const policy = (principal: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: deny, namespace: default }
spec:
  selector: { matchLabels: { app: server } }
  action: DENY
  rules: [{ from: [{ source: { principals: [${principal}] } }], to: [{ operation: { ports: ["8080"] } }] }]
`;
    await applyYaml(mesh.kube.client, policy("cluster.local/ns/default/sa/other"));
    await vi.waitFor(async () => {
      const { policies, workloads } = await dump("n2");
      expect(policies).toMatchObject([
        { name: "deny", namespace: "default", scope: "WorkloadSelector", action: "Deny", dryRun: false },
      ]);
      expect(workloads.find(({ uid }) => uid.endsWith("/server"))).toMatchObject({
        authorizationPolicies: ["default/deny"],
      });
    }, PATIENT);
    socket.write("during");
    expect(await readSome(socket)).toBe("during");
    await applyYaml(mesh.kube.client, policy("cluster.local/ns/default/sa/client"));
    expect(await readSome(socket)).toBe("");
    const refused = await mesh.proxies.connect("client", VIP, 80);
    refused.write("after");
    expect(await readSome(refused)).toBe("");
  });

  it("hears no complaint: everything that was sent is acknowledged", async () => {
    await vi.waitFor(async () => {
      const clients = await mesh.istiod.clients();
      expect(clients.map(({ proxy, proxy_type }) => `${proxy_type} ${proxy}`).toSorted()).toEqual([
        `ztunnel ${ztunnelOf("n1")}.${SYSTEM}`,
        `ztunnel ${ztunnelOf("n2")}.${SYSTEM}`,
      ]);
      for (const { resources } of clients) {
        expect(Object.keys(resources).toSorted()).toEqual([AUTHORIZATION_TYPE_URL, ADDRESS_TYPE_URL].toSorted());
        for (const { sent, acked, lastError } of Object.values(resources)) {
          expect([acked, lastError]).toEqual([sent, undefined]);
          expect(sent).toBeTruthy();
        }
      }
    }, PATIENT);
    expect(await mesh.istiod.metrics("pilot_total_xds_rejects")).toEqual([]);
  });
});
