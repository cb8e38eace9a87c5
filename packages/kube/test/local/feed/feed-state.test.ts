// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { RESOURCES } from "../../../src/index.ts";
import { applyYaml, formatFeedProblem } from "../../../src/local/index.ts";
import { FeedState } from "../../../src/local/feed/feed-state.ts";
import { startLocal, type LocalFixture } from "../../support/local.ts";

interface Fed extends AsyncDisposable {
  readonly kube: LocalFixture;
  /** Feeds these files and gives back what is wrong, in lines. */
  readonly feed: (files: Readonly<Record<string, string>>, unreadable?: readonly string[]) => readonly string[];
  readonly keysOf: (resource: (typeof RESOURCES)["ConfigMap"]) => Promise<readonly string[]>;
}

async function startFed(): Promise<Fed> {
  const kube = await startLocal();
  const state = new FeedState(kube.server.objects, "folder");
  return {
    kube,
    feed: (files, unreadable = []) =>
      state
        .update({
          files: new Map(Object.entries(files)),
          directories: ["."],
          problems: unreadable.map((file) => ({ file, message: "can't be read" })),
        })
        .map(formatFeedProblem),
    keysOf: async (resource) => (await kube.client.list(resource)).map(({ metadata }) => metadata.name),
    [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose](),
  };
}

