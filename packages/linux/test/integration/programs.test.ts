// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  SEARCH_PATH,
  openFileLimit,
  processStartTime,
  raiseOpenFileLimit,
  runProgram,
  runTool,
  spawnIn,
} from "../../src/index.ts";

const SOURCE = new URL("../../src/index.ts", import.meta.url).href;
const NODE = [process.execPath, "--conditions=@ambientmesh/source", "--input-type=module", "-e"] as const;
const code = (name: string): unknown => expect.objectContaining({ code: name });

async function isGone(pid: number): Promise<boolean> {
  const started = processStartTime(pid);
  const lives = (): boolean => processStartTime(pid) === started && !isZombie(pid);
  if (started !== undefined) while (lives()) await new Promise(setImmediate);
  return true;
}

function isZombie(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

describe("runProgram", () => {
  it("collects what a program writes, and how it ends", async () => {
    const result = await runProgram(["sh", "-c", "cat; echo problem >&2; exit 3"], { stdin: "input" });
    expect(result).toEqual({ exitCode: 3, signal: null, stdout: "input", stderr: "problem\n" });
    expect(await runProgram(["sh", "-c", "kill -TERM $$"])).toMatchObject({ exitCode: null, signal: "SIGTERM" });
  });

  it("gives it a clean environment", async () => {
    expect((await runProgram(["env"])).stdout.split("\n").sort()).toEqual(["", "LC_ALL=C", `PATH=${SEARCH_PATH}`]);
    expect((await runProgram(["/usr/bin/env"], { env: { A: "b" } })).stdout).toBe("A=b\n");
  });

  it("does not mind a program that leaves its input unread", async () => {
    expect((await runProgram(["true"], { stdin: "x".repeat(1_000_000) })).exitCode).toBe(0);
  });

  it("stops one that writes too much", async () => {
    const endless = runProgram(["sh", "-c", "while :; do echo xxxxxxxx; done"], { maxOutputBytes: 10_000 });
    await expect(endless).rejects.toThrow(code("LINUX_TOOL_OUTPUT"));
  });

  it("kills it when the caller gives up", async () => {
    const abort = new AbortController();
    const running = runProgram(["sleep", "60"], { signal: abort.signal });
    abort.abort();
    await expect(running).rejects.toThrow(code("ABORTED"));
    await expect(runProgram(["true"], { signal: AbortSignal.abort() })).rejects.toThrow(code("ABORTED"));
  });

  it("does not wait for its children when the caller gives up", async () => {
    const abort = new AbortController();
    const folder = mkdtempSync(join(tmpdir(), "linux-run-"));
    const file = join(folder, "pid");
    // The grandchild keeps both pipes open.
    const script = 'sleep 600 & echo $! > "$1.new"; mv "$1.new" "$1"; wait';
    const running = runProgram(["sh", "-c", script, "sh", file], { signal: abort.signal });
    while (!existsSync(file)) await new Promise(setImmediate);
    abort.abort();
    try {
      await expect(running).rejects.toThrow(code("ABORTED"));
    } finally {
      process.kill(Number(readFileSync(file, "utf8")), "SIGKILL");
      rmSync(folder, { recursive: true });
    }
  });

  it("says what is not installed", async () => {
    await expect(runTool(["no-such-tool"])).rejects.toMatchObject({
      code: "LINUX_TOOL_MISSING",
      details: { tool: "no-such-tool" },
    });
  });

  test.each([
    ["echo Error: Could not process rule: Operation not supported >&2; exit 1", "LINUX_FEATURE_MISSING"],
    ["echo you must be root >&2; exit 4", "LINUX_CAPABILITY_MISSING"],
    ["echo syntax error >&2; exit 1", "LINUX_TOOL_FAILED"],
    ["exit 1", "LINUX_TOOL_FAILED"],
    ["kill -KILL $$", "LINUX_TOOL_FAILED"],
  ])("sorts the failure of %j as %s", async (script, expected) => {
    await expect(runTool(["sh", "-c", script])).rejects.toThrow(code(expected));
  });
});

describe("spawnIn", () => {
  it("gives the program's own PID, exit code and end by signal", async () => {
    const child = spawnIn(["sh", "-c", "echo $$; exit 7"], { stdio: ["ignore", "pipe", "inherit"] });
    const [[output], [exitCode]] = await Promise.all([once(child.stdout ?? child, "data"), once(child, "exit")]);
    expect([Number(String(output)), exitCode]).toEqual([child.pid, 7]);
    const sleeper = spawnIn(["sleep", "60"]);
    sleeper.kill("SIGTERM");
    expect(await once(sleeper, "exit")).toEqual([null, "SIGTERM"]);
  });

  it("passes arguments, environment and folder as they are", async () => {
    const odd = `a "b" $HOME \`id\` ;\n'`;
    const child = spawnIn(["sh", "-c", 'printf "%s|%s|%s" "$1" "$ODD" "$PWD"', "x", odd], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH: SEARCH_PATH, ODD: odd },
      cwd: "/usr",
    });
    expect(Buffer.concat((await child.stdout?.toArray()) as Buffer[]).toString()).toBe(`${odd}|${odd}|/usr`);
  });

  it.each([
    [{}, ["/no/such/program"], 127],
    [{ cgroups: ["/no/such/cgroup"] }, ["true"], 125],
  ] as const)("with %o exits for %o with %d", async (options, command, exitCode) => {
    const child = spawnIn([...command], { ...options, stdio: "ignore" });
    expect(await once(child, "exit")).toEqual([exitCode, null]);
  });

  it("lets the program die with its parent, however that ends", async () => {
    const script = `
      import { spawnIn } from ${JSON.stringify(SOURCE)};
      const child = spawnIn(["sleep", "600"], { stdio: "ignore" });
      child.once("spawn", () => process.stdout.write(child.pid + "\\n"));`;
    const parent = spawn(NODE[0], [...NODE.slice(1), script], { cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    // "spawn" comes at the fork; the signal is asked for before sleep is there.
    while (!readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep")) await new Promise(setImmediate);
    parent.kill("SIGKILL");
    expect(await isGone(pid)).toBe(true);
  });
});

describe("open files", () => {
  it("may be as many as the hard limit allows", () => {
    const { hard } = openFileLimit();
    expect(raiseOpenFileLimit()).toEqual({ soft: hard, hard });
    expect(raiseOpenFileLimit(1)).toEqual({ soft: hard, hard });
  });

  it("are raised from a lowered soft limit, and the hard limit only with the capability", () => {
    const script = `
      import { openFileLimit, raiseOpenFileLimit } from ${JSON.stringify(SOURCE)};
      const low = openFileLimit();
      const raised = raiseOpenFileLimit();
      let refused; try { raiseOpenFileLimit(raised.hard + 1); } catch (error) { refused = error; }
      process.stdout.write(JSON.stringify({ low, raised, refused }));`;
    const limited = ["--nofile=200:500", "setpriv", "--bounding-set=-sys_resource", ...NODE, script];
    const { stdout, stderr } = spawnSync("prlimit", limited, { encoding: "utf8", cwd: "/" });
    expect(stderr).toBe("");
    // Node itself raises the soft limit at its start.
    expect(JSON.parse(stdout)).toMatchObject({
      raised: { soft: 500, hard: 500 },
      refused: { code: "LINUX_CAPABILITY_MISSING", details: { capability: "SYS_RESOURCE" } },
    });
  });
});

describe("the package", () => {
  it("loads where there is no Linux and no koffi, and says so when it is used", () => {
    const script = `
      Object.defineProperty(process, "platform", { value: process.env.PLATFORM ?? process.platform });
      Object.defineProperty(process, "arch", { value: process.env.ARCH ?? process.arch });
      const { hostNetns, canonicalAddress } = await import(${JSON.stringify(SOURCE)});
      const address = canonicalAddress("::ffff:1.2.3.4");
      try { hostNetns(); } catch (error) { process.stdout.write(JSON.stringify({ address, code: error.code, message: error.message })); }`;
    for (const env of [{ PLATFORM: "darwin" }, { ARCH: "mips" }]) {
      const { stdout } = spawnSync(NODE[0], [...NODE.slice(1), script], { encoding: "utf8", cwd: "/", env });
      expect(JSON.parse(stdout)).toMatchObject({ address: "1.2.3.4", code: "LINUX_UNSUPPORTED" });
      expect(stdout).toContain(env.PLATFORM ?? env.ARCH);
    }
  });
});
