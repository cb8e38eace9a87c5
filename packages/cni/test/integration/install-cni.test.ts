// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { runInstallCni } from "../support/call-agent.ts";

describe("the program install-cni", () => {
  it.each([
    [["version"], 0, /^install-cni 0\.1\.0 \(Node\.js /],
    [["help"], 0, /^usage: install-cni/],
    [["fly"], 1, /^usage: install-cni/],
  ])("%j", async (args, exitCode, stdout) => {
    const result = await runInstallCni(args);
    expect([result.exitCode, result.stderr]).toEqual([exitCode, ""]);
    expect(result.stdout).toMatch(stdout);
  });

  it("says in one line what is wrong with its settings", async () => {
    const { exitCode, stderr } = await runInstallCni([], { AMBIENT_IPV6: "perhaps", EBPF_ENABLED: "true" });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^the CNI agent can't start: .*AMBIENT_IPV6="perhaps" .*EBPF_ENABLED=true: .*NODE_NAME is missing/,
    );
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
