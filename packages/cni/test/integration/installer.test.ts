// SPDX-License-Identifier: Apache-2.0
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noMetrics, silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { Installer } from "../../src/installer/installer.ts";

const LIST = { cniVersion: "1.0.0", name: "pods", plugins: [{ type: "bridge" }] };

describe("installing on a node", () => {
  let root: string;
  const at = (...names: readonly string[]): string => join(root, ...names);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "installer-"));
    for (const name of ["net.d", "bin", "account"]) mkdirSync(at(name));
    writeFileSync(at("program"), "a program");
    writeFileSync(at("net.d", "10-x.conflist"), JSON.stringify(LIST));
    writeFileSync(at("account", "token"), "secret-1\n");
    writeFileSync(at("account", "ca.crt"), "pem");
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const installer = (version = "v1"): Installer =>
    new Installer(
      { clock: new FakeClock(), logger: silentLogger, metrics: noMetrics },
      {
        configDirectory: at("net.d"),
        binDirectory: at("bin"),
        nodeBinDirectory: "/opt/cni/bin",
        runDirectory: at("run"),
        apiServer: { kind: "in-cluster", host: "fd00::1", port: 443, directory: at("account") },
        chain: { mode: "chained", configName: undefined, ownedName: "02.conflist", plugin: { type: "istio-cni" } },
        runtime: { version, files: [{ source: at("program"), target: "node" }] },
        architecture: "arm64",
      },
    );

  it("writes runtime, launcher, kubeconfig and chain", async () => {
    expect(await installer().install()).toEqual({ kind: "installed" });
    expect(readFileSync(at("bin", "istio-cni.d", "v1", "node"), "utf8")).toBe("a program");
    expect(readFileSync(at("bin", "istio-cni"), "utf8")).toMatch(
      /^#!\/bin\/sh\nexec '\/opt\/cni\/bin\/istio-cni.d\/v1\/node' '.*main.js'\n$/,
    );
    expect(statSync(at("run", "istio-cni-kubeconfig")).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(at("run", "istio-cni-kubeconfig"), "utf8"))).toMatchObject({
      clusters: [{ cluster: { server: "https://[fd00::1]:443", "certificate-authority-data": "cGVt" } }],
      users: [{ user: { token: "secret-1" } }],
    });
    const { plugins } = JSON.parse(readFileSync(at("net.d", "10-x.conflist"), "utf8")) as typeof LIST;
    expect(plugins).toEqual([{ type: "bridge" }, { type: "istio-cni" }]);
    expect(readdirSync(at("net.d"))).toEqual(["10-x.conflist"]);
  });

  it("touches nothing that is as it should be", async () => {
    await installer().install();
    const inodes = (): readonly number[] =>
      [
        ["bin", "istio-cni"],
        ["bin", "istio-cni.d", "v1"],
        ["net.d", "10-x.conflist"],
        ["run", "istio-cni-kubeconfig"],
      ].map((names) => statSync(at(...names)).ino);
    const before = inodes();
    await installer().install();
    expect(inodes()).toEqual(before);
  });

  it("follows a token that changes", async () => {
    await installer().install();
    writeFileSync(at("account", "token"), "secret-2");
    await installer().install();
    expect(readFileSync(at("run", "istio-cni-kubeconfig"), "utf8")).toContain("secret-2");
  });

  it("keeps one runtime of before, for calls that still run", async () => {
    for (const version of ["v1", "v2", "v3"]) await installer(version).install();
    expect(readdirSync(at("bin", "istio-cni.d"))).toEqual(["v2", "v3"]);
  });

  it("takes everything away again", async () => {
    await installer().install();
    await installer().uninstall();
    expect(readdirSync(at("bin"))).toEqual([]);
    expect(existsSync(at("run", "istio-cni-kubeconfig"))).toBe(false);
    expect(JSON.parse(readFileSync(at("net.d", "10-x.conflist"), "utf8"))).toEqual(LIST);
  });

  it("waits for the node's configuration", async () => {
    rmSync(at("net.d", "10-x.conflist"));
    expect(await installer().install()).toMatchObject({ kind: "waiting" });
  });

  it("says what is missing", async () => {
    rmSync(at("account", "token"));
    await expect(installer().install()).rejects.toMatchObject({
      code: "CNI_INSTALL_FAILED",
      message: /^the CNI plugin can't be installed: ENOENT.*token/,
    });
  });
});
