// SPDX-License-Identifier: Apache-2.0
// A proxy for one workload, as on a virtual machine. Needs root: `npx vitest run --project netns packages/ztunnel/test/netns/dedicated.test.ts`.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyNftables, listenTcp } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { hostnameOf, idOf, readAll, startMesh } from "../testbed/mesh.ts";
import { TOKEN } from "../testbed/control-plane.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const RULES = `
table inet machine {
  chain output {
    type nat hook output priority -100;
    oifname "lo" accept
    meta l4proto tcp meta mark & 0xfff != 0x539 redirect to :15001
  }
}`;

describe.runIf(canUseNetns(process.env))("a dedicated proxy", () => {
  it("serves the one workload whose network it runs in, by a local configuration", async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "ztunnel-dedicated-"));
    stack.defer(() => rmSync(folder, { recursive: true }));
    const mesh = stack.use(await startMesh({ nodes: { n1: ["server"], n2: ["plain-machine"] } }));
    const machine = mesh.pod("plain-machine");
    await mesh.echo("server");
    await mesh.echo("plain-machine", 9000);
    mesh.publishPod("plain-machine", { tunnelProtocol: 1 });
    mesh.publishService("machine", "10.99.0.1", { ports: [{ servicePort: 80, targetPort: 9000 }] });
    await mesh.settle();
    await applyNftables(RULES, { netns: machine.netns });
    // The CA serves on the loopback of this process.
    const ca = new URL(mesh.control.address);
    const forward = createServer((socket) => {
      const upstream = connect(Number(ca.port), "127.0.0.1");
      socket.pipe(upstream).pipe(socket);
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
    });
    stack.defer(() => void forward.close());
    const { port } = await listenTcp(forward, { netns: machine.netns, address: "127.0.0.1", port: 0 });
    mesh.control.ownIdentity = idOf("plain-machine");
    const root = join(folder, "root.pem");
    writeFileSync(root, mesh.control.rootsPem);
    const local = join(folder, "local.yaml");
    writeFileSync(
      local,
      `
workloads:
- {uid: machine, name: plain-machine, namespace: default, serviceAccount: plain-machine, protocol: HBONE, workloadIps: [${machine.address}], services: {}}
- uid: server
  name: server
  namespace: default
  serviceAccount: server
  protocol: HBONE
  workloadIps: [${mesh.pod("server").address}]
  services: {default/${hostnameOf("web")}: {80: 8080}}
services:
- {name: web, namespace: default, hostname: ${hostnameOf("web")}, vips: [/10.99.0.7], ports: {80: 8080}}
policies:
- {name: known, namespace: default, scope: Namespace, action: Allow, rules: [[[{principals: [{Exact: cluster.local/ns/default/sa/server}]}]]]}
`,
    );
    const child = mesh.network.start("plain-machine", [process.execPath, "--conditions=@ambientmesh/source", MAIN], {
      env: {
        PATH: process.env["PATH"] ?? "",
        PROXY_MODE: "dedicated",
        PROXY_WORKLOAD_INFO: "default/plain-machine/plain-machine",
        PACKET_MARK: "1337",
        XDS_ADDRESS: "",
        LOCAL_XDS_PATH: local,
        CA_ADDRESS: `localhost:${port}`,
        CA_ROOT_CA: root,
        AUTH_TOKEN: TOKEN,
        LOG_FORMAT: "json",
        CONNECTION_TERMINATION_DEADLINE: "1s",
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    stack.defer(() => void child.kill("SIGKILL"));
    let log = "";
    child.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString()));
    const get = async (path: string): Promise<string> =>
      (await mesh.network.exec("plain-machine", ["curl", "-s", "--max-time", "5", `http://127.0.0.1:${path}`])).stdout;
    await expect.poll(() => get("15021/healthz/ready"), { timeout: 20_000 }).toBe("ready\n");

    expect(await mesh.request("plain-machine", "10.99.0.7", 80)).toBe("hello worldhello world");
    expect(mesh.control.issued).toContain(idOf("plain-machine"));
    expect(await mesh.request("server", machine.address, 9000, "in")).toBe("inin");
    const plain = await mesh.connect("server", machine.address, 15_006);
    plain.write("no identity, and a port of the proxy");
    expect(await readAll(plain)).toBe("");
    const dump = JSON.parse(await get("15000/config_dump")) as Record<string, Record<string, unknown>>;
    expect(dump).not.toHaveProperty("workloadState");
    expect(dump["config"]).toMatchObject({
      proxyMode: "Dedicated",
      proxyWorkloadInformation: { name: "plain-machine", namespace: "default", serviceAccount: "plain-machine" },
      xdsAddress: null,
    });
    expect(dump["staticConfig"]).toMatchObject({
      workloads: [{ uid: "machine" }, { uid: "server" }],
      services: [{ name: "web" }],
      policies: [{ name: "known" }],
    });
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    const lines = log
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string; message: string });
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});
