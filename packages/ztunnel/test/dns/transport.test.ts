// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, infiniteStream, integer, property, uint8Array } from "fast-check";
import { silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { frame, FrameSplitter } from "../../src/dns/frames.ts";
import { NameServers, parseResolvConf } from "../../src/dns/resolv-conf.ts";
import { holds } from "../fixtures.ts";

describe("messages over TCP", () => {
  it("come out as they went in, however the stream is cut", () => {
    const messages = array(uint8Array({ maxLength: 80 }), { maxLength: 5 });
    const claim = property(messages, infiniteStream(integer({ min: 1, max: 30 })), (sent, sizes) => {
      let stream = Buffer.concat(sent.map(frame));
      const splitter = new FrameSplitter();
      const received: Buffer[] = [];
      while (stream.length > 0) {
        const size = sizes.next().value ?? 1;
        received.push(...splitter.push(stream.subarray(0, size)));
        stream = stream.subarray(size);
      }
      return Buffer.concat(received).equals(Buffer.concat(sent)) && received.length === sent.length;
    });
    expect(holds(claim)).toBe(true);
  });

  it("have at most 65,535 bytes", () => {
    expect(() => frame(Buffer.alloc(65_536))).toThrow(RangeError);
  });
});

describe("resolv.conf", () => {
  it("is read as resolvers do", () => {
    const text = `# made by hand
nameserver 10.96.0.10 ; the cluster's
search first.example
nameserver fd00::53
nameserver fe80::1%eth0
nameserver nonsense
nameserver 1.1.1.1
nameserver 8.8.8.8
search Default.svc.cluster.local. svc.cluster.local
options ndots:5`;
    expect(parseResolvConf(text)).toEqual({
      nameServers: ["10.96.0.10", "fd00::53", "1.1.1.1"].map((ip) => ({ ip, port: 53 })),
      searchDomains: ["default.svc.cluster.local", "svc.cluster.local"],
    });
    expect(parseResolvConf("")).toEqual({ nameServers: [], searchDomains: [] });
  });

  it("has those last that were silent lately", async () => {
    const clock = new FakeClock();
    const folder = mkdtempSync(join(tmpdir(), "resolv-"));
    try {
      const path = join(folder, "resolv.conf");
      writeFileSync(path, "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3");
      const servers = new NameServers({ clock, logger: silentLogger }, { path });
      const now = async (): Promise<readonly string[]> => (await servers.current()).nameServers.map(({ ip }) => ip);
      servers.silent({ ip: "10.0.0.1", port: 53 });
      expect(await now()).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
      clock.advance(10_000);
      servers.silent({ ip: "10.0.0.2", port: 53 });
      expect(await now()).toEqual(["10.0.0.3", "10.0.0.1", "10.0.0.2"]);
      clock.advance(30_000);
      expect(await now()).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is read again after a while, and kept as it was while it can't be read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "resolv-"));
    try {
      const path = join(folder, "resolv.conf");
      const clock = new FakeClock();
      const servers = new NameServers({ clock, logger: silentLogger }, { path });
      const now = async (): Promise<readonly string[]> => (await servers.current()).nameServers.map(({ ip }) => ip);
      expect(await now()).toEqual([]);
      clock.advance(5000);
      writeFileSync(path, "nameserver 10.0.0.1");
      expect(await now()).toEqual(["10.0.0.1"]);
      writeFileSync(path, "nameserver 10.0.0.2");
      expect(await now()).toEqual(["10.0.0.1"]);
      clock.advance(5000);
      expect(await now()).toEqual(["10.0.0.2"]);
      rmSync(path);
      clock.advance(5000);
      expect(await now()).toEqual(["10.0.0.2"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