const map = (name: string, data = "v", namespace = "default"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\ndata: {k: "${data}"}\n`;

const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, required: [size], properties: {size: {type: integer}}}
`;

describe("a fed server", () => {
  it("follows the files: additions, edits, removals", async () => {
    await using fed = await startFed();
    const { kube, feed, keysOf } = fed;
    expect(
      feed({
        "a.yaml": `${map("a")}---\n${map("b")}`,
        "ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
        "sub/c.yml": map("c", "v", "shop"),
      }),
    ).toEqual([]);
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["a", "b", "c"]);
    expect(feed({ "a.yaml": map("a", "new") })).toEqual([]);
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["a"]);
    const read = await kube.client.get(RESOURCES.ConfigMap, { name: "a", namespace: "default" });
    expect(read.data).toEqual({ k: "new" });
    expect(read.metadata.managedFields?.map(({ manager }) => manager)).toEqual(["folder"]);
  });

  it("takes texts once, for offline tools", async () => {
    await using kube = await startLocal();
    const files = new Map([
      ["a.yaml", map("a", "v", "shop")],
      ["ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"],
      ["bad.yaml", "a: ["],
    ]);
    expect(applyYaml(kube.server, files).map(({ file }) => file)).toEqual(["bad.yaml"]);
    expect(await kube.client.find(RESOURCES.ConfigMap, { name: "a", namespace: "shop" })).toBeDefined();
  });

  it("puts objects without a namespace into default", async () => {
    await using fed = await startFed();
    expect(fed.feed({ "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" })).toEqual([]);
    expect(await fed.kube.client.find(RESOURCES.ConfigMap, { name: "a", namespace: "default" })).toBeDefined();
  });

  it("keeps the last good state of a file that becomes invalid", async () => {
    await using fed = await startFed();
    const { feed, keysOf } = fed;
    feed({ "a.yaml": `${map("a")}---\n${map("b")}` });
    const broken = feed({
      "a.yaml": `${map("a", "changed")}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: 5\n`,
    });
    expect(broken).toEqual(["a.yaml:9:1: ConfigMap b: data: Invalid type: must be object, not integer"]);
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["a", "b"]);
    expect((await fed.kube.client.get(RESOURCES.ConfigMap, { name: "a", namespace: "default" })).data).toEqual({
      k: "v",
    });
    expect(feed({ "a.yaml": "{" })).toHaveLength(1);
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["a", "b"]);
    expect(feed({}, ["a.yaml"])).toContain("a.yaml: can't be read");
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["a", "b"]);
    expect(feed({ "a.yaml": map("b") })).toEqual([]);
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["b"]);
  });

  it("leaves what others changed until the file's object changes", async () => {
    await using fed = await startFed();
    const { kube, feed } = fed;
    const ref = { name: "a", namespace: "default" };
    feed({ "a.yaml": map("a") });
    await kube.client.mergePatch(RESOURCES.ConfigMap, ref, {
      data: { k: "by kubectl", other: "1" },
      metadata: { labels: { l: "1" } },
    });
    feed({ "a.yaml": `# a comment\n${map("a")}`, "b.yaml": map("b") });
    expect((await kube.client.get(RESOURCES.ConfigMap, ref)).data).toEqual({ k: "by kubectl", other: "1" });
    feed({ "a.yaml": map("a", "by file") });
    const read = await kube.client.get(RESOURCES.ConfigMap, ref);
    expect(read.data).toEqual({ k: "by file", other: "1" });
    expect(read.metadata.labels).toEqual({ l: "1" });
  });

  it("removes only what it made, and gives up its fields of the rest", async () => {
    await using fed = await startFed();
    const { kube, feed, keysOf } = fed;
    await kube.client.create(RESOURCES.ConfigMap, {
      metadata: { name: "theirs", namespace: "default" },
      data: { own: "1" },
    });
    feed({ "a.yaml": map("theirs") });
    feed({});
    expect(await keysOf(RESOURCES.ConfigMap)).toEqual(["theirs"]);
    expect((await kube.client.get(RESOURCES.ConfigMap, { name: "theirs", namespace: "default" })).data).toEqual({
      own: "1",
    });
    feed({ "a.yaml": map("mine") });
    await kube.client.delete(RESOURCES.ConfigMap, { name: "mine", namespace: "default" });
    expect(feed({})).toEqual([]);
  });

  it("installs definitions before the objects that need them, wherever they stand", async () => {
    await using fed = await startFed();
    const { kube, feed } = fed;
    const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n";
    expect(feed({ "a-widget.yaml": widget })).toEqual([
      `a-widget.yaml:2:1: Widget w: kind: Unsupported value: "Widget": there is no such kind in example.com/v1; install its CustomResourceDefinition first`,
    ]);
    expect(feed({ "a-widget.yaml": widget, "z-definition.yaml": definition })).toEqual([]);
    const resource = { apiVersion: "example.com/v1", kind: "Widget", plural: "widgets", isNamespaced: true };
    expect(await kube.client.list(resource)).toHaveLength(1);
    expect(feed({ "a-widget.yaml": widget.replace("size", "syze"), "z-definition.yaml": definition })).toEqual([
      `a-widget.yaml:4:8: Widget w: spec.syze: Unknown field: the kind has no field "spec.syze"`,
      "a-widget.yaml:4:1: Widget w: spec.size: Required value: the field is missing",
    ]);
    expect(feed({})).toEqual([]);
    await expect(kube.client.list(resource)).rejects.toMatchObject({ code: "KUBE_NOT_FOUND" });
  });

  it("tells the first of two definitions from the second", async () => {
    await using fed = await startFed();
    expect(fed.feed({ "a.yaml": map("a", "first"), "b.yaml": map("a", "second") })).toEqual([
      "b.yaml:1:1: ConfigMap default/a: is defined already at a.yaml:1:1; this one is ignored",
    ]);
    expect((await fed.kube.client.get(RESOURCES.ConfigMap, { name: "a", namespace: "default" })).data).toEqual({
      k: "first",
    });
  });

  it("tries again what was refused, as soon as it may succeed", async () => {
    await using fed = await startFed();
    expect(fed.feed({ "a.yaml": map("a", "v", "later") })).toEqual([
      `a.yaml:1:1: ConfigMap later/a: namespaces "later" not found`,
    ]);
    await fed.kube.client.create(RESOURCES.Namespace, { metadata: { name: "later" } });
    expect(fed.feed({ "a.yaml": map("a", "v", "later") })).toEqual([]);
  });

  test.each([
    ["kind: ConfigMap\nmetadata: {name: a}\n", "a.yaml:1:1: ConfigMap a: apiVersion: Required value"],
    ["apiVersion: v1\nmetadata: {name: a}\n", "a.yaml:1:1: object a: kind: Required value"],
    ["apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "a.yaml:3:1: metadata.name: Required value"],
    [
      "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: 5\n",
      "a.yaml:4:3: ConfigMap 5: metadata.name: Invalid type: must be string",
    ],
    [
      "apiVersion: v2\nkind: ConfigMap\nmetadata: {name: a}\n",
      'apiVersion: Unsupported value: "v2": ConfigMap is served as v1',
    ],
    [
      "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: A_B\n",
      'a.yaml:4:3: ConfigMap A_B: metadata.name: Invalid value: "A_B" must be lower case',
    ],
    [
      "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels:\n    app: '-x'\n",
      "a.yaml:6:5: ConfigMap a: metadata.labels.app: Invalid value",
    ],
    [
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports:\n    - port: 80\n    - port: 81\n",
      "a.yaml:7:7: Service a: spec.ports[0].name: Required value: services with several ports need a name for each",
    ],
    [
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  selector: {app: a}\n",
      "a.yaml:5:1: Service a: spec.ports: Required value",
    ],
    [
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: b}}\n    spec: {containers: [{name: a}]}\n",
      "a.yaml:7:16: Deployment a: spec.template.metadata.labels: Invalid value",
    ],
  ])("names place and field of %j", async (text, expected) => {
    await using fed = await startFed();
    expect(fed.feed({ "a.yaml": text }).join("\n")).toContain(expected);
  });
});
