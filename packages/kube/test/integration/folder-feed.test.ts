// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RESOURCES } from "../../src/index.ts";
import { feedFolder, formatFeedProblem, type FeedProblem, type FolderFeed } from "../../src/local/index.ts";
import { eventually } from "../support/eventually.ts";
import { startLocal, type LocalFixture } from "../support/local.ts";

interface Folder extends AsyncDisposable {
  readonly kube: LocalFixture;
  readonly feed: FolderFeed;
  readonly reports: (readonly FeedProblem[])[];
  readonly path: (name: string) => string;
  readonly names: () => Promise<readonly string[]>;
}

async function startFolder(options: { maxFileBytes?: number; maxFiles?: number } = {}): Promise<Folder> {
  const folder = await mkdtempDisposable(join(tmpdir(), "feed-"));
  const kube = await startLocal();
  const reports: (readonly FeedProblem[])[] = [];
  const feed = feedFolder(
    { directory: folder.path, debounceMs: 20, pollMs: 200, ...options },
    { server: kube.server, onProblems: (problems) => reports.push(problems) },
  );
  return {
    kube,
    feed,
    reports,
    path: (name) => join(folder.path, name),
    names: async () => (await kube.client.list(RESOURCES.ConfigMap)).map(({ metadata }) => metadata.name),
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]();
      await kube[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

const map = (name: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;

describe("a folder feed", () => {
  it("applies what is there before it is ready, then follows edits of every kind", async () => {
    await using folder = await startFolder();
    const { feed, path, names } = folder;
    await writeFile(path("a.yaml"), map("a"));
    await feed.start();
    expect(await names()).toEqual(["a"]);
    await writeFile(path("a.yaml"), `${map("a")}---\n${map("b")}`);
    await eventually(async () => (await names()).join() === "a,b");
    // As editors save: a temporary file that takes the name.
    await writeFile(path(".a.yaml.swp"), map("never"));
    await writeFile(path("a.yaml~"), map("never"));
    await writeFile(path("a.yaml.tmp"), map("c"));
    await rename(path("a.yaml.tmp"), path("a.yaml"));
    await eventually(async () => (await names()).join() === "c");
    await mkdir(path("deep/er"), { recursive: true });
    await writeFile(path("deep/er/d.yml"), map("d"));
    await eventually(async () => (await names()).join() === "c,d");
    await rm(path("deep"), { recursive: true });
    await eventually(async () => (await names()).join() === "c");
  });

  it("reports each change of what is wrong, and that all is well again", async () => {
    await using folder = await startFolder();
    const { feed, path, reports, names } = folder;
    await writeFile(path("a.yaml"), map("a"));
    await feed.start();
    expect(reports).toEqual([]);
    await writeFile(path("a.yaml"), "kind: [");
    await eventually(() => reports.length === 1);
    expect(reports[0]?.map(formatFeedProblem)[0]).toMatch(/^a\.yaml:1:8: YAML: /);
    expect(await names()).toEqual(["a"]);
    await writeFile(path("a.yaml"), map("b"));
    await eventually(() => reports.length === 2);
    expect(reports[1]).toEqual([]);
    expect(feed.problems).toEqual([]);
  });

  it("bounds sizes and numbers, and reads no devices or circles", async () => {
    await using folder = await startFolder({ maxFileBytes: 200, maxFiles: 4 });
    const { feed, path } = folder;
    await writeFile(path("big.yaml"), `${map("big")}# ${"x".repeat(500)}\n`);
    await writeFile(path("ok.yaml"), map("ok"));
    await symlink("ok.yaml", path("same.yaml"));
    await symlink(".", path("circle"));
    await mkdir(path("folder.yaml"));
    await symlink("nowhere", path("dangling.yaml"));
    await feed.start();
    const lines = feed.problems.map(formatFeedProblem).join("\n");
    expect(lines).toContain("big.yaml: is larger than 200 bytes");
    expect(lines).toContain("same.yaml:1:1: ConfigMap ok: is defined already at ok.yaml:1:1");
    expect(lines).toContain("dangling.yaml: can't be read");
    expect(await folder.names()).toEqual(["ok"]);
    for (const name of ["1", "2", "3", "4", "5"]) await writeFile(path(`n${name}.yaml`), map(`n${name}`));
    await feed.refresh();
    expect(feed.problems.map(formatFeedProblem).join("\n")).toContain("left out: the folder has more than 4 files");
  });

  it("keeps everything while the folder itself is away", async () => {
    await using folder = await startFolder();
    const { feed, path, names } = folder;
    await writeFile(path("a.yaml"), map("a"));
    await feed.start();
    await rename(path("."), `${path(".")}-away`);
    await eventually(() => feed.problems.length === 1);
    expect(await names()).toEqual(["a"]);
    await rename(`${path(".")}-away`, path("."));
    await eventually(() => feed.problems.length === 0);
    expect(await names()).toEqual(["a"]);
  });

  it("does not start without a folder", async () => {
    await using kube = await startLocal();
    const feed = feedFolder({ directory: "/no/such/folder" }, { server: kube.server });
    await expect(feed.start()).rejects.toMatchObject({
      code: "KUBE_FEED_INVALID",
      message: expect.stringContaining("/no/such/folder"),
    });
  });
});
