// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { obstacleToOtherUsers } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import {
  connectSeqpacket,
  createNamedNetns,
  createNetns,
  deleteNamedNetns,
  hostNetns,
  inNetns,
  isIpv6Enabled,
  listenSeqpacket,
  netnsFromFd,
  netnsOfPid,
  openNamedNetns,
  openNetns,
  pidsInNetns,
  processStartTime,
  readSysctl,
  sameNetns,
  spawnIn,
  writeSysctl,
} from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

const SOURCE = new URL("../../src/index.ts", import.meta.url).href;
const CONDITIONS = ["--conditions=@ambientmesh/source", "--input-type=module"];
const ownNetns = (): string => readlinkSync("/proc/thread-self/ns/net");
const code = (name: string): unknown => expect.objectContaining({ code: name });

describe.runIf(mayUseNetns())("network namespaces", () => {
  it("are new, empty, and another one each time", () => {
    using a = createNetns();
    using b = createNetns();
    expect(sameNetns(a, b)).toBe(false);
    expect(sameNetns(a, hostNetns())).toBe(false);
    expect(inNetns(a, () => readFileSync("/proc/net/dev", "utf8").trim().split("\n").slice(2))).toEqual([
      expect.stringMatching(/^\s*lo:/),
    ]);
  });

  it("keep their identity however they are opened", () => {
    using netns = createNetns();
    using byPath = openNetns(netns.path);
    using byFd = netnsFromFd(openSync(netns.path, "r"));
    expect(sameNetns(netns, byPath)).toBe(true);
    expect(sameNetns(netns, byFd)).toBe(true);
    expect(inNetns(netns, ownNetns)).toBe(netns.id);
  });

  it("are found by the PID of a process inside, and its PID by them", async () => {
    using netns = createNetns();
    const child = spawnIn(["sleep", "60"], { netns });
    try {
      await once(child, "spawn");
      const pid = child.pid as number;
      using found = netnsOfPid(pid);
      expect(sameNetns(found, netns)).toBe(true);
      expect(await pidsInNetns(netns)).toEqual([pid]);
      expect(processStartTime(pid)).toBeTypeOf("bigint");
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    expect(await pidsInNetns(netns)).toEqual([]);
    expect(processStartTime(child.pid as number)).toBeUndefined();
    expect(() => netnsOfPid(child.pid as number)).toThrow(code("LINUX_NETNS_NOT_FOUND"));
  });

  test.each(["/nowhere", "/proc/self/ns/nonsense"])("are not found at %s", (path) =>
    expect(() => openNetns(path)).toThrow(code("LINUX_NETNS_NOT_FOUND")),
  );

  test.each(["/dev/null", "/proc/self/ns/mnt", "/tmp"])("are not mistaken for %s", (path) => {
    const before = readdirSync("/proc/self/fd").length;
    expect(() => openNetns(path)).toThrow(code("LINUX_NETNS_INVALID"));
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });

  it("can't be used once disposed", () => {
    const netns = createNetns();
    netns[Symbol.dispose]();
    netns[Symbol.dispose]();
    expect(() => netns.fd).toThrow(code("LINUX_NETNS_NOT_FOUND"));
    expect(() => inNetns(netns, ownNetns)).toThrow(/was closed by its owner/);
    expect(ownNetns()).toBe(hostNetns().id);
  });

  it("arrive over a socket with their identity", async () => {
    const folder = mkdtempSync(join(tmpdir(), "linux-zds-"));
    using listener = listenSeqpacket({ path: join(folder, "zds.sock") });
    using client = connectSeqpacket(listener.path);
    using server = await listener.accept();
    using netns = createNetns();
    await server.send(Buffer.from("add"), { fds: [netns.fd] });
    const message = await client.receive();
    using received = netnsFromFd(message?.fds[0] as number);
    expect(received.fd).not.toBe(netns.fd);
    expect(sameNetns(received, netns)).toBe(true);
    expect(inNetns(received, ownNetns)).toBe(netns.id);
    rmSync(folder, { recursive: true, force: true });
  });
});

describe.runIf(mayUseNetns())("inNetns", () => {
  it("returns what the work returns and comes back, also when it throws", () => {
    using netns = createNetns();
    const home = ownNetns();
    expect(inNetns(netns, () => [1, ownNetns()])).toEqual([1, netns.id]);
    expect(ownNetns()).toBe(home);
    const fail = (): never => {
      throw new Error(ownNetns());
    };
    expect(() => inNetns(netns, fail)).toThrow(netns.id);
    expect(ownNetns()).toBe(home);
  });

  it("nests, and comes back one step at a time", () => {
    using outer = createNetns();
    using inner = createNetns();
    const seen = inNetns(outer, () => {
      const inside = inNetns(inner, ownNetns);
      using third = createNetns();
      return [inside, ownNetns(), sameNetns(third, outer)];
    });
    expect(seen).toEqual([inner.id, outer.id, false]);
    expect(ownNetns()).toBe(hostNetns().id);
  });

  it("refuses asynchronous work, before it begins where that can be seen", () => {
    using netns = createNetns();
    let ran = "";
    const work = async (): Promise<void> => {
      ran = ownNetns();
    };
    expect(() => inNetns(netns, work as unknown as () => string)).toThrow(code("LINUX_NETNS_ASYNC"));
    expect(ran).toBe("");
    const hidden = (): string => Promise.resolve("x") as unknown as string;
    expect(() => inNetns(netns, hidden)).toThrow(code("LINUX_NETNS_ASYNC"));
    expect(ownNetns()).toBe(hostNetns().id);
  });

  it("aborts the process if it can't come back", () => {
    const script = `
      import { closeSync } from "node:fs";
      import { createNetns, hostNetns, inNetns } from ${JSON.stringify(SOURCE)};
      const netns = createNetns();
      try { inNetns(netns, () => closeSync(hostNetns().fd)); } catch {}
      process.stdout.write("still running");`;
    const result = spawnSync(process.execPath, [...CONDITIONS, "-e", script], { encoding: "utf8", cwd: tmpdir() });
    expect(result.signal).toBe("SIGABRT");
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(/fatal: this thread can't return .*EBADF/);
  });

  it("is the business of one thread: a worker is at home while the main thread is away", async () => {
    using netns = createNetns();
    const script = `
      import { parentPort, workerData } from "node:worker_threads";
      import { readlinkSync } from "node:fs";
      const { hostNetns, inNetns, openNetns } = await import(workerData.source);
      const signal = new Int32Array(workerData.shared);
      const own = () => readlinkSync("/proc/thread-self/ns/net");
      Atomics.store(signal, 0, 1); Atomics.notify(signal, 0);
      Atomics.wait(signal, 0, 1);
      const home = hostNetns().id;
      const visited = inNetns(openNetns(workerData.path), own);
      Atomics.store(signal, 0, 3); Atomics.notify(signal, 0);
      parentPort.postMessage({ home, visited, back: own() });`;
    const shared = new SharedArrayBuffer(4);
    const signal = new Int32Array(shared);
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      workerData: { source: SOURCE, path: netns.path, shared },
      execArgv: ["--conditions=@ambientmesh/source"],
    });
    const answer = once(worker, "message");
    while (Atomics.load(signal, 0) !== 1) await new Promise(setImmediate);
    inNetns(netns, () => {
      Atomics.store(signal, 0, 2);
      Atomics.notify(signal, 0);
      Atomics.wait(signal, 0, 2);
    });
    expect(await answer).toEqual([{ home: hostNetns().id, visited: netns.id, back: hostNetns().id }]);
    await worker.terminate();
  });
});

