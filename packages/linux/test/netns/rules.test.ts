// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { obstacleToOtherUsers } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import {
  applyNftables,
  canonicalIptables,
  canonicalNftables,
  chooseIptables,
  comparableIptables,
  comparableNftables,
  createNetns,
  detectIptables,
  detectNft,
  hostNetns,
  inNetns,
  listNftables,
  restoreIptables,
  saveIptables,
  type IptablesTool,
} from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

const TABLE = { family: "inet", name: "mesh" } as const;
const RULES = `
table inet mesh
delete table inet mesh
table inet mesh {
  set probes { type ipv4_addr; elements = { 10.0.0.9 } }
  chain output {
    type nat hook output priority -100; policy accept;
    ip saddr @probes counter accept
    meta l4proto tcp counter redirect to :15001
  }
}`;
const IPTABLES = `*nat
:MESH_OUTPUT - [0:0]
-A OUTPUT -j MESH_OUTPUT
-A MESH_OUTPUT -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
`;
const code = (name: string): unknown => expect.objectContaining({ code: name });

async function toolOf(variant: "legacy" | "nft"): Promise<IptablesTool> {
  const tool = (await detectIptables()).find((candidate) => candidate.variant === variant);
  if (!tool) throw new Error(`the machine has no iptables of variant ${variant}`);
  return tool;
}

describe.runIf(mayUseNetns())("nftables", () => {
  it("is found with its version", async () => {
    expect(await detectNft()).toEqual({ version: expect.stringMatching(/^\d+\.\d+/), hasJson: true });
  });

  it("takes a rule set, and gives back what one would expect of it", async () => {
    using netns = createNetns();
    expect(await listNftables({ netns }, TABLE)).toBeUndefined();
    await applyNftables(RULES, { netns });
    const expected = await canonicalNftables(RULES);
    expect(comparableNftables((await listNftables({ netns })) ?? [])).toEqual(expected);
    expect(expected.map((object) => Object.keys(object)[0])).toEqual(["table", "set", "chain", "rule", "rule"]);
    expect(comparableNftables((await listNftables({ netns }, TABLE)) ?? [])).toEqual(expected);
    expect(comparableNftables((await listNftables()) ?? [])).not.toEqual(expected);
  });

  it("shows a change", async () => {
    using netns = createNetns();
    const expected = await canonicalNftables(RULES);
    await applyNftables(RULES, { netns });
    await applyNftables("add rule inet mesh output tcp dport 1 accept", { netns });
    expect(comparableNftables((await listNftables({ netns })) ?? [])).not.toEqual(expected);
    await applyNftables(RULES, { netns });
    expect(comparableNftables((await listNftables({ netns })) ?? [])).toEqual(expected);
    await applyNftables("delete table inet mesh", { netns });
    expect(await listNftables({ netns }, TABLE)).toBeUndefined();
  });

  it("applies all or nothing, and says where it failed", async () => {
    using netns = createNetns();
    await applyNftables(RULES, { netns });
    const before = await listNftables({ netns });
    const broken = `${RULES}\nadd rule inet mesh output jump nowhere\n`;
    const failed = applyNftables(broken, { netns });
    await expect(failed).rejects.toMatchObject({
      code: "LINUX_TOOL_FAILED",
      message: expect.stringContaining(`"nft -f -" in ${netns.id} failed with exit code 1`) as string,
      details: { stderr: expect.stringContaining("nowhere") as string },
    });
    expect(await listNftables({ netns })).toEqual(before);
    await expect(applyNftables("tabel inet x {}", { netns })).rejects.toThrow(/syntax error/);
  });

  it("touches no other namespace", async () => {
    using netns = createNetns();
    const before = await listNftables({ netns: hostNetns() });
    await applyNftables(RULES, { netns });
    expect(await listNftables({ netns: hostNetns() })).toEqual(before);
  });

  it("is given up on request", async () => {
    using netns = createNetns();
    await expect(applyNftables(RULES, { netns, signal: AbortSignal.abort() })).rejects.toThrow(code("ABORTED"));
    const abort = new AbortController();
    const applying = applyNftables(RULES, { netns, signal: abort.signal });
    abort.abort();
    await expect(applying).rejects.toThrow(code("ABORTED"));
  });
});

describe.runIf(mayUseNetns())("iptables", () => {
  it("is found in both variants", async () => {
    expect(await detectIptables()).toEqual([
      { variant: "nft", version: expect.any(String), programs: { 4: "iptables-nft", 6: "ip6tables-nft" } },
      { variant: "legacy", version: expect.any(String), programs: { 4: "iptables-legacy", 6: "ip6tables-legacy" } },
    ]);
  });

  test.each([
    ["nft", 4],
    ["nft", 6],
    ["legacy", 4],
    ["legacy", 6],
  ] as const)("of variant %s takes IPv%d rules and gives them back", async (variant, version) => {
    using netns = createNetns();
    const tool = await toolOf(variant);
    const expected = await canonicalIptables(tool, version, IPTABLES);
    expect(expected).toContain("-A MESH_OUTPUT -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001");
    await restoreIptables(tool, version, IPTABLES, { netns });
    expect(comparableIptables(await saveIptables(tool, version, { netns }))).toEqual(expected);
    expect(await chooseIptables({ netns })).toEqual(tool);
    // Chains that are declared again are emptied, built-in ones keep what they had: hence the comparison.
    await restoreIptables(tool, version, IPTABLES, { netns });
    expect(comparableIptables(await saveIptables(tool, version, { netns }))).not.toEqual(expected);
  });

  it("of the first variant is chosen where there are no rules", async () => {
    using netns = createNetns();
    expect((await chooseIptables({ netns })).variant).toBe("nft");
  });

  it("applies a table or nothing of it, and says which line failed", async () => {
    using netns = createNetns();
    const tool = await toolOf("nft");
    const broken = IPTABLES.replace("COMMIT", "-A MESH_OUTPUT -j NOWHERE\nCOMMIT");
    await expect(restoreIptables(tool, 4, broken, { netns })).rejects.toMatchObject({
      code: expect.stringMatching(/^LINUX_(TOOL_FAILED|FEATURE_MISSING)$/) as string,
      details: { stderr: expect.stringMatching(/line (failed|5)|NOWHERE/i) as string },
    });
    expect(comparableIptables(await saveIptables(tool, 4, { netns }))).toEqual([]);
  });
});

describe.runIf(mayUseNetns())("a kernel or user that refuses", () => {
  it.skipIf(obstacleToOtherUsers(import.meta.dirname) !== undefined)("is told apart from broken rules", async () => {
    const source = new URL("../../src/index.ts", import.meta.url).href;
    const script = `
      import { applyNftables } from ${JSON.stringify(source)};
      await applyNftables("table inet x {}").catch((error) => process.stdout.write(JSON.stringify(error)));`;
    const options = ["--conditions=@ambientmesh/source", "--input-type=module", "-e", script];
    const drop = ["--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups"];
    using netns = createNetns();
    const result = inNetns(netns, () =>
      spawnSync("setpriv", [...drop, process.execPath, ...options], { encoding: "utf8", cwd: "/" }),
    );
    expect(JSON.parse(result.stdout)).toMatchObject({
      code: "LINUX_CAPABILITY_MISSING",
      details: { capability: "NET_ADMIN", stderr: expect.stringContaining("not permitted") as string },
    });
  });
});
