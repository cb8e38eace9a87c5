// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/netns-finder.test.ts
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { hostNetns, runProgram, sameNetns, type NetnsRef } from "@ambientmesh/linux";
import { FakeClock, buildNetwork, canUseNetns, type TestNetwork, type TestPod } from "@ambientmesh/testkit";
import { NetnsFinder, type NetnsQuery } from "../../src/pods/netns-finder.ts";
import { NetnsRecords, recordOf } from "../../src/pods/netns-records.ts";
import { ProcessScan } from "../../src/pods/process-scan.ts";
import { FakeProc, podGroup } from "../support/fake-proc.ts";

const UID = "2c48913c-b29f-11e7-9350-020968147796";
const OTHER_UID = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

describe.runIf(canUseNetns(process.env))("the finder of network namespaces", () => {
  let net: TestNetwork;
  let a: TestPod;
  let b: TestPod;
  let root: string;
  let proc: FakeProc;
  let records: NetnsRecords;
  let clock: FakeClock;
  let owners: Map<NetnsRef, string>;
  let finder: NetnsFinder;

  beforeEach(async () => {
    net = await buildNetwork({ nodes: { n1: { pods: ["a", "b"] } } });
    a = net.pod("a");
    b = net.pod("b");
    root = mkdtempSync(join(tmpdir(), "finder-"));
    proc = new FakeProc(join(root, "proc"));
    await proc.add("/", net.node("n1").netns, { pid: 1 });
    records = new NetnsRecords({ logger: silentLogger }, { directory: join(root, "pods") });
    await records.load();
    clock = new FakeClock();
    owners = new Map();
    const options = { procDirectory: proc.directory, netnsDirectory: dirname(a.netns.path) };
    finder = new NetnsFinder(
      {
        records,
        processes: new ProcessScan({ clock }, options),
        ownerOf: (netns) => [...owners].find(([owned]) => sameNetns(owned, netns))?.[1],
        logger: silentLogger,
      },
      options,
    );
  });
  afterEach(async () => {
    await net[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  });

  const queryOf = (pod: TestPod, addresses: readonly string[] = [pod.address]): NetnsQuery => ({
    uid: UID,
    groupUid: UID,
    pod: `shop/${pod.name}`,
    addresses,
  });

  /** The name of the pod whose namespace was found. */
  async function find(query: NetnsQuery): Promise<string | undefined> {
    const found = await finder.find(query);
    using _netns = found?.netns;
    return net.pods.find(({ netns }) => found && sameNetns(netns, found.netns))?.name ?? found?.path;
  }

  it("finds it by the control group of a process", async () => {
    await proc.add("/system.slice/other.service", b.netns);
    await proc.add(podGroup(OTHER_UID), b.netns);
    await proc.add(podGroup(UID), a.netns);
    expect(await find(queryOf(a))).toBe("a");
  });

  it.each([4, 6])("finds it by an address of IPv%i", async (version) => {
    await proc.add(podGroup(UID), a.netns);
    // As the API server may write it, not as the kernel does.
    const address = version === 4 ? a.address : a.address6.replace("::", ":0:0::").toUpperCase();
    expect(await find(queryOf(a, ["192.0.2.9", address]))).toBe("a");
  });

  it("takes the oldest process", async () => {
    await runProgram(["ip", "address", "add", a.address, "dev", "lo"], { netns: b.netns });
    await proc.add(podGroup(UID), b.netns, { startTime: 500 });
    await proc.add(podGroup(UID), a.netns, { startTime: 100 });
    expect(await find(queryOf(a))).toBe("a");
  });

  it("refuses the namespace of another pod, in which a process of the pod happens to be", async () => {
    await proc.add(podGroup(UID), b.netns, { startTime: 1 });
    expect(await find(queryOf(a))).toBeUndefined();
    await proc.add(podGroup(UID), a.netns, { startTime: 2 });
    clock.advance(500);
    expect(await find(queryOf(a))).toBe("a");
  });

  it("refuses a namespace that claims the address but is another pod's", async () => {
    await runProgram(["ip", "address", "add", a.address, "dev", "lo"], { netns: b.netns });
    await proc.add(podGroup(UID), b.netns);
    owners.set(b.netns, OTHER_UID);
    expect(await find(queryOf(a))).toBeUndefined();
    expect(() => finder.open(b.netns.path, queryOf(a))).toThrow(`belongs to the pod with uid ${OTHER_UID}`);
    owners.set(b.netns, UID);
    expect(await find(queryOf(a))).toBe("b");
  });

  it("refuses the node's own namespace and that of this process, whatever addresses they have", async () => {
    const node = net.node("n1");
    await proc.add(podGroup(UID), node.netns);
    expect(await find(queryOf(a, [node.address]))).toBeUndefined();
    expect(() => finder.open(node.netns.path, queryOf(a, [node.address]))).toThrow(/is the node's own/);
    expect(() => finder.open(hostNetns().path, queryOf(a, ["127.0.0.1"]))).toThrow(/is the node's own/);
  });

  it("takes no loopback address for proof", async () => {
    await proc.add(podGroup(UID), a.netns);
    expect(await find(queryOf(a, ["127.0.0.1", "::1"]))).toBeUndefined();
  });

  it("does not confuse a process with one that had its number before", async () => {
    const processes = new ProcessScan({ clock }, { procDirectory: proc.directory });
    const pid = await proc.add(podGroup(UID), a.netns, { startTime: 100 });
    const [process] = await processes.processesOf(UID);
    await proc.remove(pid);
    await proc.add(podGroup(OTHER_UID), b.netns, { pid, startTime: 200 });
    expect(process && processes.netnsOf(process)).toBeUndefined();
  });

  it("goes by the record of the container runtime first, while it is the same namespace", async () => {
    const record = recordOf(
      { uid: UID, namespace: "shop", name: "a" },
      { netns: a.netns, path: a.netns.path },
      { addresses: [a.address], isRedirected: false },
    );
    await records.set(record);
    expect(await find(queryOf(a))).toBe("a");
    // After a reboot the same path leads elsewhere.
    await records.set({ ...record, path: b.netns.path });
    expect(await find(queryOf(b))).toBeUndefined();
    await proc.add(podGroup(UID), b.netns);
    clock.advance(500);
    expect(await find(queryOf(b))).toBe("b");
  });

  it.each(["as given", "under the directory of names", "of a process"])(
    "opens a path of the runtime %s",
    async (way) => {
      const pid = await proc.add(podGroup(UID), a.netns);
      const path = {
        "as given": a.netns.path,
        "under the directory of names": `/elsewhere/${basename(a.netns.path)}`,
        "of a process": `/proc/${pid}/ns/net`,
      }[way];
      const { netns } = finder.open(path ?? "", queryOf(a));
      expect(sameNetns(netns, a.netns)).toBe(true);
      netns[Symbol.dispose]();
    },
  );

  it.each([
    ["nothing is there", "/nowhere", "CNI_NETNS_NOT_FOUND"],
    ["it is no namespace", "/dev/null", "CNI_NETNS_NOT_FOUND"],
  ])("refuses a path where %s", (_case, path, code) => {
    expect(() => finder.open(path, queryOf(a))).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("shares one look at all processes among those who ask at the same time", async () => {
    await proc.add(podGroup(UID), a.netns);
    expect(await find(queryOf(a))).toBe("a");
    await proc.add(podGroup(OTHER_UID), b.netns);
    const other = { ...queryOf(b), uid: OTHER_UID, groupUid: OTHER_UID };
    expect(await find(other)).toBeUndefined();
    clock.advance(500);
    expect(await find(other)).toBe("b");
  });
});
