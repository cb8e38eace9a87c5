// SPDX-License-Identifier: Apache-2.0
// How pods of a local mesh fail, restart and end. Needs root: npx vitest run --project netns packages/cli
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event, Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, connectKube } from "@ambientmesh/kube";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podProblem } from "../../src/local/readiness-report.ts";
import { allReady, startTestMesh, type TestMesh } from "./support/test-mesh.ts";

const NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n";
const pod = (name: string, spec: string): string =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, namespace: a, labels: { app: ${name} } }\nspec:\n${spec.replaceAll(/^/gm, "  ")}\n`;

const FILES = {
  "pods.yaml": [
    NAMESPACE,
    pod("steady", 'containers: [{ name: c, command: [sh, -c, "trap : TERM; sleep infinity & wait"] }]'),
    pod(
      "stubborn",
      'terminationGracePeriodSeconds: 1\ncontainers: [{ name: c, command: [sh, -c, "trap : TERM; while :; do sleep 1; done"] }]',
    ),
    pod("parent", 'containers: [{ name: c, command: [sh, -c, "setsid sleep 4711 & exec sleep infinity"] }]'),
    pod(
      "mounted",
      `containers:
  - name: c
    command: [sh, -c, "while :; do cat etc/settings/key; sleep 0.1; done"]
    volumeMounts: [{ name: settings, mountPath: /etc/settings }]