describe.runIf(mayUseNetns())("named network namespaces", () => {
  const name = `linux-test-${process.pid}`;

  it("outlive their handle, and are what ip-netns sees", () => {
    try {
      const created = createNamedNetns(name);
      const { dev, ino } = created;
      created[Symbol.dispose]();
      expect(spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout).toContain(name);
      using opened = openNamedNetns(name);
      expect(sameNetns(opened, { dev, ino })).toBe(true);
      expect(() => createNamedNetns(name)).toThrow(code("LINUX_NETNS_EXISTS"));
    } finally {
      expect(deleteNamedNetns(name)).toBe(true);
    }
    expect(existsSync(`/run/netns/${name}`)).toBe(false);
    expect(deleteNamedNetns(name)).toBe(false);
    expect(() => openNamedNetns(name)).toThrow(code("LINUX_NETNS_NOT_FOUND"));
  });

  it("can live in a folder of their own", () => {
    const folder = mkdtempSync(join(tmpdir(), "linux-netns-"));
    try {
      using netns = createNamedNetns("x", folder);
      using opened = openNamedNetns("x", folder);
      expect(sameNetns(netns, opened)).toBe(true);
      expect(deleteNamedNetns("x", folder)).toBe(true);
    } finally {
      spawnSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test.each(["", ".", "..", "a/b", "a b", "../x", "x\n"])("are never called %j", (bad) => {
    expect(() => createNamedNetns(bad)).toThrow(code("LINUX_ARGUMENT_INVALID"));
    expect(() => deleteNamedNetns(bad)).toThrow(code("LINUX_ARGUMENT_INVALID"));
  });
});

describe.runIf(mayUseNetns())("sysctls", () => {
  it("belong to their namespace", () => {
    using a = createNetns();
    using b = createNetns();
    const host = readSysctl(hostNetns(), "net/ipv4/ip_forward");
    writeSysctl(a, "net/ipv4/ip_forward", 1);
    writeSysctl(b, "net/ipv4/ip_forward", 0);
    expect(readSysctl(a, "net/ipv4/ip_forward")).toBe("1");
    expect(readSysctl(b, "net/ipv4/ip_forward")).toBe("0");
    expect(readSysctl(hostNetns(), "net/ipv4/ip_forward")).toBe(host);
  });

  it("tell whether IPv6 can be used", () => {
    using netns = createNetns();
    expect(isIpv6Enabled(netns)).toBe(true);
    writeSysctl(netns, "net/ipv6/conf/lo/disable_ipv6", 1);
    expect(isIpv6Enabled(netns)).toBe(false);
  });

  it("that are unknown or refuse a value say so", () => {
    using netns = createNetns();
    expect(readSysctl(netns, "net/ipv4/no_such_thing")).toBeUndefined();
    expect(() => writeSysctl(netns, "net/ipv4/no_such_thing", 1)).toThrow(code("LINUX_FEATURE_MISSING"));
    expect(() => writeSysctl(netns, "net/ipv4/ip_forward", "often")).toThrow(/set to "often": EINVAL/);
  });

  test.each(["", "net", "kernel/hostname", "net/../kernel/hostname", "net//ipv4", "/net/ipv4/ip_forward"])(
    "are never the file %j",
    (key) => {
      expect(() => readSysctl(hostNetns(), key)).toThrow(code("LINUX_ARGUMENT_INVALID"));
      expect(() => writeSysctl(hostNetns(), key, 1)).toThrow(code("LINUX_ARGUMENT_INVALID"));
    },
  );
});

describe.runIf(mayUseNetns())("without the capability", () => {
  it.skipIf(obstacleToOtherUsers(import.meta.dirname) !== undefined)("says which one lacks", () => {
    const script = `
      import { createNetns, requireCapabilities, probeInPodSockets, IN_POD_CAPABILITIES } from ${JSON.stringify(SOURCE)};
      const report = (work) => { try { work(); return "ok"; } catch (e) { return { code: e.code, message: e.message, details: e.details }; } };
      process.stdout.write(JSON.stringify([report(createNetns), report(() => requireCapabilities("the proxy", IN_POD_CAPABILITIES)), report(() => probeInPodSockets(1337))]));`;
    const drop = ["--bounding-set", "-all", "--inh-caps", "-all", "--reuid", "65534", "--clear-groups"];
    const result = spawnSync("setpriv", [...drop, process.execPath, ...CONDITIONS, "-e", script], {
      encoding: "utf8",
      cwd: "/",
    });
    expect(result.stderr).toBe("");
    const [create, required, probed] = JSON.parse(result.stdout) as {
      code: string;
      message: string;
      details: unknown;
    }[];
    expect(create).toMatchObject({
      code: "LINUX_CAPABILITY_MISSING",
      message: "can't create a network namespace: unshare gave EPERM; the process lacks CAP_SYS_ADMIN",
    });
    expect(required).toMatchObject({
      code: "LINUX_CAPABILITY_MISSING",
      details: { missing: ["NET_ADMIN", "SYS_ADMIN", "NET_RAW"] },
    });
    expect(probed).toMatchObject({
      code: "LINUX_CAPABILITY_MISSING",
      message: expect.stringContaining("setns gave EPERM") as string,
    });
  });
});

// Kept last: everything above must have left the process as it was.
describe.runIf(mayUseNetns())("afterwards", () => {
  it("every thread is at home and no descriptor of a namespace is left but the host's", () => {
    const threads = readdirSync("/proc/self/task").map((tid) => readlinkSync(`/proc/self/task/${tid}/ns/net`));
    expect(new Set(threads)).toEqual(new Set([hostNetns().id]));
    const fds = readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith("net:[");
      } catch {
        return false; // the descriptor of the listing itself
      }
    });
    expect(fds).toEqual([String(hostNetns().fd)]);
  });
});
