// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { closeSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { describe, expect, it } from "vitest";
import { formatInherited, inheritedSockets, openSocket } from "../../src/local/host-sockets.ts";

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

describe("openSocket", () => {
  it("names the port that is taken, and the flag that chooses another", async () => {
    const { server, port } = await listening();
    try {
      expect(() => openSocket({ key: "the Kubernetes API", port, ifBusy: { flag: "--api-port" } })).toThrow(
        `port ${port} of 127.0.0.1 for the Kubernetes API is in use; choose another one with --api-port`,
      );
      const { fd, port: other } = openSocket({ key: "the API", port, ifBusy: "choose-another" });
      closeSync(fd);
      expect(other).toBeGreaterThan(port);
    } finally {
      server.close();
    }
  });

  it("takes any port where none is named, and shares it with nobody", () => {
    const first = openSocket({ key: "a", port: 0, ifBusy: { flag: "--forward" } });
    const second = openSocket({ key: "b", port: 0, ifBusy: { flag: "--forward" } });
    for (const { fd } of [first, second]) closeSync(fd);
    expect(second.port).not.toBe(first.port);
  });
});

it("hands sockets on to another process as numbers, each to be taken once", async () => {
  const opened = openSocket({ key: "a", port: 0, ifBusy: "choose-another" });
  const unused = openSocket({ key: "b", port: 0, ifBusy: "choose-another" });
  const server = createServer((socket) => socket.end());
  const client = await (async () => {
    using sockets = inheritedSockets(
      formatInherited(
        new Map([
          ["a", opened],
          ["b", unused],
        ]),
      ),
    );
    const wanted = { key: "a", port: 0, ifBusy: "choose-another" } as const;
    server.listen({ fd: sockets.take(wanted).fd });
    expect(() => sockets.take(wanted)).toThrow("this process was given no port for a");
    return connect(opened.port, "127.0.0.1");
  })();
  await once(client.resume(), "close");
  server.close();
  // The one that nobody took is closed.
  const refused = connect(unused.port, "127.0.0.1");
  await expect(once(refused, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
