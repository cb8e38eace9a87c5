// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { opened, openConnection, startServer } from "../support/mesh.ts";
import { settled, until } from "../support/turns.ts";

// Whoever awaits a tunnel gets it some turns after the peer's answer: what the peer does in the meantime, even in the same
// packet, finds no listener yet and must not become an uncaught exception, which would end the program.
describe("a peer that breaks a tunnel together with its answer", () => {
  it("by a reset, breaks that tunnel only", async () => {
    await using server = await startServer((request) => {
      request.accept()?.destroy();
    });
    await using connection = await openConnection(server.port);
    for (let round = 0; round < 5; round++) {
      const tunnel = opened(await connection.connect({ authority: "10.0.0.1:80" }));
      await until(() => tunnel.destroyed);
      expect(tunnel.errored).toMatchObject({ code: "HBONE_STREAM_RESET" });
    }
    await settled();
    expect(connection.openTunnels).toBe(0);
  });

  it("by the end of the connection, breaks no more than that", async () => {
    await using server = await startServer((request) => {
      request.accept();
      setImmediate(() => server.hbone.abort());
    });
    await using connection = await openConnection(server.port);
    const tunnel = opened(await connection.connect({ authority: "10.0.0.1:80" }));
    await until(() => tunnel.destroyed);
    expect(tunnel.errored).toMatchObject({ code: "HBONE_CONNECTION_CLOSED" });
  });
});
