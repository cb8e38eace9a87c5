// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { silentLogger, systemClock } from "@ambientmesh/core";
import { formatFeedProblem } from "@ambientmesh/kube/local";
import { listPids } from "@ambientmesh/linux";
import { Place } from "../../../src/local/run-directory/place.ts";
import { RUN_VARIABLE } from "../../../src/local/run-directory/record.ts";
import type { RunningMesh } from "../../../src/local/running-mesh.ts";
import { startMesh } from "../../../src/local/start-mesh.ts";

/** A folder of files that is removed at the end. */
export class TestFolder implements Disposable {
  readonly path: string;

  constructor(files: Readonly<Record<string, string>>) {
    this.path = mkdtempSync(join(tmpdir(), "cli-mesh-"));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name: string, text: string): void {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A mesh name that no other test has. */
export function uniqueName(): string {
  return `t${randomBytes(4).toString("hex")}`;
}

export interface TestMesh extends AsyncDisposable {
  readonly mesh: RunningMesh;
  readonly folder: TestFolder;
  readonly place: Place;
  /** What was wrong in the folder, each time that changed. */
  readonly problems: readonly (readonly string[])[];
}

/** A mesh without istiod, agents and proxies, over a folder with these files. */
export async function startTestMesh(files: Readonly<Record<string, string>>): Promise<TestMesh> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(new TestFolder(files));
  const runRoot = stack.use(new TestFolder({}));
  const place = new Place(join(runRoot.path, "run"), uniqueName(), "machine");
  const problems: string[][] = [];
  const mesh = stack.use(
    await startMesh(
      {
        place,
        folder: folder.path,
        api: { key: "the API", port: 0, ifBusy: "choose-another" },
        environment: { PATH: process.env["PATH"] ?? "" },
        machineEnvironment: process.env,
      },
      {
        clock: systemClock,
        logger: silentLogger,
        onProgress: () => {},
        onProblems: (found) => void problems.push(found.map((problem) => formatFeedProblem(problem))),
      },
    ),
  );
  const owned = stack.move();
  return { mesh, folder, place, problems, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Waits until every pod and deployment is ready. */
export async function allReady(mesh: RunningMesh): Promise<void> {
  let last: readonly string[] = [];
  try {
    await mesh.waitFor("everything to be ready", 30_000, async () => {
      last = await mesh.unready();
      return last.length === 0 ? true : undefined;
    });
  } catch (error) {
    throw new Error(`not ready: ${last.join("; ")}`, { cause: error });
  }
}

/** Everything on this machine that carries the name of a mesh: namespaces, control groups, processes. */
export async function tracesOf(mesh: string, runId?: string): Promise<readonly string[]> {
  const netns = readdirSync("/run/netns").filter((name) => name.includes(mesh));
  const cgroups = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => / cgroup2? /.test(line))
    .flatMap((line) => readdirSync(line.split(" ")[1] as string).filter((name) => name.includes(mesh)));
  const marks =
    runId === undefined
      ? []
      : (await listPids()).filter((pid) => environmentOf(pid).includes(`${RUN_VARIABLE}=${runId}`));
  return [...netns, ...cgroups, ...marks.map((pid) => `process ${pid}`)];
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
