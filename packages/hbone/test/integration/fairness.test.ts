// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { TunnelStream } from "../../src/index.ts";
import { opened, startPool, startServer, targetOf } from "../support/mesh.ts";
import { until } from "../support/turns.ts";

const CHUNK = Buffer.alloc(256 * 1024, "b");

/** Authority "bulk:1" sends without end, "sink:1" takes all, others echo. */
async function startApps() {
  const server = await startServer((request) => {
    const tunnel = request.accept();
    if (!tunnel) return;
    tunnel.on("error", () => tunnel.destroy());
    if (request.authority === "bulk:1") return pump(tunnel);
    if (request.authority === "sink:1") return void tunnel.resume();
    tunnel.pipe(tunnel);
  });
  return server;
}

function pump(tunnel: TunnelStream): void {
  const more = (): void => {
    while (!tunnel.destroyed && tunnel.write(CHUNK));
  };
  tunnel.on("drain", more);
  more();
}

async function ask(tunnel: TunnelStream, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    tunnel.write("ping");
    const [answer] = (await once(tunnel, "data")) as [Buffer];
    expect(answer.toString()).toBe("ping");
  }
}

describe("small tunnels", () => {
  it("go on beside many whose reader at our end has stalled, on the same connection", async () => {
    await using server = await startApps();
    await using pool = await startPool({ maxCongested: 1 });
    const open = async (authority: string): Promise<TunnelStream> => {
      const tunnel = opened(await pool.connect(targetOf(server.port), { authority }));
      tunnel.on("error", () => tunnel.destroy());
      return tunnel;
    };
    const small = await open("echo:1");
    const stalled = [];
    for (let index = 0; index < 50; index++) stalled.push((await open("bulk:1")).pause());
    const [pooled] = [...pool.connections()];
    await until(() => (pooled?.connection.stats().held ?? 0) > 50 * 200_000);
    expect(pool.stats().connections).toBe(1);
    await ask(small, 20);
    await ask(await open("echo:2"), 20);
    const { held, heldBound } = pooled?.connection.stats() ?? { held: Infinity, heldBound: 0 };
    expect(held).toBeLessThanOrEqual(heldBound);
    for (const tunnel of stalled) tunnel.destroy();
    await until(() => pooled?.connection.stats().held === 0);
  });

  it("get a connection of their own beside bulk in either direction", async () => {
    await using server = await startApps();
    await using pool = await startPool();
    const open = async (authority: string): Promise<TunnelStream> => {
      const tunnel = opened(await pool.connect(targetOf(server.port), { authority }));
      tunnel.on("error", () => tunnel.destroy());
      return tunnel;
    };
    const download = (await open("bulk:1")).resume();
    const upload = await open("sink:1");
    pump(upload);
    await until(() => download.bytesRead > 100_000_000 && upload.bytesWritten > 10_000_000);
    const small = await open("echo:1");
    expect(pool.stats().connections).toBe(2);
    await ask(small, 20);
    for (const tunnel of [download, upload, small]) tunnel.destroy();
  });
});
