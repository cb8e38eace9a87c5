// SPDX-License-Identifier: Apache-2.0
// Coming, going and failing of everything around a ztunnel. Needs root: `npx vitest run --project netns packages/ztunnel`.
import { openSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { listenTcp } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { idOf, readSome, startMesh, uidOf, workloadUid, type Mesh, type Node } from "../testbed/mesh.ts";

describe.runIf(canUseNetns(process.env))("a ztunnel", () => {
  let mesh: Mesh;
  let node: Node;
  const address = (pod: string): string => mesh.pod(pod).address;

  beforeEach(async () => {
    mesh = await startMesh({ nodes: { n1: ["client", "server"], n2: ["far", "plain-peer"] } });
    node = mesh.node("n1");
    for (const pod of ["server", "far"]) await mesh.echo(pod);
    return async () => mesh[Symbol.asyncDispose]();
  });

  async function openTo(pod: string): Promise<Socket> {
    const socket = await mesh.connect("client", address(pod), 8080);
    socket.write("x");
    expect(await readSome(socket)).toBe("xx");
    return socket;
  }

  async function stillWorks(socket: Socket): Promise<void> {
    socket.write("y");
    expect(await readSome(socket)).toBe("yy");
  }

  const works = (to: string, from = "client"): Promise<string> => mesh.request(from, address(to), 8080).catch(() => "");
  const OK = "hello worldhello world";

  describe("that is asked to stop", () => {
    it("takes no new connections, lets open ones go on, and cuts them at the deadline", async () => {
      const socket = await openTo("far");
      const stopped = node.ztunnel?.stop();
      await expect.poll(() => works("far")).toBe("");
      await stillWorks(socket);
      expect(await readSome(socket)).toBe("");
      await stopped;
      expect(node.access().at(-1)).toMatchObject({
        reason: "DRAINED",
        error: "closed by drain",
        direction: "outbound",
      });
    });

    it("ends at once when nothing is open", async () => {
      expect(await works("far")).toBe(OK);
      const started = performance.now();
      await node.ztunnel?.stop();
      expect(performance.now() - started).toBeLessThan(1900);
    });

    it("through the admin port says so", async () => {
      const answer = await node.get("/quitquitquit", "POST");
      expect([answer.status, await answer.text()]).toEqual([200, "shutdown now\n"]);
      await node.ztunnel?.stopRequested;
    });
  });

  describe("when the agent", () => {
    it("removes a pod, cuts its connections and keeps the others", async () => {
      const [cut, kept] = [await openTo("server"), await openTo("far")];
      expect(await node.agent.remove(uidOf("server"))).toBe("");
      expect(await readSome(cut)).toBe("");
      await stillWorks(kept);
      expect(await works("server")).toBe("");
      expect(node.agent.acks.every((ack) => ack === "")).toBe(true);
      kept.destroy();
    });

    it("goes away and comes back, keeps serving and drops what is no longer named", async () => {
      const socket = await openTo("far");
      node.agent.pods.delete(uidOf("server"));
      node.agent.pause();
      node.agent.hangUp();
      await expect.poll(() => node.ztunnel?.readiness.pending).toEqual(["workload proxy manager"]);
      await stillWorks(socket);
      expect(await works("server")).toBe(OK);
      node.agent.resume();
      await expect.poll(() => node.ztunnel?.readiness.pending, { timeout: 5000 }).toEqual([]);
      await stillWorks(socket);
      expect(await works("server")).toBe("");
      expect(node.agent.hellos.map((hello) => hello.toString("hex"))).toEqual(["0801", "0801"]);
      socket.destroy();
    });

    it.each<[string, () => Uint8Array, () => readonly number[], RegExp]>([
      ["garbage", () => Buffer.from([0xff, 0xff, 0xff]), () => [], /not a WorkloadRequest/],
      ["nothing", () => Buffer.from([0x22, 0x00]), () => [], /says nothing/],
      ["a pod without namespace", () => Buffer.from("0a080a017812030a0178", "hex"), () => [], /0 descriptors/],
      [
        "a file that is no namespace",
        () => Buffer.from("0a080a017812030a0178", "hex"),
        () => [openSync("/dev/null", "r")],
        /no network namespace/,
      ],
      [
        "a descriptor with a delete",
        () => Buffer.from("1203120178", "hex"),
        () => [openSync("/dev/null", "r")],
        /file descriptor/,
      ],
      ["a second snapshot", () => Buffer.from([0x1a, 0x00]), () => [], /second snapshot/],
      ["a datagram beyond the limit", () => Buffer.alloc(1024, 0x1a), () => [], /./],
    ])("sends %s, is told so and everything goes on", async (...[, bytes, fds, error]) => {
      const socket = await openTo("far");
      expect(await node.agent.sendBytes(bytes(), fds())).toMatch(error);
      await stillWorks(socket);
      await expect.poll(() => node.agent.hellos.length, { timeout: 5000 }).toBe(2);
      await expect.poll(() => node.ztunnel?.readiness.pending, { timeout: 5000 }).toEqual([]);
      await stillWorks(socket);
      expect(await works("server")).toBe(OK);
      socket.destroy();
    });

    it("hands over a pod that can't be served, serves all others and takes it later", async () => {
      const squatter = createServer();
      await listenTcp(squatter, {
        netns: mesh.pod("plain-peer").netns,
        address: "::",
        port: 15_006,
        reusePort: false,
        reuseAddress: false,
      });
      const far = mesh.node("n2");
      const ack = await far.agent.add({
        uid: uidOf("plain-peer"),
        name: "plain-peer",
        netns: mesh.pod("plain-peer").netns,
      });
      expect(ack).toMatch(/^the proxy of pod default\/plain-peer can't be started: .*15006.*EADDRINUSE/);
      expect(far.ztunnel?.readiness.pending).toEqual(["workload proxy manager"]);
      expect(JSON.parse(await far.dump())).toMatchObject({
        workloadState: { [uidOf("plain-peer")]: { state: "Pending" } },
      });
      expect(await works("far")).toBe(OK);
      squatter.close();
      await expect.poll(() => far.ztunnel?.readiness.pending, { timeout: 10_000 }).toEqual([]);
      expect(await far.metric("workload_manager_active_proxy_count")).toBe(2);
    });
  });

  describe("when the control plane", () => {
    it("dies and comes back, serves on and takes what is new", async () => {
      const socket = await openTo("far");
      await mesh.control.kill();
      await stillWorks(socket);
      expect(await works("far")).toBe(OK);
      expect(await works("server")).toBe(OK);
      mesh.control.publishPolicy({ namespace: "default", name: "nobody", scope: 1, action: 1, groups: [{}] });
      await mesh.control.listen();
      expect(await readSome(socket)).toBe("");
      await mesh.settle();
      expect(await works("far")).toBe("");
    });

    it("sends garbage, refuses it with the reason and keeps what is good", async () => {
      mesh.control.addresses.set({ name: "bad", value: Buffer.from([0x0a, 0xff]) });
      mesh.control.addresses.set({ name: workloadUid("server"), value: Buffer.from([0xff]) });
      mesh.publishService("web", "10.99.0.1");
      await expect
        .poll(() =>
          node.records.filter((record) => record.message === "rejecting resources").flatMap(({ fields }) => fields),
        )
        .toEqual(
          expect.arrayContaining([["reason", expect.stringMatching(/bad: .*Kubernetes\/\/Pod\/default\/server: /)]]),
        );
      expect(await node.dump()).toContain('"web.default.svc.cluster.local"');
      expect(await works("server")).toBe(OK);
    });

    it("does not know a pod's workload, refuses its connections after a while", async () => {
      mesh.control.addresses.delete(workloadUid("client"));
      await mesh.settle();
      const waiting = works("far");
      expect(await waiting).toBe("");
      expect(node.access("connection failed").at(-1)).toMatchObject({
        reason: "SOURCE_UNKNOWN",
        error: "unknown source: default/client (service account client)",
      });
      const late = works("far");
      mesh.publishPod("client");
      expect(await late).toBe(OK);
    });
  });

  describe("and certificates", () => {
    it("fetches those of its node's pods ahead, drops them with the last user, and asks for no others", async () => {
      const n1 = (): string[] => mesh.control.issued.filter((id) => [idOf("client"), idOf("server")].includes(id));
      await expect.poll(() => n1().toSorted()).toEqual([idOf("client"), idOf("server")]);
      await expect.poll(() => mesh.control.issued.filter((id) => id === idOf("far"))).toHaveLength(1);
      expect(mesh.control.issued).not.toContain(idOf("plain-peer"));
      mesh.publishPod("server", { serviceAccount: "renamed" });
      await mesh.settle();
      const identities = (JSON.parse(await node.dump()) as { certificates: { identity: string }[] }).certificates;
      expect(identities.map(({ identity }) => identity)).toEqual([idOf("client"), idOf("renamed")]);
    });

    it("renews them about half way, while connections go on and new ones use the new ones", async () => {
      mesh.control.ttlSeconds = 3;
      mesh.publishPod("client", { serviceAccount: "client" });
      mesh.publishPod("server", { serviceAccount: "short" });
      await mesh.settle();
      // The agent names the service account too, so the pod is handed over again under its new one.
      await node.agent.remove(uidOf("server"));
      mesh.publishPod("server");
      await mesh.settle();
      await node.agent.add({ uid: uidOf("server"), name: "server", netns: mesh.pod("server").netns });
      expect(await works("server")).toBe(OK);
      const socket = await openTo("server");
      const asked = (): number => mesh.control.issued.filter((id) => id === idOf("server")).length;
      const before = asked();
      await expect
        .poll(
          async () => {
            await stillWorks(socket);
            expect(await works("server")).toBe(OK);
            return asked() - before;
          },
          { timeout: 10_000, interval: 100 },
        )
        .toBeGreaterThanOrEqual(3);
      // About one and a half seconds apart: never in a tight loop.
      expect(asked() - before).toBeLessThan(6);
      socket.destroy();
    });

    it("keeps the last good one while the CA refuses, and says so when there is none", async () => {
      expect(await works("server")).toBe(OK);
      mesh.control.isIssuing = false;
      expect(await works("server")).toBe(OK);
      mesh.publishPod("server", { serviceAccount: "server", namespace: "default", trustDomain: "other.example" });
      await mesh.settle();
      expect(await works("server")).toBe("");
      await expect
        .poll(() => node.access("connection failed").at(-1))
        .toMatchObject({ reason: "IDENTITY_UNAVAILABLE", direction: "inbound" });
    });
  });

  describe("serves for operators", () => {
    it("the state, the log levels and an index", async () => {
      const dump = JSON.parse(await node.dump()) as Record<string, unknown>;
      expect(Object.keys(dump)).toEqual([
        "certificates",
        "config",
        "policies",
        "services",
        "stagedServices",
        "staticConfig",
        "version",
        "workloadState",
        "workloads",
      ]);
      expect(JSON.stringify(dump)).not.toContain("test-token");
      expect(await (await node.get("/")).text()).toContain("/config_dump");
      const levels = await node.get("/logging?level=access=off", "POST");
      expect(await levels.text()).toBe("current log level is debug,access=off\n");
      node.records.length = 0;
      expect(await works("server")).toBe(OK);
      expect(node.access()).toEqual([]);
      expect((await node.get("/logging?level=nonsense", "POST")).status).toBe(400);
      expect((await node.get("/logging")).status).toBe(405);
      expect((await node.get("/unknown")).status).toBe(404);
    });

    it("metrics and readiness", async () => {
      const [stats, readiness] = [node.ztunnel?.servers.stats[0]?.port, node.ztunnel?.servers.readiness[0]?.port];
      const text = await (await fetch(`http://127.0.0.1:${stats}/metrics`)).text();
      expect(text).toContain('istio_build{component="ztunnel",tag="unknown"} 1');
      expect(text).toMatch(/^process_open_fds \d+$/m);
      expect(text).toMatch(/^istio_xds_message_total\{url=".*Address"\} \d+$/m);
      const promised = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].filter(
        ([, , help]) => !help?.endsWith("(unstable)"),
      );
      expect(promised.map(([, name]) => name)).toEqual(["istio_build"]);
      const ready = await fetch(`http://127.0.0.1:${readiness}/healthz/ready`);
      expect([ready.status, await ready.text()]).toEqual([200, "ready\n"]);
    });
  });

  afterEach(() => {
    for (const record of node.records) {
      if (record.level === "error" && record.scope !== "access")
        throw new Error(`unexpected: ${record.message} ${JSON.stringify(record.fields)}`);
    }
  });
});
