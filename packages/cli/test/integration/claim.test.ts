// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@ambientmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimPlace, removeDeadMesh, runningSupervisor } from "../../src/local/run-directory/claim.ts";
import { removeLeftovers } from "../../src/local/run-directory/leftovers.ts";
import { Place } from "../../src/local/run-directory/place.ts";
import {
  RUN_VARIABLE,
  RecordKeeper,
  isAlive,
  processIdentity,
  readRecord,
  writeRecord,
  type MeshRecord,
} from "../../src/local/run-directory/record.ts";

let root: string;
let place: Place;
const children: ChildProcess[] = [];

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), "cli-claim-")), "root");
  place = new Place(root, "test", "private");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(join(root, ".."), { recursive: true, force: true });
});

/** A program that goes on for ever, and is another one than this process. */
function program(env: Readonly<Record<string, string>> = {}): {
  readonly pid: number;
  readonly ended: Promise<unknown>;
} {
  const child = spawn("sleep", ["infinity"], { env: { PATH: "/usr/bin:/bin", ...env } });
  children.push(child);
  return { pid: child.pid as number, ended: once(child, "exit") };
}

/** A mesh whose supervisor is gone. */
async function deadMesh(change: Partial<MeshRecord> = {}): Promise<MeshRecord> {
  const { keeper } = await claimPlace(place, "/folder", systemClock);
  const record = { ...keeper.current, supervisor: { pid: process.pid, startTime: "1" }, ...change };
  writeRecord(place.record, record);
  return record;
}

describe("Place", () => {
  it("has everything of a mesh in one directory", () => {
    expect(place.record).toBe(`${root}/test/state.json`);
    expect(place.pod("node1", "uid")).toBe(`${root}/test/node1/pods/uid`);
    expect(place.log("shop", "cart", "app")).toBe(`${root}/test/logs/shop_cart_app.log`);
    expect(place.netnsDirectory).toBe(`${root}/test/netns`);
    expect(new Place(root, "test", "machine").netnsDirectory).toBe("/run/netns");
    expect(place.netnsName("node1")).toBe("ambient-test-node1");
  });

  it.each(["", "Test", "a/b", "..", "-a", "a-", "a".repeat(21)])("refuses the name %o", (name) => {
    expect(() => new Place(root, name, "machine")).toThrow(`"${name}" is no name for a mesh`);
  });
});

describe("a claim", () => {
  it("makes the run directory with a record of this process", async () => {
    const { keeper, removed } = await claimPlace(place, "/folder", systemClock);
    expect(removed).toBe(0);
    expect(readRecord(place.record)).toEqual(keeper.current);
    expect(keeper.current).toMatchObject({ folder: "/folder", supervisor: processIdentity(process.pid), netns: [] });
    expect(runningSupervisor(place)?.pid).toBe(process.pid);
  });

  it("is refused while a mesh of that name runs, with its process", async () => {
    await claimPlace(place, "/folder", systemClock);
    await expect(claimPlace(place, "/folder", systemClock)).rejects.toMatchObject({
      code: "CLI_MESH_RUNNING",
      details: { pid: process.pid },
    });
    await expect(removeDeadMesh(place, systemClock)).rejects.toMatchObject({ code: "CLI_MESH_RUNNING" });
    expect(readdirSync(root)).toEqual(["test"]);
  });

  it("is given to one of many that ask at the same time", async () => {
    await deadMesh();
    const claims = await Promise.allSettled(Array.from({ length: 8 }, () => claimPlace(place, "/f", systemClock)));
    expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(readdirSync(root)).toEqual(["test"]);
  });

  it("ends what a killed mesh has left: its processes by number and start, and those that carry its mark", async () => {
    const recorded = program();
    const marked = program({ [RUN_VARIABLE]: "the run" });
    const stranger = program();
    const identity = processIdentity(recorded.pid);
    const reused = { pid: stranger.pid, startTime: "1" };
    await deadMesh({ runId: "the run", processes: [identity as NonNullable<typeof identity>, reused] });
    writeFileSync(join(place.directory, "file"), "");
    const { removed } = await claimPlace(place, "/folder", systemClock);
    expect(removed).toBe(2);
    await Promise.all([recorded.ended, marked.ended]);
    expect(processIdentity(stranger.pid)).toBeDefined();
    expect(readdirSync(place.directory)).toEqual(["state.json"]);
  });

  it("finishes what another removal has begun", async () => {
    const record = await deadMesh();
    const aside = join(root, ".test~0");
    mkdirSync(aside);
    writeRecord(join(aside, "state.json"), record);
    await claimPlace(place, "/folder", systemClock);
    expect(readdirSync(root)).toEqual(["test"]);
  });

  it("leaves processes of an earlier boot alone", async () => {
    const child = program();
    const identity = processIdentity(child.pid) as NonNullable<ReturnType<typeof processIdentity>>;
    await deadMesh({ bootId: "another", processes: [identity] });
    await claimPlace(place, "/folder", systemClock);
    expect(isAlive(identity)).toBe(true);
  });

  it("refuses a directory that others could have prepared", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "cli-elsewhere-"));
    try {
      symlinkSync(elsewhere, root);
      await expect(claimPlace(place, "/folder", systemClock)).rejects.toMatchObject({ code: "CLI_RUN_DIRECTORY" });
      rmSync(root);
      mkdirSync(root);
      chmodSync(root, 0o777);
      await expect(claimPlace(place, "/folder", systemClock)).rejects.toMatchObject({ code: "CLI_RUN_DIRECTORY" });
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  it("does not touch a record it can't read", async () => {
    mkdirSync(place.directory, { recursive: true, mode: 0o700 });
    writeFileSync(place.record, "{");
    await expect(claimPlace(place, "/folder", systemClock)).rejects.toMatchObject({ code: "CLI_RUN_DIRECTORY" });
    expect(existsSync(place.record)).toBe(true);
  });
});

describe("a record", () => {
  it("is on disk with each change", async () => {
    const { keeper } = await claimPlace(place, "/folder", systemClock);
    keeper.add("netns", "a");
    keeper.add("cgroups", "/sys/fs/cgroup/x");
    expect(readRecord(place.record)).toMatchObject({ netns: ["a"], cgroups: ["/sys/fs/cgroup/x"] });
    keeper.remove("netns", "a");
    expect(readRecord(place.record)).toMatchObject({ netns: [], cgroups: ["/sys/fs/cgroup/x"] });
    expect(new RecordKeeper(place.record, keeper.current).current.folder).toBe("/folder");
  });
});

it("removes a mesh of which nothing is left but its directory", async () => {
  const record = await deadMesh({ netns: ["ambient-test-never-made"], cgroups: ["/sys/fs/cgroup/never-made"] });
  expect(await removeLeftovers(place, record, { clock: systemClock })).toEqual([]);
  expect(existsSync(place.directory)).toBe(false);
});
