// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { systemClock } from "@ambientmesh/core";
import { describe, expect, it } from "vitest";
import { down } from "../../src/commands/down.ts";
import { execReplacement } from "../../src/commands/exec.ts";
import { logs } from "../../src/commands/logs.ts";
import { readStatus } from "../../src/commands/status.ts";
import { checkedOptions, type UpFlags } from "../../src/commands/up-options.ts";
import { parseConfig } from "../../src/config.ts";

const FLAGS: UpFlags = { name: "local", mesh: true, logLevel: "info" };
const config = parseConfig({ AMBIENTCTL_RUN_ROOT: "/nonexistent/ambientmesh" }, 0);

describe("the flags of local up", () => {
  it("have defaults", () => {
    expect(checkedOptions(".", FLAGS)).toEqual({
      flags: FLAGS,
      folder: resolve("."),
      api: { key: "the Kubernetes API", port: 16_443, ifBusy: "choose-another" },
      secretTtl: "24h",
      forwards: [],
    });
  });

  it("shorten certificates for the story, unless told otherwise", () => {
    expect(checkedOptions(".", { ...FLAGS, story: true }).secretTtl).toBe("40s");
    expect(checkedOptions(".", { ...FLAGS, story: true, secretTtl: "1h30m" }).secretTtl).toBe("1h30m");
  });

  it("that name a port insist on it", () => {
    expect(checkedOptions(".", { ...FLAGS, apiPort: "6443" }).api).toMatchObject({
      port: 6443,
      ifBusy: { flag: "--api-port" },
    });
  });

  it.each([
    ["/nonexistent", {}, "/nonexistent is no folder; name one with YAML files in it"],
    [".", { json: true }, "--once and --json belong to --story"],
    [".", { once: true }, "--once and --json belong to --story"],
    [".", { story: true, mesh: false }, "--story needs the mesh; leave --no-mesh out"],
    [".", { secretTtl: "soon" }, '--secret-ttl "soon" is not a duration like 10s, 5m or 1h30m'],
    [".", { apiPort: "0" }, '--api-port "0" is no port from 1 to 65535'],
    [".", { apiPort: "http" }, '--api-port "http" is no port from 1 to 65535'],
    [".", { forward: ["x"] }, '--forward "x" is not [LOCAL-PORT:]NAMESPACE/SERVICE:PORT'],
  ])("are refused with their names: %s %o", (folder, flags, message) => {
    expect(() => checkedOptions(folder, { ...FLAGS, ...flags })).toThrow(message);
  });
});

describe("commands without a mesh", () => {
  const signal = new AbortController().signal;

  it.each([
    ["exec", () => execReplacement({ name: "local", target: "a", command: ["true"] }, { config, env: {} })],
    ["logs", () => logs({ name: "local", target: "a", follow: false }, { config, clock: systemClock, signal })],
    ["status", () => readStatus(config, "local")],
    ["down", () => down("local", { config, clock: systemClock, terminal: { tell: () => {}, result: () => {} } })],
  ])("%s says that there is none", async (_command, run) => {
    await expect(run()).rejects.toMatchObject({
      code: "CLI_MESH_NOT_RUNNING",
      message: expect.stringContaining('the local mesh "local"') as string,
    });
  });

  it("exec wants a program", async () => {
    await expect(execReplacement({ name: "local", target: "cart", command: [] }, { config, env: {} })).rejects.toThrow(
      "name the program to run: ambientctl local exec cart -- PROGRAM",
    );
  });
});
