// SPDX-License-Identifier: Apache-2.0
// Pods, services, DNS and kubectl on a mesh of plain pods. Needs root: npx vitest run --project netns packages/cli
import { existsSync, readFileSync } from "node:fs";
import type { Pod, Service } from "@ambientmesh/api/kubernetes";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExecResult, LocalPod, MeshTarget, ObjectReference } from "../../src/local/mesh.ts";
import { readRecord, type MeshRecord } from "../../src/local/run-directory/record.ts";
import { SHOP, SHOP_FILES } from "./support/programs.ts";
import { allReady, startTestMesh, tracesOf, type TestMesh } from "./support/test-mesh.ts";

const CLIENT: MeshTarget = { kind: "pod", namespace: "shop", name: "client" };
const hasKubectl = ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].some((path) => existsSync(path));
const service = (name: string): ObjectReference => ({ apiVersion: "v1", kind: "Service", namespace: "shop", name });

describe.runIf(canUseNetns(process.env))("a mesh of plain pods", () => {
  let test: TestMesh;

  beforeAll(async () => {
    test = await startTestMesh(SHOP_FILES);
    await allReady(test.mesh);
  });
  afterAll(async () => {
    await test[Symbol.asyncDispose]();
  });

  const run = (from: MeshTarget, ...argv: string[]): Promise<ExecResult> => test.mesh.exec(from, argv);
  const curl = (from: MeshTarget, url: string): Promise<ExecResult> => run(from, "curl", "-sS", "-m", "5", url);
  const podsOf = (app: string): Promise<readonly LocalPod[]> => test.mesh.pods("shop", { app });

  it("runs programs where a pod is, with its network, name server and exit code", async () => {
    const [client] = await podsOf("client");
    expect(await run(CLIENT, "hostname", "-I")).toMatchObject({ code: 0, stdout: `${client?.ip} \n` });
    expect((await run(CLIENT, "cat", "/etc/resolv.conf")).stdout).toContain("search shop.svc.cluster.local");
    expect(await run(CLIENT, "sh", "-c", "echo out; echo err >&2; exit 7")).toEqual({
      code: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await run(CLIENT, "sh", "-c", "kill -9 $$")).code).toBe(137);
    expect((await run(CLIENT, "nosuch-program")).code).toBe(127);
    expect((await test.mesh.exec(CLIENT, ["cat"], { input: "to be read" })).stdout).toBe("to be read");
    expect((await test.mesh.exec(CLIENT, ["sleep", "60"], { timeoutMs: 200 })).code).toBe(124);
    expect((await run({ kind: "node", name: "node1" }, "hostname", "-I")).stdout).toContain("10.99.0.11 ");
    expect((await run({ kind: "fabric" }, "ip", "-o", "link", "show", "br0")).code).toBe(0);
    await expect(run({ kind: "pod", namespace: "shop", name: "nobody" }, "true")).rejects.toMatchObject({
      code: "CLI_TARGET_NOT_FOUND",
    });
    await expect(run({ kind: "node", name: "node9" }, "true")).rejects.toMatchObject({ code: "CLI_TARGET_NOT_FOUND" });
  });

  it("gives programs their environment and keeps what they write", async () => {
    const [client] = await podsOf("client");
    const log = readFileSync(test.mesh.logFile("shop", "client"), "utf8");
    expect(log).toBe(`started as client on node1 with ${client?.ip}\n`);
  });

  it("spreads the pods of a Deployment over the nodes, and names them as Kubernetes does", async () => {
    const echoes = await podsOf("echo");
    expect(echoes.map(({ node }) => node).toSorted()).toEqual(["node1", "node2"]);
    for (const { name } of echoes) expect(name).toMatch(/^echo-[a-z0-9]{10}-[a-z0-9]{5}$/);
    const pod = await test.mesh.get<Pod>({
      apiVersion: "v1",
      kind: "Pod",
      namespace: "shop",
      name: echoes[0]?.name ?? "",
    });
    expect(pod?.metadata).toMatchObject({
      generateName: expect.stringMatching(/^echo-[a-z0-9]{10}-$/) as string,
      ownerReferences: [{ kind: "ReplicaSet", controller: true }],
      labels: { "pod-template-hash": expect.any(String) as string },
    });
  });

  it("balances ClusterIP services over TCP and UDP across nodes, with the client's own address", async () => {
    const [client] = await podsOf("client");
    const echoes = new Set((await podsOf("echo")).map(({ name }) => name));
    const tcp = new Set<string>();
    const udp = new Set<string>();
    await test.mesh.waitFor("both pods to have answered", 20_000, async () => {
      const answer = JSON.parse((await curl(CLIENT, "http://echo/")).stdout) as { pod: string; client: string };
      expect(answer.client).toBe(client?.ip);
      tcp.add(answer.pod);
      const [pod = ""] = (
        await run(CLIENT, "node", `${test.folder.path}/programs/udp-client.mjs`, "echo", "80")
      ).stdout.split(" ");
      udp.add(pod);
      return tcp.size === 2 && udp.size === 2 ? true : undefined;
    });
    expect([tcp, udp]).toEqual([echoes, echoes]);
  });

  it("lets a pod reach itself through its service, and nodes and the control plane reach services", async () => {
    const [echo] = await podsOf("echo");
    const self: MeshTarget = { kind: "pod", namespace: "shop", name: echo?.name ?? "" };
    const answered = new Set<string>();
    await test.mesh.waitFor("the pod to have answered itself", 20_000, async () => {
      const answer = await curl(self, "http://echo.shop.svc.cluster.local/");
      expect(answer).toMatchObject({ code: 0 });
      answered.add((JSON.parse(answer.stdout) as { pod: string }).pod);
      return answered.has(echo?.name ?? "") ? true : undefined;
    });
    for (const name of ["node2", "control-plane"]) {
      expect((await curl({ kind: "node", name }, "http://echo.shop/")).code).toBe(0);
    }
  });

  it("refuses at once what nobody serves", async () => {
    for (const url of ["http://empty/", "http://10.96.200.200/", "http://10.244.1.250/"]) {
      expect((await curl(CLIENT, url)).code).toBe(7);
    }
    expect((await curl(CLIENT, "http://nosuch/")).code).toBe(6);
  });

  it("answers DNS for headless services, named ports, pods and addresses of the other IP version", async () => {
    const script = `
      import { resolve4, resolve6, resolveSrv } from "node:dns/promises";
      const result = (promise) => promise.catch(({ code }) => code);
      console.log(JSON.stringify([
        (await resolve4("headless.shop.svc.cluster.local")).toSorted(),
        (await resolveSrv("_http._tcp.headless.shop.svc.cluster.local")).length,
        await result(resolve6("echo.shop.svc.cluster.local")),
        await result(resolve4("nosuch.shop.svc.cluster.local")),
        await result(resolve4("example.com")),
      ]));`;
    const { stdout } = await run(CLIENT, "node", "--input-type=module", "-e", script);
    const ips = (await podsOf("echo")).map(({ ip }) => ip).toSorted();
    expect(JSON.parse(stdout)).toEqual([ips, 2, "ENODATA", "ENOTFOUND", "EREFUSED"]);
    const [echo] = await podsOf("echo");
    const podName = `${echo?.ip.replaceAll(".", "-")}.shop.pod.cluster.local`;
    expect((await run(CLIENT, "getent", "hosts", podName)).stdout).toContain(`${echo?.ip} `);
  });

  it("leads a service target to the machine", async () => {
    expect(test.mesh.serviceTarget("shop", "echo", 80)).toMatchObject({
      host: expect.stringMatching(/^10\.96\./) as string,
      port: 80,
    });
    expect(test.mesh.serviceTarget("shop", "headless", 80)).toBeUndefined();
    expect(test.mesh.serviceTarget("shop", "nosuch", 80)).toBeUndefined();
  });

  it("takes a saved change at once, and keeps the last good state of a broken file", async () => {
    const { mesh, folder, problems } = test;
    const file = (port: string): string =>
      `apiVersion: v1\nkind: Service\nmetadata: { name: edited, namespace: shop }\nspec:\n  selector: { app: echo }\n  ports:\n    - port: ${port}\n      targetPort: 8080\n`;
    folder.write("edited.yaml", file("81"));
    const answers = async (url: string): Promise<true | undefined> =>
      (await curl(CLIENT, url)).code === 0 ? true : undefined;
    await mesh.waitFor("the new service to answer", 10_000, () => answers("http://edited:81/"));
    folder.write("edited.yaml", file("many"));
    const said = await mesh.waitFor("the problem to be named", 10_000, async () =>
      problems.findLast((list) => list.length > 0),
    );
    expect(said.join("\n")).toMatch(/edited\.yaml:7:7: Service shop\/edited: spec\.ports\[0\]\.port: /);
    expect(await answers("http://edited:81/")).toBe(true);
    folder.write("edited.yaml", "apiVersion: v1\n  kind: Service\n");
    await mesh.waitFor("the syntax error to be named", 10_000, async () =>
      problems.at(-1)?.some((text) => /edited\.yaml:\d+:\d+: .*YAML/.test(text)) ? true : undefined,
    );
    expect((await mesh.get<Service>(service("edited")))?.spec.ports).toMatchObject([{ port: 81 }]);
    folder.write("edited.yaml", file("82"));
    await mesh.waitFor("the repaired service to answer", 10_000, () => answers("http://edited:82/"));
    expect(problems.at(-1)).toEqual([]);
  });

  it("moves to a new template without a time when nobody answers", async () => {
    const { mesh, folder } = test;
    const before = new Set((await podsOf("echo")).map(({ uid }) => uid));
    folder.write(
      "shop.yaml",
      SHOP.replace("labels: { app: echo } }\n    spec", "labels: { app: echo, version: v2 } }\n    spec"),
    );
    await mesh.waitFor("all pods to be replaced", 30_000, async () => {
      expect((await curl(CLIENT, "http://echo/")).code).toBe(0);
      const now = await mesh.pods("shop", { app: "echo", version: "v2" });
      const isDone = (await podsOf("echo")).length === 2 && now.length === 2 && now.every(({ isReady }) => isReady);
      return isDone && now.every(({ uid }) => !before.has(uid)) ? true : undefined;
    });
  });

  it.runIf(hasKubectl)("works with kubectl: get, apply, label, scale, delete", async () => {
    const { mesh } = test;
    const kubectl = (...args: string[]): Promise<ExecResult> =>
      mesh.exec({ kind: "host" }, ["kubectl", "--kubeconfig", mesh.kubeconfig, ...args]);
    expect((await kubectl("get", "nodes", "-o", "name")).stdout).toBe("node/control-plane\nnode/node1\nnode/node2\n");
    expect((await kubectl("get", "pods", "-n", "shop")).stdout).toMatch(/client +1\/1 +Running/);
    const manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: made, namespace: shop }\ndata: { a: b }\n";
    const applied = await mesh.exec(
      { kind: "host" },
      ["kubectl", "--kubeconfig", mesh.kubeconfig, "apply", "-f", "-"],
      { input: manifest },
    );
    expect(applied).toMatchObject({ code: 0, stdout: "configmap/made created\n" });
    expect(await kubectl("label", "namespace", "shop", "tested=yes")).toMatchObject({ code: 0 });
    expect(await kubectl("scale", "-n", "shop", "deployment/echo", "--replicas=3")).toMatchObject({ code: 0 });
    await mesh.waitFor("the third pod", 20_000, async () => {
      const pods = await podsOf("echo");
      return pods.length === 3 && pods.every(({ isReady }) => isReady) ? true : undefined;
    });
    const [victim] = await podsOf("echo");
    expect(await kubectl("delete", "pod", "-n", "shop", victim?.name ?? "")).toMatchObject({ code: 0 });
    await mesh.waitFor("the deleted pod to be replaced", 20_000, async () => {
      const pods = await podsOf("echo");
      const isReplaced = pods.every(({ uid }) => uid !== victim?.uid);
      return isReplaced && pods.length === 3 && pods.every(({ isReady }) => isReady) ? true : undefined;
    });
    expect(existsSync(`/proc/${victim?.pids[0]}`)).toBe(false);
    expect(existsSync(mesh.logFile("shop", victim?.name ?? "", "echo"))).toBe(false);
  });

  it("ends with everything that belongs to it, and leaves nothing behind", async () => {
    const { mesh, place } = test;
    const { runId } = readRecord(place.record) as MeshRecord;
    // A program that was forgotten ends with the mesh too.
    mesh.spawn(CLIENT, ["sleep", "infinity"]);
    await test[Symbol.asyncDispose]();
    expect(await tracesOf(place.mesh, runId)).toEqual([]);
    expect(existsSync(place.root)).toBe(false);
  });
});
