// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigMap, TokenRequest, Volume } from "@ambientmesh/api/kubernetes";
import type { KubeClient } from "@ambientmesh/kube";
import { FakeClock } from "@ambientmesh/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeVolumeFiles } from "../../src/local/kubelet/atomic-files.ts";
import { VolumeSource } from "../../src/local/kubelet/volume-source.ts";
import { pod, storeOf } from "../support/objects.ts";

describe("writeVolumeFiles", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cli-volume-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("swaps all files at once, through one link", () => {
    writeVolumeFiles(
      directory,
      new Map([
        ["a", "1"],
        ["b/c", "2"],
      ]),
    );
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("1");
    expect(readFileSync(join(directory, "b", "c"), "utf8")).toBe("2");
    expect(readlinkSync(join(directory, "a"))).toBe("..data/a");
    const first = readlinkSync(join(directory, "..data"));
    writeVolumeFiles(
      directory,
      new Map([
        ["a", "3"],
        ["d", "4"],
      ]),
    );
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("3");
    expect(readdirSync(directory).filter((name) => !name.startsWith(".."))).toEqual(["a", "d"]);
    expect(existsSync(join(directory, first))).toBe(false);
  });

  it.each(["", "../x", "a/../../x", "/etc/x", "..data", "a//b"])("refuses the path %o", (path) => {
    expect(() => writeVolumeFiles(directory, new Map([[path, "x"]]))).toThrow(/is no path below a volume/);
    expect(readdirSync(directory)).toEqual([]);
  });
});

const settings: ConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "shop", name: "settings" },
  data: { a: "1", b: "2" },
};

function sourceOf(volumes: readonly Volume[]): {
  source: VolumeSource;
  clock: FakeClock;
  asked: TokenRequest["spec"][];
} {
  const clock = new FakeClock(0);
  const asked: TokenRequest["spec"][] = [];
  const client = {
    requestToken: async (_account: object, spec: TokenRequest["spec"]) => {
      asked.push(spec);
      const expirationTimestamp = new Date(clock.now() + (spec.expirationSeconds ?? 0) * 1000).toISOString();
      return { token: `token-${asked.length}`, expirationTimestamp };
    },
  } as Partial<KubeClient> as KubeClient;
  const facts = {
    pod: pod("shop/cart", { spec: { volumes, serviceAccountName: "cart" } }),
    podIp: "10.244.1.2",
    hostIp: "10.99.0.11",
  };
  return { source: new VolumeSource(facts, { client, clock, configMaps: storeOf([settings]) }), clock, asked };
}

const never = new AbortController().signal;
const filesOf = async (source: VolumeSource, volume: Volume): Promise<object> =>
  Object.fromEntries((await source.filesOf(volume, never)) ?? []);

describe("VolumeSource", () => {
  it("has the keys of ConfigMaps, all or those that are named", async () => {
    const { source } = sourceOf([]);
    expect(await filesOf(source, { name: "v", configMap: { name: "settings" } })).toEqual({ a: "1", b: "2" });
    const items = [{ key: "b", path: "x/y" }];
    expect(await filesOf(source, { name: "v", configMap: { name: "settings", items } })).toEqual({ "x/y": "2" });
    const optional = { name: "other", optional: true };
    expect(await filesOf(source, { name: "v", configMap: optional })).toEqual({});
  });

  it.each([
    [{ name: "other" }, "waits for ConfigMap shop/other, which is not there yet"],
    [
      { name: "settings", items: [{ key: "c", path: "c" }] },
      "waits for key c of ConfigMap shop/settings, which is not there yet",
    ],
  ])("says what it waits for: %o", async (configMap, message) => {
    const { source } = sourceOf([]);
    await expect(source.filesOf({ name: "v", configMap }, never)).rejects.toThrow(message);
  });

  it("asks for tokens that are bound to the pod, and for new ones when four fifths of their life are over", async () => {
    const token = { audience: "istio-ca", expirationSeconds: 1000, path: "token" };
    const volume: Volume = { name: "v", projected: { sources: [{ serviceAccountToken: token }] } };
    const { source, clock, asked } = sourceOf([volume]);
    expect(await filesOf(source, volume)).toEqual({ token: "token-1" });
    expect(asked).toEqual([
      {
        audiences: ["istio-ca"],
        expirationSeconds: 1000,
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "cart", uid: "uid-cart" },
      },
    ]);
    expect(source.refreshAtMs).toBe(800_000);
    clock.advance(799_999);
    expect(await filesOf(source, volume)).toEqual({ token: "token-1" });
    clock.advance(1);
    expect(await filesOf(source, volume)).toEqual({ token: "token-2" });
  });

  it("projects several sources into one volume", async () => {
    const sources = [
      { configMap: { name: "settings", items: [{ key: "a", path: "a" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ];
    const volume: Volume = { name: "v", projected: { sources } };
    const { source } = sourceOf([volume]);
    expect(await filesOf(source, volume)).toEqual({ a: "1", namespace: "shop" });
    expect(source.uses("shop/settings")).toBe(true);
    expect(source.uses("street/settings")).toBe(false);
  });

  it("has no files for folders", async () => {
    const { source } = sourceOf([]);
    expect(await source.filesOf({ name: "v", emptyDir: {} }, never)).toBeUndefined();
  });
});
