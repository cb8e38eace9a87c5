// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  NetworkPlan,
  applyNftables,
  canonicalAddress,
  chooseIptables,
  connectTcp,
  createNamedNetns,
  deleteNamedNetns,
  listenTcp,
  originalDestination,
  readSysctl,
  restoreIptables,
  saveIptables,
  spawnIn,
  writeSysctl,
  type OriginalDestination,
} from "../../src/index.ts";
import { A, B, twoPods, type TwoPods } from "./two-pods.ts";

// Run by user-namespace.test.ts; prints what it found as JSON.

const SOURCES = { v4: "192.0.2.55", v6: "2001:db8::55" } as const;
const MARK = 0x539;

async function serverIn(netns: TwoPods["a"], port: number): Promise<Server> {
  const server = createServer((socket) => socket.resume().end());
  await listenTcp(server, { netns, address: "::", port, mark: MARK, transparent: true });
  return server;
}

async function accept(server: Server, connecting: Promise<Socket>): Promise<Socket> {
  const [[accepted], client] = await Promise.all([once(server, "connection") as Promise<[Socket]>, connecting]);
  client.destroy();
  return accepted;
}

async function spoofedSources(pods: TwoPods, server: Server): Promise<string[]> {
  const plan = new NetworkPlan();
  for (const v of ["v4", "v6"] as const) {
    plan.route(pods.b, { to: SOURCES[v], via: A[v] });
    plan.route(pods.a, { to: SOURCES[v], type: "local", device: "lo" });
  }
  await plan.apply();
  const seen: string[] = [];
  for (const v of ["v4", "v6"] as const) {
    const connecting = connectTcp({ netns: pods.a, host: B[v], port: 4711, mark: MARK, bindAddress: SOURCES[v] });
    seen.push(canonicalAddress((await accept(server, connecting)).remoteAddress ?? ""));
  }
  return seen;
}

async function plainAddresses(pods: TwoPods, server: Server): Promise<string[]> {
  const seen: string[] = [];
  for (const v of ["v4", "v6"] as const) {
    const accepted = await accept(server, connectTcp({ netns: pods.a, host: B[v], port: 4711 }));
    seen.push(canonicalAddress(accepted.localAddress ?? ""));
  }
  return seen;
}

async function redirectedDestination(pods: TwoPods): Promise<OriginalDestination> {
  await applyNftables(
    `table inet capture {
      chain output {
        type nat hook output priority -100;
        meta mark != ${MARK} meta l4proto tcp redirect to :15001
      }
    }`,
    { netns: pods.a },
  );
  const proxy = await serverIn(pods.a, 15_001);
  const destination = once(proxy, "connection").then(([socket]) => originalDestination(socket as Socket));
  (await connectTcp({ netns: pods.a, host: B.v4, port: 4711 })).destroy();
  proxy.close();
  return destination;
}

async function hasIptables(pods: TwoPods): Promise<boolean> {
  const tool = await chooseIptables({ netns: pods.b });
  await restoreIptables(tool, 4, "*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\nCOMMIT\n", { netns: pods.b });
  return (await saveIptables(tool, 4, { netns: pods.b })).includes("--to-ports 1");
}

async function resolverOf(pods: TwoPods, folder: string): Promise<string> {
  const source = join(folder, "resolv.conf");
  writeFileSync(source, "nameserver 192.0.2.53");
  const child = spawnIn(["cat", "/etc/resolv.conf"], {
    netns: pods.a,
    mounts: [{ source, target: "/etc/resolv.conf" }],
    stdio: ["ignore", "pipe", "inherit"],
  });
  return Buffer.concat((await child.stdout?.toArray()) as Buffer[]).toString();
}

function canName(folder: string): boolean {
  const names = join(folder, "netns");
  createNamedNetns("x", names)[Symbol.dispose]();
  const isDeleted = deleteNamedNetns("x", names);
  // The folder of names was bound to itself.
  spawnSync("umount", ["-l", names]);
  return isDeleted;
}

const folder = mkdtempSync(join(tmpdir(), "linux-userns-"));
using pods = await twoPods();
const server = await serverIn(pods.b, 4711);
writeSysctl(pods.a, "net/ipv4/ip_forward", 1);
const found = {
  addresses: await plainAddresses(pods, server),
  sources: await spoofedSources(pods, server),
  redirected: await redirectedDestination(pods),
  iptables: await hasIptables(pods),
  resolver: await resolverOf(pods, folder),
  sysctl: readSysctl(pods.a, "net/ipv4/ip_forward"),
  named: canName(folder),
};
server.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(JSON.stringify(found));
