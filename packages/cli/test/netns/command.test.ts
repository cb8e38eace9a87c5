// SPDX-License-Identifier: Apache-2.0
// The command line of local mode, as processes: signals, crashes, two at a time, no root. Needs root to test all of it:
// npx vitest run --project netns packages/cli
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { canUseNetns, obstacleToOtherUsers, obstacleToUserNamespaces } from "@ambientmesh/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { processIdentity, readRecord, type MeshRecord } from "../../src/local/run-directory/record.ts";
import { AmbientctlCommand, RunRoot, runAmbientctl, type CommandOptions } from "./support/command.ts";
import { SHOP_FILES } from "./support/programs.ts";
import { TestFolder, tracesOf, uniqueName } from "./support/test-mesh.ts";

const NOBODY = 65_534;
const WITHOUT_ROOT = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"];
const HAS_ORDINARY_USERS =
  obstacleToUserNamespaces() === undefined && obstacleToOtherUsers(import.meta.dirname) === undefined;

describe.runIf(canUseNetns(process.env))("ambientctl local", () => {
  let folder: TestFolder;
  let runRoot: RunRoot;
  let options: CommandOptions;
  let name: string;
  const named = (...args: string[]): readonly string[] => ["local", ...args, "--name", name];

  beforeEach(() => {
    folder = new TestFolder(SHOP_FILES);
    runRoot = new RunRoot();
    options = { runRoot: runRoot.path };
    name = uniqueName();
  });
  afterEach(() => {
    folder[Symbol.dispose]();
    runRoot[Symbol.dispose]();
  });

  const start = (more: Partial<CommandOptions> = {}, ...flags: string[]): AmbientctlCommand =>
    new AmbientctlCommand([...named("up", folder.path, "--no-mesh"), ...flags], { ...options, ...more });
  const recordOf = (mesh: string): MeshRecord => readRecord(join(runRoot.path, mesh, "state.json")) as MeshRecord;
  const nothingLeft = async (mesh: string, runId?: string): Promise<void> => {
    expect(await tracesOf(mesh, runId)).toEqual([]);
    expect(existsSync(join(runRoot.path, mesh))).toBe(false);
  };

  it("runs a mesh that other commands reach, until it is asked to end", async () => {
    await using up = start({}, "--forward", "shop/echo:80");
    await up.says("The mesh is up");
    const { runId } = recordOf(name);
    const status = JSON.parse((await runAmbientctl(named("status", "-o", "json"), options)).stdout) as {
      readonly supervisor: number;
      readonly pods: readonly { readonly name: string; readonly isReady: boolean }[];
    };
    expect(status.supervisor).toBe(up.pid);
    expect(status.pods.filter(({ isReady }) => isReady)).toHaveLength(3);
    expect((await runAmbientctl(named("status"), options)).stdout).toContain("client");
    const exec = (...command: string[]): ReturnType<typeof runAmbientctl> =>
      runAmbientctl(["local", "exec", "--name", name, ...command], options);
    expect(await exec("client", "--", "curl", "-sS", "http://echo/")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"pod":"echo-') as string,
    });
    expect(await exec("node1", "--", "sh", "-c", "exit 7")).toMatchObject({ code: 7 });
    expect(await exec("fabric", "ip", "link", "show", "br0")).toMatchObject({ code: 0 });
    expect(await exec("nosuch", "--", "true")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: there is no pod or node "nosuch".*\(CLI_TARGET_NOT_FOUND\)\n$/) as string,
    });
    expect((await runAmbientctl(named("logs", "client"), options)).stdout).toContain("started as client on node1");
    const { stdout: kubeconfig } = await runAmbientctl(named("kubeconfig"), options);
    expect(kubeconfig.trim()).toBe(join(runRoot.path, name, "kubeconfig"));
    expect(readFileSync(kubeconfig.trim(), "utf8")).toContain("server: https://127.0.0.1:");
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(up.stderr)?.[0] ?? "";
    expect(await (await fetch(url)).json()).toMatchObject({ client: "10.99.0.1" });
    const second = await runAmbientctl(named("up", folder.path, "--no-mesh"), options);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("runs already (process") as string });
    expect(await runAmbientctl(named("down"), options)).toMatchObject({ code: 0 });
    expect(await up.ended()).toBe(0);
    expect(up.stderr).toContain("everything of the mesh is removed");
    await nothingLeft(name, runId);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends cleanly with %s while it starts", async (signal) => {
    await using up = start();
    await up.says("nodes are connected");
    const { runId } = recordOf(name);
    up.child.kill(signal);
    expect(await up.ended()).toBe(130);
    expect(up.stderr).toContain(`ended by ${signal} before everything was up; everything is removed`);
    await nothingLeft(name, runId);
  });

  it("ends at once when it is asked a second time", async () => {
    folder.write(
      "slow.yaml",
      'apiVersion: v1\nkind: Pod\nmetadata: { name: slow, namespace: shop }\nspec:\n  containers: [{ name: c, command: [sh, -c, "trap : TERM; while :; do sleep 1; done"] }]\n',
    );
    await using up = start();
    await up.says("The mesh is up");
    const { runId } = recordOf(name);
    up.child.kill("SIGINT");
    await up.says("the mesh is being stopped");
    await new Promise((resolve) => setTimeout(resolve, 600));
    up.child.kill("SIGINT");
    expect(await up.ended()).toBe(130);
    expect(up.stderr).toContain("ending at once");
    await nothingLeft(name, runId);
  });

  it("cleans up what a killed one has left, at the next start and by local down", async () => {
    const first = start();
    await first.says("The mesh is up");
    const { runId, processes } = recordOf(name);
    first.child.kill("SIGKILL");
    await first.ended();
    expect((await tracesOf(name)).length).toBeGreaterThan(0);
    expect(await runAmbientctl(named("status"), options)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("has ended without cleaning up") as string,
    });
    await using second = start();
    await second.says("removed what an earlier mesh had left behind");
    await second.says("The mesh is up");
    for (const { pid, startTime } of processes) expect(processIdentity(pid)?.startTime).not.toBe(startTime);
    expect((await tracesOf(name, runId)).filter((trace) => trace.startsWith("process"))).toEqual([]);
    const { runId: secondRun } = recordOf(name);
    second.child.kill("SIGKILL");
    await second.ended();
    expect(await runAmbientctl(named("down"), options)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("removed what it had left") as string,
    });
    await nothingLeft(name, secondRun);
    expect(await runAmbientctl(named("down"), options)).toMatchObject({ code: 1 });
  });

  it("runs two meshes side by side", async () => {
    await using first = start();
    const other = uniqueName();
    await using second = new AmbientctlCommand(["local", "up", folder.path, "--no-mesh", "--name", other], options);
    await Promise.all([first.says("The mesh is up"), second.says("The mesh is up")]);
    const ask = (mesh: string): ReturnType<typeof runAmbientctl> =>
      runAmbientctl(["local", "exec", "--name", mesh, "client", "--", "curl", "-sS", "http://echo/"], options);
    for (const mesh of [name, other]) expect((await ask(mesh)).stdout).toContain('"pod":"echo-');
    first.child.kill("SIGTERM");
    expect(await first.ended()).toBe(0);
    await nothingLeft(name);
    expect((await ask(other)).code).toBe(0);
  });

  it.runIf(HAS_ORDINARY_USERS)(
    "works for an ordinary user in a user namespace, with ports of the machine",
    async () => {
      for (const path of [dirname(runRoot.path), folder.path]) chownSync(path, NOBODY, NOBODY);
      chmodSync(folder.path, 0o755);
      const asNobody = { ...options, prefix: WITHOUT_ROOT };
      const before = readdirSync("/run/netns");
      await using up = start({ prefix: WITHOUT_ROOT }, "--forward", "shop/echo:80");
      await up.says("The mesh is up");
      expect(readdirSync("/run/netns")).toEqual(before);
      const { runId } = recordOf(name);
      const exec = ["local", "exec", "--name", name, "client", "--", "curl", "-sS", "http://echo/"];
      expect(await runAmbientctl(exec, asNobody)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('"pod":"echo-') as string,
      });
      const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(up.stderr)?.[0] ?? "";
      expect((await fetch(url)).status).toBe(200);
      const status = await runAmbientctl(named("status"), asNobody);
      expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining("client") as string });
      expect(await runAmbientctl(named("down"), asNobody)).toMatchObject({ code: 0 });
      expect(await up.ended()).toBe(0);
      await nothingLeft(name, runId);
    },
  );

  it.runIf(HAS_ORDINARY_USERS)("ends the mesh of an ordinary user when what has started it is killed", async () => {
    for (const path of [dirname(runRoot.path), folder.path]) chownSync(path, NOBODY, NOBODY);
    const up = start({ prefix: WITHOUT_ROOT });
    await up.says("The mesh is up");
    const { runId, supervisor } = recordOf(name);
    expect(supervisor.pid).not.toBe(up.pid);
    up.child.kill("SIGKILL");
    await up.ended();
    const deadline = Date.now() + 20_000;
    while (existsSync(join(runRoot.path, name)) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await nothingLeft(name, runId);
  });

  it.each([
    [["up", "/nonexistent"], /^error: \/nonexistent is no folder; .*\(CLI_FOLDER_INVALID\)\n$/],
    [["up", ".", "--name", "No Such"], /^error: "No Such" is no name for a mesh/],
    [["status", "--name", "nosuch"], /^error: the local mesh "nosuch" is not running; .*\(CLI_MESH_NOT_RUNNING\)\n$/],
  ])("says in one line what is wrong with %o", async (args, line) => {
    const { code, stderr } = await runAmbientctl(["local", ...args], options);
    expect(stderr).toMatch(line);
    expect(stderr.split("\n")).toHaveLength(2);
    expect(code).toBe(1);
  });

  it("says in one line that a port is taken, and leaves nothing behind", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      await using up = start({}, "--api-port", String(port));
      expect(await up.ended()).toBe(1);
      const line = `error: port ${port} of 127.0.0.1 for the Kubernetes API is in use; choose another one with --api-port (CLI_PORT_BUSY)\n`;
      expect(up.stderr.endsWith(line)).toBe(true);
      await nothingLeft(name);
    } finally {
      server.close();
    }
  });
});
