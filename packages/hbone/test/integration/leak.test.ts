// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { joinTunnel } from "../../src/index.ts";
import {
  buffers,
  dial,
  hashOf,
  identities,
  listen,
  opened,
  sendRandom,
  startPool,
  startServer,
  targetOf,
} from "../support/mesh.ts";
import { settled, until } from "../support/turns.ts";

/** Kinds of what keeps a process alive, with their number. */
function alive(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

describe("after everything was closed", () => {
  it("no socket, no timer and no listener is left, however tunnels ended", async () => {
    await identities();
    const before = alive();
    const echo = await listen((socket) => {
      socket.on("error", () => socket.destroy());
      socket.pipe(socket);
    });
    {
      await using server = await startServer(async (request) => {
        if (request.authority.startsWith("no")) return request.refuse(503);
        const app = await dial(echo.port);
        const tunnel = request.accept();
        if (tunnel) joinTunnel(app, tunnel, buffers);
        else app.destroy();
      });
      await using pool = await startPool();
      const client = await listen(
        (socket) => {
          socket.on("error", () => socket.destroy());
          pool.connect(targetOf(server.port), { authority: "a:1" }).then(
            (outcome) => void joinTunnel(socket, opened(outcome), buffers),
            () => socket.destroy(),
          );
        },
        { pauseOnConnect: true },
      );
      for (let index = 0; index < 30; index++) {
        const app = await dial(client.port);
        app.on("error", () => app.destroy());
        if (index % 3 === 0) app.write("x", () => app.resetAndDestroy());
        else if (index % 3 === 1) app.write("x", () => app.destroy());
        else {
          void sendRandom(app, 100_000);
          await hashOf(app);
        }
        await pool.connect(targetOf(server.port), { authority: "no:1" });
        const unused = opened(await pool.connect(targetOf(server.port), { authority: "a:2" }));
        unused.on("error", () => {});
        unused.destroy();
      }
      await until(() => pool.stats().tunnels === 0 && server.hbone.stats().tunnels === 0);
      const [connection] = [...server.hbone.connections];
      expect(connection?.stats().held).toBe(0);
      client.close();
      await once(client, "close");
    }
    echo.close();
    await once(echo, "close");
    await settled(50);
    const more = Object.entries(alive()).filter(([kind, count]) => count > (before[kind] ?? 0));
    expect(more).toEqual([]);
  });
});