volumes: [{ name: settings, configMap: { name: settings } }]`,
    ).replace("labels:", 'annotations: { local.ambientmesh.io/own-directory: "true" }, labels:'),
  ].join("\n"),
};

describe.runIf(canUseNetns(process.env))("pods", () => {
  let test: TestMesh;
  beforeAll(async () => {
    test = await startTestMesh(FILES);
  });
  afterAll(async () => {
    await test[Symbol.asyncDispose]();
  });

  const find = (name: string): Promise<Pod | undefined> =>
    test.mesh.get<Pod>({ apiVersion: "v1", kind: "Pod", namespace: "a", name });
  const add = (name: string, spec: string): void => test.folder.write(`${name}.yaml`, pod(name, spec));
  const problemOf = (name: string, text: string): Promise<Pod> =>
    test.mesh.waitFor(`pod ${name} to say "${text}"`, 15_000, async () => {
      const found = await find(name);
      return found !== undefined && podProblem(found).includes(text) ? found : undefined;
    });
  const gone = (name: string): Promise<true> =>
    test.mesh.waitFor(`pod ${name} to be gone`, 10_000, async () =>
      (await find(name)) === undefined ? true : undefined,
    );
  const pidOf = (name: string): Promise<number> =>
    test.mesh.waitFor(`pod ${name} to run`, 15_000, async () => (await test.mesh.pods("a", { app: name }))[0]?.pids[0]);

  it("wait for a ConfigMap, and see its changes without a restart", async () => {
    await problemOf("mounted", "waits for ConfigMap a/settings, which is not there yet");
    const settings = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "a", name: "settings" } };
    await test.mesh.apply({ ...settings, data: { key: "first\n" } });
    const pid = await pidOf("mounted");
    const log = test.mesh.logFile("a", "mounted");
    const has = (text: string) => async (): Promise<true | undefined> =>
      readFileSync(log, "utf8").includes(text) ? true : undefined;
    await test.mesh.waitFor("the first text", 10_000, has("first"));
    await test.mesh.apply({ ...settings, data: { key: "second\n" } });
    await test.mesh.waitFor("the second text", 10_000, has("second"));
    expect(await pidOf("mounted")).toBe(pid);
    expect(readFileSync(log, "utf8")).not.toContain("No such file");
    await allReady(test.mesh);
  });

  it("are restarted after a crash, with a delay that grows, and say so", async () => {
    const pid = await pidOf("steady");
    process.kill(pid, "SIGKILL");
    const again = await test.mesh.waitFor("the restart", 15_000, async () => {
      const [now] = await test.mesh.pods("a", { app: "steady" });
      return now?.restarts === 1 && now.isReady ? now : undefined;
    });
    expect(again.pids).not.toEqual([pid]);
    add("crashing", "containers: [{ name: c, command: [sh, -c, 'echo last words; exit 3'] }]");
    const crashing = await problemOf("crashing", "ended 3 time(s), last with exit code 3");
    expect(podProblem(crashing)).toContain(
      "CrashLoopBackOff: back-off 4s before the restart; it ended with exit code 3",
    );
    expect(readFileSync(test.mesh.logFile("a", "crashing"), "utf8")).toBe("last words\n".repeat(3));
    test.folder.write("crashing.yaml", "");
  });

  it.each([
    [
      "unknown-program",
      "containers: [{ name: c, command: [nosuch-program] }]",
      'the program "nosuch-program" is not on the PATH',
    ],
    [
      "missing-file",
      "containers: [{ name: c, command: [./nosuch] }]",
      'the program "./nosuch" is not there or can\'t be executed',
    ],
    ["no-folder", "containers: [{ name: c, command: ['true'], workingDir: nosuch }]", "/nosuch is not there"],
    ["no-command", "containers: [{ name: c, image: nginx }]", "local mode runs programs, not images"],
    [
      "no-node",
      "nodeSelector: { disk: fast }\ncontainers: [{ name: c, command: ['true'] }]",
      "0/3 nodes are available",
    ],
  ])("say what keeps them from running: %s", async (name, spec, text) => {
    add(name, spec);
    expect((await problemOf(name, text)).status?.phase).toBe("Pending");
    test.folder.write(`${name}.yaml`, "");
    await gone(name);
  });

  it("tell Kubernetes' events", async () => {
    add("unknown", "containers: [{ name: c, command: [nosuch-program] }]");
    await problemOf("unknown", "nosuch-program");
    const event = await test.mesh.waitFor("an event", 10_000, async () =>
      (await eventsOf("unknown")).find(({ message = "" }) => message.includes("nosuch-program")),
    );
    expect(event).toMatchObject({ type: "Warning", reason: "Failed", source: { component: "kubelet" } });
    test.folder.write("unknown.yaml", "");
  });

  async function eventsOf(name: string): Promise<readonly Event[]> {
    using client = await connectKube({ kind: "kubeconfig", path: test.mesh.kubeconfig });
    return client.list(RESOURCES.Event, { namespace: "a", fieldSelector: `involvedObject.name=${name}` });
  }

  it("that end by themselves are done, and are not started again if they do not want to be", async () => {
    add("job", "restartPolicy: Never\ncontainers: [{ name: c, command: ['true'] }]");
    const done = await test.mesh.waitFor("the job to be done", 10_000, async () => {
      const found = await find("job");
      return found?.status?.phase === "Succeeded" ? found : undefined;
    });
    expect(done.status?.containerStatuses?.[0]).toMatchObject({
      state: { terminated: { exitCode: 0, reason: "Completed" } },
    });
    test.folder.write("job.yaml", "");
  });

  it("end with everything they have started, even what has left their process group", async () => {
    await pidOf("parent");
    const sleepers = async (): Promise<string> =>
      (await test.mesh.exec({ kind: "host" }, ["pgrep", "-f", "sleep 4711"])).stdout;
    expect(await sleepers()).not.toBe("");
    await test.mesh.delete({ apiVersion: "v1", kind: "Pod", namespace: "a", name: "parent" });
    await gone("parent");
    await test.mesh.waitFor("its child to be gone", 5000, async () => ((await sleepers()) === "" ? true : undefined));
  });

  it("that do not listen to SIGTERM get SIGKILL after their grace", async () => {
    const pid = await pidOf("stubborn");
    await test.mesh.delete({ apiVersion: "v1", kind: "Pod", namespace: "a", name: "stubborn" });
    await gone("stubborn");
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it("are ready when the ports that they declare are open", async () => {
    const flag = join(test.folder.path, "open");
    const script = `while [ ! -e ${flag} ]; do sleep 0.1; done; exec node -e 'require("net").createServer().listen(7000)'`;
    add(
      "late",
      `containers: [{ name: c, command: [sh, -c, ${JSON.stringify(script)}], ports: [{ containerPort: 7000 }] }]`,
    );
    await problemOf("late", "c runs, but does not serve yet");
    writeFileSync(flag, "");
    const ready = await test.mesh.waitFor("the pod to be ready", 10_000, async () =>
      (await test.mesh.pods("a", { app: "late" })).find(({ isReady }) => isReady),
    );
    expect(ready.restarts).toBe(0);
  });
});
