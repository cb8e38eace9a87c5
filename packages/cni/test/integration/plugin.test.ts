// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { silentLogger, systemClock } from "@ambientmesh/core";
import { RESOURCES, connectKube } from "@ambientmesh/kube";
import { createLocalKube } from "@ambientmesh/kube/local";
import { createMetrics, type MetricsRegistry } from "@ambientmesh/telemetry";
import { cniErrors } from "../../src/errors.ts";
import type { AddRequest, DeleteRequest } from "../../src/plugin-server/plugin-request.ts";
import { PluginServer } from "../../src/plugin-server/plugin-server.ts";
import { callPlugin, podArgs } from "../support/call-plugin.ts";

const PREV_RESULT = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "veth1" }, { name: "eth0", sandbox: "/var/run/netns/cni-1" }],
  ips: [
    { address: "10.0.1.2/24", gateway: "10.0.1.1", interface: 1 },
    { address: "fd00::2/64", interface: 1 },
  ],
  dns: {},
};
const NETNS = "/var/run/netns/cni-1";

describe("the CNI plugin", () => {
  let directory: string;
  let metrics: MetricsRegistry;
  let added: AddRequest[];
  let deleted: DeleteRequest[];
  let onAdded: (signal: AbortSignal) => Promise<void>;
  let server: PluginServer;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "plugin-"));
    metrics = createMetrics();
    added = [];
    deleted = [];
    onAdded = async () => {};
    server = createServer();
    await server.start();
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  const socketPath = (): string => join(directory, "pluginevent.sock");

  function createServer(drainMs = 100): PluginServer {
    const sink = {
      added: async (event: AddRequest, signal: AbortSignal) => {
        added.push(event);
        await onAdded(signal);
      },
      deleted: async (event: DeleteRequest) => void deleted.push(event),
    };
    const deps = { sink, clock: systemClock, logger: silentLogger, metrics };
    return new PluginServer(deps, { path: socketPath(), drainMs });
  }

  const config = (more: object = {}): object => ({
    cniVersion: "1.0.0",
    name: "k8s-pod-network",
    type: "istio-cni",
    cni_agent_run_dir: directory,
    exclude_namespaces: ["kube-system"],
    prevResult: PREV_RESULT,
    ...more,
  });
  const add = (more: object = {}, args = podArgs("shop", "cart", "u-1")): ReturnType<typeof callPlugin> =>
    callPlugin({ command: "ADD", netns: NETNS, args, config: config(more) });

  async function requestsByCode(): Promise<readonly string[]> {
    const lines = (await metrics.render("prometheus")).split("\n");
    return lines.filter((line) => line.startsWith("istio_cni_plugin_requests_total"));
  }

  it("tells the agent of a sandbox and passes the result on", async () => {
    expect(await add()).toEqual({ exitCode: 0, output: PREV_RESULT, stderr: "" });
    expect(added).toEqual([
      {
        pod: { namespace: "shop", name: "cart", uid: "u-1" },
        netns: NETNS,
        addresses: ["10.0.1.2", "fd00::2"],
        sandboxId: "sandbox-1",
      },
    ]);
    expect(await requestsByCode()).toEqual(['istio_cni_plugin_requests_total{response_code="200"} 1']);
  });

  it("lets no pod start that the agent refuses, and says why", async () => {
    onAdded = () => Promise.reject(cniErrors.create("CNI_ZTUNNEL_UNAVAILABLE", "no node proxy is connected"));
    expect(await add()).toEqual({
      exitCode: 1,
      output: {
        cniVersion: "1.0.0",
        code: 11,
        msg: "istio-cni: the agent did not let pod shop/cart start: no node proxy is connected",
        details: "CNI_AGENT_REFUSED",
      },
      stderr: "",
    });
    expect(await requestsByCode()).toEqual(['istio_cni_plugin_requests_total{response_code="500"} 1']);
  });

  it("tells the agent of the end of a sandbox, and never fails there", async () => {
    const call = { command: "DEL", args: podArgs("shop", "cart", "u-1"), config: config() };
    expect(await callPlugin(call)).toMatchObject({ exitCode: 0, output: undefined });
    expect(deleted).toEqual([{ pod: { namespace: "shop", name: "cart", uid: "u-1" }, sandboxId: "sandbox-1" }]);
    await server[Symbol.asyncDispose]();
    expect(await callPlugin(call)).toMatchObject({ exitCode: 0, output: undefined });
  });

  test.each([
    ["an excluded namespace", {}, podArgs("kube-system", "dns")],
    ["the agent's own pod", { pod_namespace: "mesh" }, podArgs("mesh", "istio-cni-node-x7k2p")],
    ["something that is no pod", {}, ""],
    ["a plugin that is switched off", { ambient_enabled: false }, podArgs("shop", "cart")],
  ])("does not ask the agent about %s", async (_case, more, args) => {
    await server[Symbol.asyncDispose]();
    expect(await add(more, args)).toMatchObject({ exitCode: 0, output: PREV_RESULT });
  });

  it("works without a plugin before it", async () => {
    const result = await add({ prevResult: undefined });
    expect([result.output, added[0]?.addresses]).toEqual([{ cniVersion: "1.0.0" }, []]);
  });

  it("says which versions it speaks", async () => {
    const { output } = await callPlugin({ command: "VERSION", config: { cniVersion: "1.1.0" } });
    expect(output).toEqual({ cniVersion: "1.1.0", supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] });
  });

  test.each(["CHECK", "GC", "STATUS"])("has nothing to say to %s", async (command) => {
    const call = { command, netns: NETNS, args: podArgs("shop", "cart"), config: config({ cniVersion: "1.1.0" }) };
    expect(await callPlugin(call)).toEqual({ exitCode: 0, output: undefined, stderr: "" });
    expect(added).toEqual([]);
  });

  test.each<[string, Partial<Parameters<typeof callPlugin>[0]>, number, RegExp]>([
    ["a configuration that is no JSON", { config: "{" }, 6, /is no JSON/],
    ["a configuration that is no object", { config: "[]" }, 7, /the network configuration is no object/],
    ["a list that is none", { config: { cniVersion: "1.0.0", exclude_namespaces: "x" } }, 7, /exclude_namespaces/],
    [
      "addresses that are none",
      { config: { cniVersion: "1.0.0", prevResult: { ips: [{}] } } },
      7,
      /prevResult\.ips\[0\]/,
    ],
    ["an old version", { config: { cniVersion: "0.2.0" } }, 1, /of version 0\.2\.0/],
    ["no namespace", { config: { cniVersion: "1.0.0" }, netns: "" }, 4, /CNI_NETNS is not set/],
    ["an unknown command", { command: "FLY", config: { cniVersion: "1.0.0" } }, 4, /no CNI_COMMAND "FLY"/],
    ["no command", { command: "", config: { cniVersion: "1.0.0" } }, 4, /CNI_COMMAND is not set/],
    ["too much input", { config: " ".repeat(1024 * 1024 + 1) }, 6, /more than 1048576 bytes/],
  ])("answers %s with an error of the specification", async (_case, call, code, message) => {
    const whole = { command: "ADD", netns: NETNS, args: podArgs("shop", "cart"), config: {}, ...call };
    const { exitCode, output, stderr } = await callPlugin(whole);
    expect([exitCode, stderr]).toEqual([1, ""]);
    expect(output).toMatchObject({ code, msg: expect.stringMatching(message) as string });
  });

  describe("without an agent", () => {
    beforeEach(async () => {
      await server[Symbol.asyncDispose]();
    });

    it("lets no pod start of which it can't be known where it belongs", async () => {
      const { exitCode, output } = await add();
      expect(exitCode).toBe(1);
      expect(output).toMatchObject({
        code: 11,
        details: "CNI_AGENT_UNREACHABLE",
        msg: expect.stringMatching(
          /does not answer \(connect ENOENT .*\), and pod shop\/cart may belong into the mesh: .*\/istio-cni-kubeconfig/,
        ) as string,
      });
    });

    it("asks the API server itself: pods of the mesh wait, others start", async () => {
      await using kube = createLocalKube();
      await kube.start();
      const { port } = await kube.listen({ host: "127.0.0.1", port: 0 });
      using client = await connectKube({ kind: "server", server: `http://127.0.0.1:${port}`, token: kube.adminToken });
      for (const [name, mode] of [
        ["shop", "ambient"],
        ["plain", "none"],
      ] as const) {
        await client.create(RESOURCES.Namespace, { metadata: { name, labels: { "istio.io/dataplane-mode": mode } } });
        const pod = {
          metadata: { name: "cart", namespace: name },
          spec: { containers: [{ name: "app", image: "app" }] },
        };
        await client.create(RESOURCES.Pod, pod);
      }
      const kubeconfig = join(directory, "istio-cni-kubeconfig");
      const clusters = [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }];
      const users = [{ name: "u", user: { token: kube.adminToken } }];
      const contexts = [{ name: "x", context: { cluster: "c", user: "u" } }];
      writeFileSync(kubeconfig, JSON.stringify({ clusters, users, contexts, "current-context": "x" }));
      const more = { kubernetes: { kubeconfig } };

      const plain = await add(more, podArgs("plain", "cart"));
      expect(plain).toEqual({ exitCode: 0, output: PREV_RESULT, stderr: "" });
      const { output } = await add(more, podArgs("shop", "cart"));
      expect(output).toMatchObject({
        code: 11,
        msg: expect.stringMatching(/and pod shop\/cart belongs into the mesh$/) as string,
      });
      const other = { ...more, enablement_selectors: [{ podSelector: { matchLabels: { team: "blue" } } }] };
      expect(await add(other, podArgs("shop", "cart"))).toMatchObject({ exitCode: 0 });
      expect(await add({}, podArgs("plain", "cart"))).toMatchObject({ exitCode: 0 });
      expect((await add(more, podArgs("shop", "nobody"))).output).toMatchObject({
        msg: expect.stringMatching(/may belong into the mesh: .*nobody/) as string,
      });
    });
  });

  describe("and the agent's socket", () => {
    async function post(path: string, body: string, method = "POST"): Promise<{ status: number; text: string }> {
      const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
      const call = request({ socketPath: socketPath(), path, method }, (response) => {
        response
          .toArray()
          .then(
            (chunks) =>
              resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks as Buffer[]).toString() }),
            reject,
          );
      });
      call.once("error", reject);
      call.end(body);
      return promise;
    }

    test.each([
      { what: "no JSON", path: "/cmdadd", body: "{", status: 400, text: /it is no JSON/ },
      { what: "half an event", path: "/cmdadd", body: '{"Netns":"x"}', status: 400, text: /PodName is missing/ },
      { what: "a list", path: "/cmddel", body: "[]", status: 400, text: /it is no JSON object/ },
      { what: "another path", path: "/", body: "", status: 404, text: /only \/cmdadd/ },
      { what: "too much", path: "/cmdadd", body: " ".repeat(70_000), status: 400, text: /longer than 65536 bytes/ },
    ])("refuses $what with $status", async ({ path, body, status, text }) => {
      const answer = await post(path, body);
      expect(answer.status).toBe(status);
      expect(answer.text).toMatch(text);
      expect(await requestsByCode()).toEqual([`istio_cni_plugin_requests_total{response_code="${status}"} 1`]);
    });

    it("takes nothing but POST", async () => {
      expect((await post("/cmdadd", "", "GET")).status).toBe(405);
    });

    it("is for root only", () => {
      expect(statSync(socketPath()).mode & 0o777).toBe(0o600);
    });

    it("is not taken from an agent that lives, but from one that is dead", async () => {
      await expect(createServer().start()).rejects.toMatchObject({ code: "CNI_SOCKET_IN_USE" });
      await server[Symbol.asyncDispose]();
      writeFileSync(socketPath(), "");
      await expect(createServer().start()).rejects.toThrow(/the file is no socket/);
    });

    it("gives up requests that still run when the agent ends", async () => {
      const begun = Promise.withResolvers<AbortSignal>();
      onAdded = (signal) => {
        begun.resolve(signal);
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(cniErrors.create("CNI_ZTUNNEL_UNAVAILABLE", "the agent ends")));
        });
      };
      const body = JSON.stringify({ Netns: "x", PodName: "a", PodNamespace: "b" });
      const answer = post("/cmdadd", body);
      await begun.promise;
      await server[Symbol.asyncDispose]();
      expect(await answer).toEqual({ status: 500, text: "the agent ends" });
    });
  });
});
