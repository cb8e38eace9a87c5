// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock, createTestAuthority } from "@ambientmesh/testkit";
import type { LogFields, Logger } from "@ambientmesh/core";
import { silentLogger } from "@ambientmesh/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CrlFile, FileWatcher } from "../../src/index.ts";

let folder: string;
let clock: FakeClock;
let warnings: LogFields[];
let logger: Logger;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "spiffe-files-"));
  clock = new FakeClock();
  warnings = [];
  logger = { ...silentLogger, warn: (_event, fields = {}) => warnings.push(fields) };
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

/** Lets the watcher look twice: once to see the change, once to see that it is over. */
async function look(times = 2): Promise<void> {
  for (let at = 0; at < times; at++) {
    await vi.waitFor(() => expect(clock.timerCount).toBe(1), { interval: 1 });
    clock.advance(2000);
  }
  await vi.waitFor(() => expect(clock.timerCount).toBe(1), { interval: 1 });
}

/** A folder as kubelet mounts a ConfigMap: the file is a link through `..data`, which is swapped. */
async function mount(version: string, text: string): Promise<void> {
  await mkdir(join(folder, version));
  await writeFile(join(folder, version, "file"), text);
  await symlink(version, join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
}

describe("FileWatcher", () => {
  const onChange = vi.fn<() => Promise<void>>();
  beforeEach(() => onChange.mockReset().mockResolvedValue());
  const watch = async (...paths: string[]): Promise<FileWatcher> => {
    const watcher = new FileWatcher({ clock, logger }, { paths, onChange });
    await watcher.start();
    return watcher;
  };

  it("tells of a file that was written, made and removed, once each", async () => {
    const path = join(folder, "file");
    await using _watcher = await watch(path, join(folder, "other"));
    await look();
    expect(onChange).toHaveBeenCalledTimes(0);
    await writeFile(path, "one");
    await look();
    await look();
    expect(onChange).toHaveBeenCalledTimes(1);
    await writeFile(path, "longer");
    await look();
    expect(onChange).toHaveBeenCalledTimes(2);
    await rm(path);
    await look();
    expect(onChange).toHaveBeenCalledTimes(3);
  });

  it("waits until a file stays the same", async () => {
    const path = join(folder, "file");
    await using _watcher = await watch(path);
    for (const text of ["1", "12", "123"]) {
      await writeFile(path, text);
      await look(1);
      expect(onChange).toHaveBeenCalledTimes(0);
    }
    await look(1);
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it("sees the swap of a mounted ConfigMap", async () => {
    await mount("..1", "one");
    await symlink("..data/file", join(folder, "file"));
    await using _watcher = await watch(join(folder, "file"));
    await mount("..2", "one");
    await look();
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it("goes on when the callback fails", async () => {
    const path = join(folder, "file");
    onChange.mockRejectedValueOnce(new Error("unreadable"));
    await using _watcher = await watch(path);
    await writeFile(path, "one");
    await look();
    await writeFile(path, "longer");
    await look();
    expect(onChange).toHaveBeenCalledTimes(2);
    expect(warnings).toHaveLength(1);
  });

  it("stops", async () => {
    const watcher = await watch(join(folder, "file"));
    await watcher[Symbol.asyncDispose]();
    await watcher[Symbol.asyncDispose]();
    expect(clock.timerCount).toBe(0);
  });
});

describe("CrlFile", () => {
  it("begins without a file, takes it when it comes, and keeps what it had when it goes or breaks", async () => {
    const { authority } = await createTestAuthority();
    const path = join(folder, "ca-crl.pem");
    await using file = new CrlFile({ clock, logger }, { path });
    const sizes: number[] = [];
    file.subscribe(({ size }) => sizes.push(size));
    await file.start();
    expect(file.current.size).toBe(0);
    expect(warnings).toHaveLength(1);

    await writeFile(path, await authority.crl());
    await look();
    expect(file.current.size).toBe(1);
    await writeFile(path, "broken");
    await look();
    expect(file.current.size).toBe(1);
    await rm(path);
    await look();
    expect(file.current.size).toBe(1);
    expect(warnings).toHaveLength(3);

    await writeFile(path, "");
    await look();
    expect(file.current.size).toBe(0);
    expect(sizes).toEqual([1, 0]);
  });

  it("begins with the lists that are there", async () => {
    const { authority } = await createTestAuthority();
    const path = join(folder, "ca-crl.pem");
    await writeFile(path, await authority.crl());
    await using file = new CrlFile({ clock, logger }, { path, intervalMs: 500 });
    await file.start();
    expect(file.current.size).toBe(1);
  });
});
