// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { describeConfig, parseConfig } from "../src/config.ts";

describe("parseConfig", () => {
  it.each([
    [{}, 0, "/run/ambientmesh", "/tmp/ambientmesh-0"],
    [{}, 1000, "/run/ambientmesh", "/tmp/ambientmesh-1000"],
    [{ XDG_RUNTIME_DIR: "/run/user/1000" }, 1000, "/run/ambientmesh", "/run/user/1000/ambientmesh"],
    [{ AMBIENTCTL_RUN_ROOT: "/x", XDG_RUNTIME_DIR: "/run/user/1000" }, 1000, "/x", "/x"],
  ])("finds the run directories: %o for user %i", (env, uid, machineRoot, privateRoot) => {
    expect(parseConfig(env, uid)).toMatchObject({ machineRoot, privateRoot });
  });

  it("hands pods what programs need to find their way, and no proxy", () => {
    const env = { PATH: "/bin", HOME: "/root", LANG: "C.UTF-8", http_proxy: "http://proxy", NODE_OPTIONS: "--inspect" };
    expect(parseConfig(env, 0)).toMatchObject({ searchPath: "/bin", inherited: { HOME: "/root", LANG: "C.UTF-8" } });
    expect(Object.keys(parseConfig(env, 0).inherited)).toEqual(["HOME", "LANG"]);
  });
});

it("describes every variable", () => {
  expect(describeConfig().map(({ name }) => name)).toEqual([
    "AMBIENTCTL_RUN_ROOT",
    "XDG_RUNTIME_DIR",
    "AMBIENTCTL_INSIDE",
    "AMBIENTCTL_LOG",
    "PATH",
  ]);
});
